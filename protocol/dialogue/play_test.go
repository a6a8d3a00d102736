package dialogue_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/protocol/dialogue"
)

// canned is a connection whose other end has said everything beforehand.
type canned struct {
	io.Reader
	sent   bytes.Buffer
	halved bool
}

func (c *canned) Write(b []byte) (int, error) { return c.sent.Write(b) }
func (c *canned) CloseWrite() error           { c.halved = true; return nil }

func play(t *testing.T, conn io.ReadWriter, lines ...string) error {
	t.Helper()
	ds, err := dialogue.Dialogues(block(lines...))
	if err != nil {
		t.Fatal(err)
	}
	return ds[0].Play(conn, map[string]string{"TOKEN": "a.b(c", "EMPTY": ""})
}

func TestDialoguePasses(t *testing.T) {
	conn := &canned{Reader: strings.NewReader("OK a.b(c\nOK a.b(c 12\n@2 x\n@1 y\n@3 z\nOK\n")}
	err := play(t, conn,
		"-> VERIFY $TOKEN", "<- OK $TOKEN", `<~ OK $TOKEN \d+`,
		`=> "@1\n@2\r"`, "any order", "<- @1 y", "<~ @[23] .*", "<~ @[23] .*", "in order", "<~ OK$EMPTY", "half-close", "close")
	if err != nil {
		t.Error(err)
	}
	if got, want := conn.sent.String(), "VERIFY a.b(c\n@1\n@2\r"; got != want {
		t.Errorf("sent %q, want %q", got, want)
	}
	if !conn.halved {
		t.Error("the writing side was not closed")
	}
}

func TestEveryDifferenceIsFound(t *testing.T) {
	for name, c := range map[string]struct {
		replies string
		lines   []string
	}{
		"another line":             {"NO\n", []string{"<- OK"}},
		"longer line":              {"OKAY\n", []string{"<- OK"}},
		"CR":                       {"OK\r\n", []string{"<- OK"}},
		"pattern is the whole":     {"OK 1 x\n", []string{`<~ OK \d`}},
		"pattern begins the line":  {"x OK\n", []string{`<~ OK`}},
		"alternatives are grouped": {"OKx\n", []string{`<~ OK|NO`}},
		"value is quoted":          {"OK aXb(c\n", []string{`<~ OK $TOKEN`}},
		"wrong order":              {"b\na\n", []string{"<- a", "<- b"}},
		"one of a group missing":   {"a\na\n", []string{"any order", "<- a", "<- b"}},
		"group has ended":          {"a\nc\nb\n", []string{"any order", "<- a", "<- b", "in order", "<- c"}},
		"end instead of a line":    {"", []string{"<- OK"}},
		"line without LF":          {"OK", []string{"<- OK"}},
		"line instead of the end":  {"OK\n", []string{"close"}},
		"part instead of the end":  {"OK", []string{"close"}},
		"no value":                 {"OK\n", []string{"-> $NOTHING"}},
		"no value to expect":       {"OK\n", []string{"<- $NOTHING"}},
		"no value to match":        {"OK\n", []string{"<~ $NOTHING"}},
	} {
		err := play(t, &canned{Reader: strings.NewReader(c.replies)}, c.lines...)
		if err == nil {
			t.Errorf("%s: not found", name)
		} else if !strings.Contains(err.Error(), "Title, line ") {
			t.Errorf("%s: the error does not name the place: %v", name, err)
		}
	}
}

func TestBrokenConnectionIsAnError(t *testing.T) {
	broken := errors.New("broken")
	if err := play(t, half{strings.NewReader("")}, "half-close"); err == nil {
		t.Error("half-close on a connection without CloseWrite passes")
	}
	if err := play(t, failing{broken}, "-> PING"); !errors.Is(err, broken) {
		t.Errorf("send: %v", err)
	}
	if err := play(t, failing{broken}, "close"); !errors.Is(err, broken) {
		t.Errorf("close: %v", err)
	}
}

type half struct{ io.Reader }

func (half) Write(b []byte) (int, error) { return len(b), nil }

type failing struct{ err error }

func (f failing) Read([]byte) (int, error)  { return 0, f.err }
func (f failing) Write([]byte) (int, error) { return 0, f.err }
