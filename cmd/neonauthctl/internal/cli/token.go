package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/terminal"
	"github.com/neonauthd/neonauthd/internal/credential"
	"github.com/neonauthd/neonauthd/internal/program"
	"github.com/neonauthd/neonauthd/internal/program/command"
	"github.com/neonauthd/neonauthd/protocol"
)

// TokenSource is where a command reads its token from.
type TokenSource struct {
	Settings *Settings
	file     string
}

// standardInput is the name that stands for standard input, as in many programs; a file of
// that name is ./-.
const standardInput = "-"

// tokenFile is the flag that names a file with a token.
const tokenFile = "token-file"

// Flag adds --token-file to a command.
func (t *TokenSource) Flag(cmd *cobra.Command) {
	command.Path(cmd.Flags(), &t.file, tokenFile, "", "read the token from this `file`; - is standard input, the default")
}

// maxOne is how many bytes are read for one token: enough to tell what a text
// is that is not a token.
const maxOne = 64 << 10

// One reads a single token: the whole input, without blanks and line ends
// around it. Empty input is an error of usage. It waits for the input until ctx ends.
func (t *TokenSource) One(ctx context.Context) (Token, error) {
	text, err := t.read(ctx, maxOne)
	if err != nil {
		return Token{}, err
	}
	token := Token{Text: credential.Trim(text)}
	if token.Text == "" {
		what := "there was nothing"
		if len(text) > 0 {
			what = "there were blanks and line ends only"
		}
		return Token{}, program.Usage("no token: it is read from standard input or --token-file, and " + what)
	}
	token.Finding, _ = credential.Look(token.Text)
	return token, nil
}

// Token is the text that was given as a token.
type Token struct {
	Text string
	// Finding says what else the text looks like. Its Is is "" for a text that
	// looks like a token.
	credential.Finding
}

// Askable reports whether the daemon can judge the text. Otherwise it is
// malformed for every project.
func (t *Token) Askable() bool {
	return !t.Never && len(t.Text) <= protocol.MaxToken && protocol.ValidWord([]byte(t.Text))
}

// Refuse returns the error of a command that takes only a token.
func (t *Token) Refuse() error {
	if t.Is == "" {
		return program.Usage("this is no token")
	}
	return program.Usage("this is no token: " + t.Is + "; " + t.Next)
}

// maxLines is how many bytes are read for several tokens.
const maxLines = 64 << 20

// Lines reads one token from each line. It waits for the input until ctx ends. More than
// 64 MiB are an error of usage.
func (t *TokenSource) Lines(ctx context.Context) ([]string, error) {
	text, err := t.read(ctx, maxLines+1)
	switch {
	case err != nil:
		return nil, err
	case len(text) > maxLines: // the last token may be cut
		return nil, program.Usage("the tokens have more than 64 MiB: give fewer of them")
	}
	var tokens []string
	number := 0
	for line := range bytes.Lines(text) {
		number++
		token := Token{Text: credential.Trim(line)}
		if token.Text == "" {
			continue
		}
		if token.Finding, _ = credential.Look(token.Text); !token.Askable() {
			return nil, fmt.Errorf("line %d of the tokens: %w", number, token.Refuse())
		}
		tokens = append(tokens, token.Text)
	}
	if len(tokens) == 0 {
		return nil, program.Usage("no token: they are read from standard input or --token-file, one a line, and there was none")
	}
	return tokens, nil
}

// read reads the input. Neither the opening of a pipe nor the reading of a terminal ends with ctx, so
// a goroutine does both; it is left behind, because the program ends then.
func (t *TokenSource) read(ctx context.Context, most int64) ([]byte, error) {
	if t.fromInput() && terminal.IsTerminal(t.Settings.In) {
		fmt.Fprintln(t.Settings.Err, "neonauthctl: reading the token from the terminal; end with Enter and Ctrl-D")
	}
	type result struct {
		text []byte
		err  error
	}
	done := make(chan result, 1)
	go func() {
		text, err := t.readAll(most)
		done <- result{text, err}
	}()
	select {
	case r := <-done:
		return r.text, r.err
	case <-ctx.Done():
		return nil, errors.New("ended before a token was read")
	}
}

func (t *TokenSource) readAll(most int64) ([]byte, error) {
	in := t.Settings.In
	if !t.fromInput() {
		f, err := os.Open(t.file)
		if err != nil {
			return nil, program.Usage(fmt.Sprintf("cannot read the token: %v", err))
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, most))
	if err == nil {
		return text, nil
	}
	if path, ok := errors.AsType[*fs.PathError](err); ok { // which repeats the name of the file
		err = path.Err
	}
	return nil, program.Usage(fmt.Sprintf("cannot read the token: %v", err))
}

// fromInput reports whether the token comes from standard input.
func (t *TokenSource) fromInput() bool { return t.file == "" || t.file == standardInput }
