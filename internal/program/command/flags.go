package command

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/neonauthd/neonauthd/internal/credential"
	"github.com/neonauthd/neonauthd/internal/nearest"
	"github.com/neonauthd/neonauthd/internal/program"
)

// flagError names the flag that is wrong, without its value.
func flagError(cmd *cobra.Command, err error) error {
	var value *pflag.InvalidValueError
	var lacks *pflag.ValueRequiredError
	var unknown *pflag.NotExistError
	text := "no such flag"
	switch {
	case errors.As(err, &value):
		text = "--" + value.GetFlag().Name + " " + reason(value)
	case errors.As(err, &lacks) && cmd.Flags().Lookup(lacks.GetSpecifiedName()) != nil:
		text = "--" + lacks.GetSpecifiedName() + " needs a value"
	case errors.As(err, &unknown):
		text += meantFlag(cmd, unknown.GetSpecifiedName())
	}
	return program.Usage(text + see(cmd))
}

// reason says what is wrong with a value, in fixed words.
func reason(err *pflag.InvalidValueError) string {
	var words ownWords
	if errors.As(err, &words) {
		return string(words)
	}
	switch err.GetFlag().Value.Type() {
	case "duration":
		return "must be a duration such as 500ms, 2s, 5m or 7d"
	case "bool":
		return "takes no value"
	case "int":
		return "must be a whole number"
	}
	return "cannot have this value"
}

// ownWords is an error about a flag's value with a fixed text, which may be shown.
type ownWords string

func (w ownWords) Error() string { return string(w) }

// meantFlag returns a question for a similar flag of cmd, or "".
func meantFlag(cmd *cobra.Command, typed string) string {
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden && len(typed) > 1 {
			names = append(names, f.Name)
		}
	})
	return nearest.Question(typed, names, "--", "")
}

// Path adds a flag for the path of a file or a socket. It refuses a value that looks
// like a token or a key: the program would try to open it, and repeat it in an error.
func Path(flags *pflag.FlagSet, path *string, name, otherwise, usage string) {
	*path = otherwise
	Text(flags, path, name, usage, func(text string) string {
		if text == "" { // as of a variable that is not set: the default could be another daemon's
			return "must be a path, and is empty"
		}
		if err := CheckPath(text); err != nil {
			return "must be a path, and " + err.Error()
		}
		return ""
	})
}

// Text adds a flag for a text. fault returns what is wrong with a text, or "". Its
// result is shown after the flag's name, so it must repeat nothing of the text.
func Text(flags *pflag.FlagSet, text *string, name, usage string, fault func(text string) string) {
	flags.Var(&checked{text, fault}, name, usage)
}

type checked struct {
	text  *string
	fault func(string) string
}

func (c *checked) String() string {
	if c.text == nil { // package flag asks a zero value for its default
		return ""
	}
	return *c.text
}

func (c *checked) Type() string { return "string" }

func (c *checked) Set(text string) error {
	if fault := c.fault(text); fault != "" {
		return ownWords(fault)
	}
	*c.text = text
	return nil
}

// maxName is the longest name that a file can have in any of the usual file
// systems (NAME_MAX of limits.h(0p)).
const maxName = 255

// errCredential does not repeat the value.
var errCredential = errors.New("this looks like a token or a key itself; have it replaced if others can see your command lines")

// CheckPath returns an error if path cannot be meant as the path of a file. The error
// does not repeat the path. CheckPath opens nothing.
func CheckPath(path string) error {
	if credential.Resembles(path) {
		return errCredential
	}
	for name := range strings.SplitSeq(path, "/") {
		if len(name) > maxName {
			return errCredential
		}
	}
	return nil
}
