package command

import (
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/neonauthd/neonauthd/internal/credential"
	"github.com/neonauthd/neonauthd/internal/nearest"
	"github.com/neonauthd/neonauthd/internal/program"
	"github.com/neonauthd/neonauthd/internal/span"
)

// flagError names the flag that is wrong and leaves out what stood behind it.
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

// reason says what is wrong with a value, in words of ours.
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

// Duration adds a flag whose value is a duration as people write it; see package
// span. shorthand may be "".
func Duration(flags *pflag.FlagSet, d *time.Duration, name, shorthand string, otherwise time.Duration, usage string) {
	*d = otherwise
	flags.VarP((*duration)(d), name, shorthand, usage)
}

type duration time.Duration

func (d *duration) String() string {
	if *d == 0 { // by which pflag knows that there is no default to be told
		return "0"
	}
	return span.String(time.Duration(*d))
}

func (d *duration) Type() string { return "duration" }

func (d *duration) Set(text string) error {
	parsed, err := span.Parse(text)
	*d = duration(parsed)
	return err
}

// ownWords is an error of a flag's value whose text may be shown.
type ownWords string

func (w ownWords) Error() string { return string(w) }

// meantFlag is a question for a flag of cmd's, or "".
func meantFlag(cmd *cobra.Command, typed string) string {
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden && len(typed) > 1 {
			names = append(names, f.Name)
		}
	})
	return nearest.Question(typed, names, "--", "")
}

// Path adds a flag that names a file or a socket. A value that looks like a
// token or a key is refused: with it the program would try to open a file, and
// repeat the name.
func Path(flags *pflag.FlagSet, path *string, name, otherwise, usage string) {
	*path = otherwise
	Text(flags, path, name, usage, func(text string) string {
		if err := CheckPath(text); err != nil {
			return "must be a path, and " + err.Error()
		}
		return ""
	})
}

// Text adds a flag whose value is a text that fault finds nothing wrong with.
// What fault says is shown after the flag's name, and must be in our own words.
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

// errCredential does not say of what it is the error.
var errCredential = errors.New("this looks like a token or a key itself; have it replaced if others can see your command lines")

// CheckPath refuses what cannot be meant as the path of a file, without
// repeating it. It opens nothing.
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
