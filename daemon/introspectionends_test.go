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

// end is something that ends a token upstream, or does not.
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
			w.dialAdmin().ask("REVOKE project=mcp session %s", session.SessionID)
			w.dialAdmin().ask("REVOKE project=neon session %s", session.SessionID)
		}},
		{"back-channel logout", func(w *liveDaemon, session standin.Session, _ string) {
			token := w.upstream.LogoutToken(standin.Neon, standin.TokenSpec{Subject: session.UserID, Session: session.SessionID})
			w.dial().ask("LOGOUT project=mcp %s", token)
			w.dial().ask("LOGOUT project=neon %s", token)
		}},
		{"the token's `exp`", func(w *liveDaemon, _ standin.Session, _ string) { w.clock.advance(time.Hour) }},
	}
}

// TestTheGuideSaysWhenAnEndIsNoticed: of what ends a token upstream, how long VERIFY and PROFILE say yes all the same.
// The guide has what is measured here.
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

// squeeze takes the padding out of tables.
func squeeze(text string) string { return regexp.MustCompile(` +\|`).ReplaceAllString(text, " |") }

// noticed is how long after an end a lookup of a token that is asked about each second still says yes. later is by how
// much the token is younger than the end: it was refreshed after it.
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
	ask := func() string { return k.ask("%s %s", lookup, token) }
	if reply := ask(); head(reply) != "OK" {
		t.Fatalf("before: %.90s", reply)
	}
	e.act(w, session, given)
	if later > 0 { // the refresh token goes on yielding tokens of the session that has ended
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

// timeOf is a time as the table has it.
func timeOf(seconds int) string {
	switch {
	case seconds == 0:
		return "at once"
	case seconds <= 60: // sooner where the token is refreshed in the background
		return "within 60 s"
	case seconds < 3600:
		return fmt.Sprintf("after %d s", seconds)
	}
	return "after 1 h"
}
