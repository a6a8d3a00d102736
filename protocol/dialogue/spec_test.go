package dialogue_test

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/protocol"
	"github.com/neonauthd/neonauthd/protocol/dialogue"
)

func spec(t *testing.T) ([]byte, []dialogue.Dialogue) {
	t.Helper()
	text, err := os.ReadFile("../protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	dialogues, err := dialogue.Dialogues(text)
	if err != nil {
		t.Fatal(err)
	}
	return text, dialogues
}

func TestSpecShowsEveryVerb(t *testing.T) {
	_, dialogues := spec(t)
	shown := func(verb protocol.Verb, admin bool) bool {
		return slices.ContainsFunc(dialogues, func(d dialogue.Dialogue) bool {
			return d.Admin == admin && strings.HasPrefix(d.Title, string(verb)) && slices.Contains(d.Verbs(), string(verb))
		})
	}
	for _, verb := range protocol.Verbs() {
		if !shown(verb, false) {
			t.Errorf("no dialogue under %s", verb)
		}
	}
	for _, verb := range protocol.AdminVerbs() {
		if !shown(verb, true) {
			t.Errorf("no admin dialogue under %s", verb)
		}
	}
}

func TestSpecExplainsItsPlaceholders(t *testing.T) {
	text, dialogues := spec(t)
	used := map[string]bool{}
	for _, d := range dialogues {
		for _, name := range d.Placeholders() {
			used[name] = true
		}
	}
	explained := map[string]bool{}
	for _, match := range regexp.MustCompile("(?m)^\\| `\\$([A-Z_]+)` \\|").FindAllStringSubmatch(string(text), -1) {
		explained[match[1]] = true
		if !used[match[1]] {
			t.Errorf("$%s is explained and not used", match[1])
		}
	}
	for name := range used {
		if !explained[name] {
			t.Errorf("$%s is used and not explained", name)
		}
	}
}

// The dialogues about the grammar hold for the codec alone: they are played against a daemon that knows PING, HELLO
// and four tokens. The whole daemon is held to all of them by a test of its own.
func TestSpecDialoguesHoldForTheCodec(t *testing.T) {
	_, dialogues := spec(t)
	path := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go toy(conn)
		}
	}()
	values := map[string]string{
		"VALID": "a.b.c", "SUBJECT": "u%201", "FORGED": "a.b.d", "EXPIRED": "a.b.e", "UNKNOWN_KEY": "a.b.f", "RESTRICTED": "a.b.g",
		"HUGE": strings.Repeat("x", protocol.MaxToken+1), "LONG": strings.Repeat("x", protocol.MaxRequestLine),
	}
	played := 0
	beyond := []protocol.Verb{protocol.VERIFY, protocol.LOGOUT, protocol.WATCH, protocol.SEEN} // about more than grammar
	for _, d := range dialogues {
		heading, _, _ := strings.Cut(d.Title, " ")
		if d.Admin || slices.Contains(d.Verbs(), string(protocol.PROFILE)) || slices.Contains(beyond, protocol.Verb(heading)) {
			continue
		}
		played++
		t.Run(d.Title, func(t *testing.T) {
			conn, err := net.Dial("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if err := d.Play(conn, values); err != nil {
				t.Error(err)
			}
		})
	}
	if played < 8 {
		t.Errorf("%d dialogues were played", played)
	}
}

// toy serves one connection with as little as the dialogues about the grammar need.
func toy(conn net.Conn) {
	defer conn.Close()
	lines := protocol.NewLineReader(conn, protocol.MaxRequestLine)
	var r protocol.Request
	for {
		line, err := lines.ReadLine()
		if err == protocol.ErrLineTooLong {
			_, _ = io.WriteString(conn, "ERR line-too-long\n")
			return
		}
		if err != nil {
			return
		}
		var reply []byte
		if err := protocol.ParseRequest(line, &r); err != nil {
			reply = protocol.AppendStatus(nil, r.Tag, protocol.ERR, string(protocol.CodeBadRequest))
			reply = protocol.AppendText(reply, err.Error())
		} else {
			status, word, rest := toyAnswer(&r)
			reply = protocol.AppendStatus(nil, r.Tag, status, word)
			reply = append(reply, rest...)
		}
		if _, err := conn.Write(append(reply, '\n')); err != nil || string(r.Verb) == string(protocol.QUIT) {
			return
		}
	}
}

func toyAnswer(r *protocol.Request) (status protocol.Status, word, rest string) {
	bad := string(protocol.CodeBadRequest)
	verb := protocol.Verb(r.Verb)
	switch {
	case slices.Contains(protocol.AdminVerbs(), verb):
		return protocol.ERR, string(protocol.CodeForbidden), ""
	case !slices.Contains(protocol.Verbs(), verb):
		return protocol.ERR, string(protocol.CodeUnknownVerb), ""
	case verb == protocol.VERIFY && r.NArgs == 1:
		return toyVerify(r)
	case verb == protocol.HELLO && r.NArgs == 2:
		if version, err := protocol.Int(r.Args[0]); err != nil || version < 1 {
			return protocol.ERR, bad, " no version"
		}
		return protocol.OK, "", " version=0 protocol=1 max-line=16384 in-flight=1 projects=main"
	case verb == protocol.PING && r.NArgs == 0, verb == protocol.QUIT && r.NArgs == 0:
		return protocol.OK, "", ""
	}
	return protocol.ERR, bad, " wrong arguments"
}

func toyVerify(r *protocol.Request) (status protocol.Status, word, rest string) {
	if project, ok := r.Fields.Get(protocol.FieldProject); ok && string(project) != "main" {
		return protocol.ERR, string(protocol.CodeUnknownProject), ""
	}
	if _, ok := r.Fields.Get("colour"); ok {
		return protocol.ERR, string(protocol.CodeBadRequest), " unknown field"
	}
	reasons := map[string]protocol.Reason{
		"a.b.d": protocol.ReasonBadSignature, "a.b.e": protocol.ReasonExpired, "a.b.f": protocol.ReasonUnknownKey,
		"a.b.g": protocol.ReasonClassNotAllowed,
	}
	token := string(r.Args[0])
	switch reason, known := reasons[token]; {
	case known:
		return protocol.NO, string(reason), ""
	case token != "a.b.c":
		return protocol.NO, string(protocol.ReasonMalformed), ""
	}
	return protocol.OK, "", ` level=claims project=main sub=u%201 principal=user age=0 ttl=60 exp=4000000000 source=cache {"sub":"u 1"}`
}
