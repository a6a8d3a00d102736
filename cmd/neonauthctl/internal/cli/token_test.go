package cli

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/terminal"
)

// blanks is an endless input.
type blanks struct{}

func (blanks) Read(p []byte) (int, error) {
	return copy(p, strings.Repeat(" ", len(p))), nil
}

// TestInputThatCannotBeReadIsExplained, and input that is too long is not cut: the rest of a
// token would be judged as another one.
func TestInputThatCannotBeReadIsExplained(t *testing.T) {
	for name, c := range map[string]struct {
		in   io.Reader
		want string
	}{
		"error that wraps none": {iotest.ErrReader(errors.New("the disk is gone")), "cannot read the token: the disk is gone"},
		"nothing":               {strings.NewReader(""), "there was none"},
		"n bytes":               {io.LimitReader(blanks{}, maxLines), "there was none"},
		"n+1 bytes":             {blanks{}, "more than 64 MiB"},
	} {
		source := TokenSource{Settings: &Settings{Terminal: terminal.Terminal{In: c.in}}}
		if tokens, err := source.Lines(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) || tokens != nil {
			t.Errorf("%s: %d tokens, %v", name, len(tokens), err)
		}
	}
	folder := TokenSource{Settings: new(Settings), file: t.TempDir()}
	if _, err := folder.One(t.Context()); err == nil || strings.Contains(err.Error(), folder.file) || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("a folder: %v", err)
	}
}
