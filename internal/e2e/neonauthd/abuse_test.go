package neonauthd_test

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/protocol"
)

func TestThousandInventedKeyIDsCauseOneFetch(t *testing.T) {
	t.Parallel()
	c, h, _ := serving(t)
	asked := c.SelfTested(t)
	good, _ := c.User("Ada")
	e2e.Call(t, h.Socket()).Expect(t, "VERIFY "+good, "OK .*")
	var text strings.Builder
	all := kids("a", 1000)
	for _, kid := range all {
		fmt.Fprintf(&text, "@%s VERIFY %s\n", kid, c.Strange(kid))
	}
	peer := e2e.Call(t, h.Socket())
	go func() { _, _ = io.WriteString(peer.Conn, text.String()) }() // a failure shows in the replies
	for range all {
		e2e.Matches(t, peer.Reply(t), "@a[0-9]+ (NO unknown-key|ERR keys-pending retry-after=[1-9][0-9]*)")
	}
	// The cooldown is the project's, so other connections do not avoid it.
	for _, kid := range kids("b", 50) {
		e2e.Call(t, h.Socket()).Expect(t, "VERIFY "+c.Strange(kid), "ERR keys-pending retry-after=[1-9][0-9]*")
	}
	if n := c.Calls(standin.StackKeys); n != 2 {
		t.Errorf("%d fetches, expected the first and one more", n)
	}
	if n := c.Calls(standin.Me); n != asked {
		t.Errorf("%d calls of the REST API", n-asked)
	}
	peer.Expect(t, "VERIFY "+good, "OK .* source=cache .*")
}

// TestKeyIDsThatNobodyCanHaveCauseNoFetch sends key ids that no upstream would
// use.
func TestKeyIDsThatNobodyCanHaveCauseNoFetch(t *testing.T) {
	t.Parallel()
	c, h, _ := serving(t)
	good, _ := c.User("Ada")
	peer := e2e.Call(t, h.Socket())
	peer.Expect(t, "VERIFY "+good, "OK .*")
	for _, kid := range []any{"", strings.Repeat("k", 200), "a\x00b", "a\r\nb", "ключ", 42, nil, []string{"x"}, map[string]any{"a": "b"}} {
		token := c.StackToken(standin.TokenSpec{Header: map[string]any{"kid": kid}})
		e2e.Matches(t, peer.Ask(t, "VERIFY "+token), "NO (malformed|unknown-key)")
	}
	if n := c.Calls(standin.StackKeys); n != 1 {
		t.Errorf("%d fetches of key sets", n)
	}
}

func TestFloodOfJunkEvictsNobody(t *testing.T) {
	t.Parallel()
	c := e2e.NewUpstream(t, standin.Options{})
	h := e2e.NewFolder(t)
	e2e.Serve(t, h, e2e.Settings{Cache: `max_bytes = "1MiB"`, Tables: []string{c.Project(t, h, standin.Stack)}})
	peer := e2e.Call(t, h.Socket())
	good := make([]string, 100)
	for n := range good {
		good[n], _ = c.User(fmt.Sprintf("User%d", n))
		peer.Expect(t, "VERIFY "+good[n], "OK .* source=upstream .*")
	}
	asked := c.SelfTested(t)
	const junk = 4000
	var text strings.Builder
	for n := range junk {
		parts := strings.Split(good[n%len(good)], ".")
		switch n % 4 {
		case 0: // a different signature each time
			parts[2] = fmt.Sprintf("%06d", n) + parts[2][6:]
		case 1: // changed claims
			parts[1] = fmt.Sprintf("%s%06d", parts[1][:len(parts[1])/4*4-8], n) + "AA"
		case 2: // not a token
			parts = []string{fmt.Sprintf("junk%d", n)}
		case 3: // a session credential of another kind of upstream
			parts = []string{fmt.Sprintf("%032d", n), "c2lnbmF0dXJl"}
		}
		fmt.Fprintf(&text, "VERIFY %s\nPROFILE %s\n", strings.Join(parts, "."), strings.Join(parts, "."))
	}
	go func() { _, _ = io.WriteString(peer.Conn, text.String()) }() // a failure shows in the replies
	for range 2 * junk {
		e2e.Matches(t, peer.Reply(t), "NO (malformed|bad-signature)")
	}
	for n := range good {
		peer.Expect(t, "VERIFY "+good[n], "OK .* source=cache .*")
	}
	if keys, me := c.Calls(standin.StackKeys), c.Calls(standin.Me); keys != 1 || me != asked {
		t.Errorf("junk reached the upstream: %d fetches of keys, %d calls", keys, me-asked)
	}
}

func TestOneUserWithManyTokensEvictsNobodyElse(t *testing.T) {
	t.Parallel()
	c := e2e.NewUpstream(t, standin.Options{})
	h := e2e.NewFolder(t)
	e2e.Serve(t, h, e2e.Settings{Cache: `max_bytes = "1MiB"`, Tables: []string{c.Project(t, h, standin.Stack)}})
	peer := e2e.Call(t, h.Socket())
	good, _ := c.User("Ada")
	peer.Expect(t, "VERIFY "+good, "OK .* source=upstream .*")
	_, greedy := c.User("Bob")
	for range 1500 {
		peer.Expect(t, "VERIFY "+c.StackToken(standin.TokenSpec{Subject: greedy}), "OK .* source=upstream .*")
	}
	peer.Expect(t, "VERIFY "+good, "OK .* source=cache .*")
}

func TestLinesAtTheLimit(t *testing.T) {
	t.Parallel()
	h := e2e.NewFolder(t)
	e2e.Serve(t, h, e2e.Settings{Tables: []string{alone}})
	longest := "VERIFY " + strings.Repeat("a", protocol.MaxRequestLine-1-len("VERIFY "))
	peer := e2e.Call(t, h.Socket())
	peer.Expect(t, longest, "NO malformed")
	peer.Expect(t, "PING", "OK")
	for name, sent := range map[string]string{
		"one byte more":      longest + "a\n",
		"without an end":     longest + "aa",
		"behind other lines": "PING\n" + longest + "a\nPING\n",
		"a mebibyte":         strings.Repeat("a", 1<<20),
		"sixteen mebibytes":  strings.Repeat("a", 16<<20),
	} {
		t.Run(name, func(t *testing.T) {
			peer := e2e.Call(t, h.Socket())
			go func() { _, _ = io.WriteString(peer.Conn, sent) }() // the daemon may close the connection before the end
			if strings.HasPrefix(sent, "PING") {
				e2e.Matches(t, peer.Reply(t), "OK")
			}
			e2e.Matches(t, peer.Reply(t), "ERR line-too-long .*")
			peer.AwaitEnd(t)
		})
	}
}

func TestStrangeBytesGetAnErrorAndTheNextLineIsServed(t *testing.T) {
	t.Parallel()
	c, h, _ := serving(t)
	token, _ := c.User("Ada")
	http := "GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + token + "\r\n\r\n"
	for name, sent := range map[string]string{
		"HTTP":             http,
		"HTTP without CR":  "GET / HTTP/1.0\nHost: x\n\n",
		"NULs":             strings.Repeat("\x00", 100) + "\n\x00\nPING\x00\n",
		"every byte":       everyByte(),
		"TLS hello":        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n",
		"tabs":             "VERIFY\t" + token + "\n",
		"CR in the middle": "PING\rPING\n",
		"two tokens":       "VERIFY " + token + " " + token + "\n",
		"a token as verb":  token + "\n",
		"BOM":              "\ufeffPING\n",
		"lower case":       "verify " + token + "\n",
		"empty tag":        "@ VERIFY " + token + "\n",
		"long tag":         "@" + strings.Repeat("t", 33) + " VERIFY " + token + "\n",
		"many fields":      "VERIFY " + strings.Repeat("a=b ", 17) + token + "\n",
		"negative":         "VERIFY deadline=-1 " + token + "\n",
		"overflow":         "VERIFY deadline=99999999999999999999 " + token + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			peer := e2e.Call(t, h.Socket())
			peer.Send(t, sent+"PING\n")
			for range strings.Count(sent, "\n") {
				got := peer.Reply(t)
				e2e.Matches(t, got, "(@t )?ERR (bad-request|unknown-verb).*")
				if strings.Contains(got, token[:40]) || strings.Contains(got, "localhost") {
					t.Errorf("the error repeats the request: %q", got)
				}
			}
			e2e.Matches(t, peer.Reply(t), "OK")
			peer.Expect(t, "VERIFY "+token, "OK .*")
		})
	}
}

// everyByte returns a line for every byte but LF.
func everyByte() string {
	var lines strings.Builder
	for b := range 256 {
		if b != '\n' {
			lines.WriteString("PING" + string([]byte{byte(b)}) + "\n")
		}
	}
	// PINGA and similar words are unknown verbs, so they are errors too.
	return lines.String()
}

func TestBytesMayComeOneByOneAndTheWritingSideMayEnd(t *testing.T) {
	t.Parallel()
	c, h, _ := serving(t)
	token, _ := c.User("Ada")
	peer := e2e.Call(t, h.Socket())
	for _, b := range []byte("@one VERIFY " + token + "\nPING\n@half VERI") {
		peer.Send(t, string([]byte{b}))
	}
	e2e.Must(t, peer.Conn.CloseWrite())
	got := peer.Reply(t) + "\n" + peer.Reply(t)
	if !strings.Contains(got, "@one OK level=claims") || !strings.Contains(got, "OK\n") && !strings.HasSuffix(got, "\nOK") {
		t.Errorf("got %q", got)
	}
	peer.AwaitEnd(t)
}
