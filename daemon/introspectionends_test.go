package daemon

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/standin"
)

// end is an event that may end a token at the upstream.
type end struct {
	what string
	act  func(w *liveDaemon, session standin.Session, opaque string)
}

func ends() []end {
	return []end{
		{"sign-out", func(w *liveDaemon, session standin.Session, _ string) { w.upstream.RevokeSession(session.SessionID) }},
		{"ban", func(w *liveDaemon, session standin.Session, _ string) { w.upstream.Ban(session.UserID, "") }},
		{"deletion of the user", func(w *liveDaemon, session standin.Session, _ string) { w.upstream.DeleteUser(session.UserID) }},
		{"revocation of an opaque token (RFC 7009)", func(w *liveDaemon, _ standin.Session, opaque string) { w.upstream.RevokeOpaqueToken(opaque) }},
		{"`REVOKE session` here", func(w *liveDaemon, session standin.Session, _ string) {
			w.dialAdmin().Ask("REVOKE project=mcp session %s", session.SessionID)
			w.dialAdmin().Ask("REVOKE project=neon session %s", session.SessionID)
		}},
		{"back-channel logout", func(w *liveDaemon, session standin.Session, _ string) {
			token := w.upstream.LogoutToken(standin.Neon, standin.TokenSpec{Subject: session.UserID, Session: session.SessionID})
			w.dial().Ask("LOGOUT project=mcp %s", token)
			w.dial().Ask("LOGOUT project=neon %s", token)
		}},
		{"the token's `exp`", func(w *liveDaemon, _ standin.Session, _ string) { w.clock.advance(time.Hour) }},
	}
}

// TestTheGuideSaysWhenAnEndIsNoticed measures for how long VERIFY and PROFILE still say yes after each event that ends
// a token at the upstream. The guide must have the measured times.
func TestTheGuideSaysWhenAnEndIsNoticed(t *testing.T) {
	guide, err := os.ReadFile("../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range ends() {
		t.Run(e.what, func(t *testing.T) {
			row := fmt.Sprintf("| %s | %s | %s | %s | %s |", e.what, noticed(t, e, "VERIFY project=mcp", false, 0), noticed(t, e, "PROFILE project=mcp", false, 0),
				noticed(t, e, "PROFILE project=neon", true, 0), noticed(t, e, "VERIFY project=mcp", false, time.Second))
			if !strings.Contains(squeeze(string(guide)), row) {
				t.Errorf("docs/operating.md lacks\n%s", row)
			}
		})
	}
}

// squeeze removes the padding of tables.
func squeeze(text string) string { return regexp.MustCompile(` +\|`).ReplaceAllString(text, " |") }

// noticed returns for how long after an end a lookup still says yes, if the token is asked about each second. If later
// is not 0, the token is that much younger than the end: it was refreshed after the end.
func noticed(t *testing.T, e end, lookup string, opaque bool, later time.Duration) string {
	t.Helper()
	w := introspecting(t, func(c *config.Config) { c.Projects = c.Projects[1:4] })
	w.upstream.SetIntrospectionLimit(1 << 20)
	k := w.dial()
	session, err := w.upstream.SignIn(w.user.ID)
	if err != nil {
		t.Fatal(err)
	}
	spec := standin.TokenSpec{Subject: w.user.ID, Session: session.SessionID, Client: "checker", Lifetime: time.Hour}
	jwt, given := w.upstream.ResourceToken(standin.Neon, spec), w.upstream.OpaqueToken(standin.Neon, spec)
	token := map[bool]string{false: jwt, true: given}[opaque]
	ask := func() string { return k.Ask("%s %s", lookup, token) }
	if reply := ask(); head(reply) != "OK" {
		t.Fatalf("before: %.90s", reply)
	}
	e.act(w, session, given)
	if later > 0 { // the refresh token still gives tokens of the session that has ended
		w.clock.advance(later)
		token, lookup = w.upstream.ResourceToken(standin.Neon, spec), "PROFILE project=mcp"
	}
	for seconds := range 4000 {
		if reply := ask(); strings.HasPrefix(reply, "NO ") {
			return timeOf(seconds) + ", `" + strings.TrimPrefix(reply, "NO ") + "`"
		} else if head(reply) != "OK" {
			t.Fatalf("after %d s: %.90s", seconds, reply)
		}
		w.clock.advance(time.Second)
	}
	return "never"
}

// timeOf returns a time in the form of the table.
func timeOf(seconds int) string {
	switch {
	case seconds == 0:
		return "at once"
	case seconds <= 60: // sooner if the answer is refreshed in the background
		return "within 60 s"
	case seconds < 3600:
		return fmt.Sprintf("after %d s", seconds)
	}
	return "after 1 h"
}
