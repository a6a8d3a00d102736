package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/neonauthd/neonauthd/internal/program"
	"github.com/neonauthd/neonauthd/internal/program/command"
	"github.com/neonauthd/neonauthd/protocol"
)

// tokenSource is where a command has its token from.
type tokenSource struct {
	settings *settings
	file     string
}

func (t *tokenSource) flag(cmd *cobra.Command) {
	command.Path(cmd.Flags(), &t.file, "token-file", "", "read the token from this `file` (default standard input)")
}

// one reads a single token: all there is, without one line end behind it. What
// is left is not changed, so that a token with a blank too many is judged as
// it is. It is an error of usage if there is nothing.
func (t *tokenSource) one() (string, error) {
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

// lines reads one token from each line.
func (t *tokenSource) lines() ([]string, error) {
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

func (t *tokenSource) read(most int64) ([]byte, error) {
	in := t.settings.in
	if t.file != "" {
		f, err := os.Open(t.file)
		if err != nil {
			return nil, program.Usage(fmt.Sprintf("cannot read the token: %v", err))
		}
		defer f.Close()
		in = f
	} else if isTerminal(in) {
		fmt.Fprintln(t.settings.err, "neonauthctl: reading the token from the terminal; end with Enter and Ctrl-D")
	}
	text, err := io.ReadAll(io.LimitReader(in, most))
	if err != nil {
		return nil, program.Usage(fmt.Sprintf("cannot read the token: %v", errors.Unwrap(err)))
	}
	return text, nil
}

// isTerminal tells whether a person sits at the other end of f.
func isTerminal(f any) bool {
	file, ok := f.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && file.Name() != os.DevNull
}
