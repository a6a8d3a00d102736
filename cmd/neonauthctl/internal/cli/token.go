package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/terminal"
	"github.com/neonauthd/neonauthd/internal/program"
	"github.com/neonauthd/neonauthd/internal/program/command"
	"github.com/neonauthd/neonauthd/protocol"
)

// TokenSource is where a command has its token from.
type TokenSource struct {
	Settings *Settings
	file     string
}

// Flag adds --token-file to a command.
func (t *TokenSource) Flag(cmd *cobra.Command) {
	command.Path(cmd.Flags(), &t.file, "token-file", "", "read the token from this `file` (default standard input)")
}

// One reads a single token: all there is, without one line end behind it. What
// is left is not changed, so that a token with a blank too many is judged as
// it is. It is an error of usage if there is nothing.
func (t *TokenSource) One() (string, error) {
	text, err := t.read(protocol.MaxToken + 3) // two bytes of line end, and one too many
	if err != nil {
		return "", err
	}
	text = bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
	if len(text) == 0 {
		return "", program.Usage("no token: it is read from standard input or --token-file, and there was nothing")
	}
	return string(text), nil
}

// Lines reads one token from each line.
func (t *TokenSource) Lines() ([]string, error) {
	const most = 64 << 20
	text, err := t.read(most)
	if err != nil {
		return nil, err
	}
	var tokens []string
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if len(line) > protocol.MaxToken || !protocol.ValidWord(line) {
			return nil, program.Usage(fmt.Sprintf("line %d of the tokens is no token", len(tokens)+1))
		}
		tokens = append(tokens, string(line))
	}
	if len(tokens) == 0 {
		return nil, program.Usage("no token: they are read from standard input or --token-file, one a line, and there was none")
	}
	return tokens, nil
}

func (t *TokenSource) read(most int64) ([]byte, error) {
	in := t.Settings.In
	if t.file != "" {
		f, err := os.Open(t.file)
		if err != nil {
			return nil, program.Usage(fmt.Sprintf("cannot read the token: %v", err))
		}
		defer f.Close()
		in = f
	} else if terminal.IsTerminal(in) {
		fmt.Fprintln(t.Settings.Err, "neonauthctl: reading the token from the terminal; end with Enter and Ctrl-D")
	}
	text, err := io.ReadAll(io.LimitReader(in, most))
	if err != nil {
		return nil, program.Usage(fmt.Sprintf("cannot read the token: %v", errors.Unwrap(err)))
	}
	return text, nil
}
