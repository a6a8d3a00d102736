package neonauthd_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

// short are the time settings of a project in the scripted outage: one second
// stands for a minute of the defaults.
const short = `profile_fresh = "1s"
profile_stale = "5m"
jwks_refresh = "1s"
jwks_cooldown = "100ms"
upstream_timeout = "4s"
`

// outageLasts is long enough for all profiles to become stale and for the
// circuit to open.
const outageLasts = 4 * time.Second

// script plays a series of events and records the results.
type script struct {
	t     *testing.T
	cloud *e2e.Upstream
	peer  *e2e.Caller
	neon  string // a question about a token of preset neon, whose key set gives no lifetime of its own
	rows  []string
}

// TestScriptedOutage plays an outage, and other events of an upstream, with a
// daemon that knows profiles. It measures when the answers show each event.
// "make outage" shows the table.
func TestScriptedOutage(t *testing.T) {
	t.Parallel()
	c := e2e.NewUpstream(t, standin.Options{TokenLifetime: time.Hour})
	h := e2e.NewFolder(t)
	i := e2e.Serve(t, h, e2e.Settings{Tables: []string{c.Project(t, h, standin.Stack, short), c.Project(t, h, standin.Neon, short)}})
	c.SelfTested(t)
	s := &script{t: t, cloud: c, peer: e2e.Call(t, h.Socket())}
	s.neon = "VERIFY project=neon " + c.NeonToken(standin.TokenSpec{Lifetime: time.Hour})
	tokens := s.warm(20)
	s.outage(tokens)
	s.recovery(i, tokens)
	s.rotation(tokens[0])
	s.deletion()
	s.revocation(e2e.Call(t, h.AdminSocket()))
	s.signOut()
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "event\tthen\tafter")
	for _, row := range s.rows {
		fmt.Fprintln(w, row)
	}
	e2e.Must(t, w.Flush())
	t.Logf("with %s:\n\n%s", strings.ReplaceAll(strings.TrimSpace(short), "\n", ", "), &table)
}

// tell adds a row to the table.
func (s *script) tell(event, then string, after time.Duration) {
	s.rows = append(s.rows, fmt.Sprintf("%s\t%s\t%s", event, then, after.Round(100*time.Microsecond)))
}

// until repeats a request until the reply matches wanted, and returns the time
// since the event. Every reply before that has to match meanwhile.
func (s *script) until(event time.Time, request, meanwhile, wanted string) time.Duration {
	s.t.Helper()
	e2e.Must(s.t, s.peer.Conn.SetDeadline(time.Now().Add(2*e2e.Timeout)))
	done := regexp.MustCompile(`\A(?s:` + wanted + `)\z`)
	pace := time.NewTicker(5 * time.Millisecond)
	defer pace.Stop()
	for {
		got := s.peer.Ask(s.t, request)
		after := time.Since(event)
		if done.MatchString(got) {
			return after
		}
		e2e.Matches(s.t, got, meanwhile)
		if after > e2e.Timeout {
			s.t.Fatalf("never %s: the last reply was %s", wanted, e2e.Head(got))
		}
		<-pace.C
	}
}

// warm makes the daemon remember the profiles of n users, and returns their
// tokens.
func (s *script) warm(n int) []string {
	tokens := make([]string, n)
	for i := range tokens {
		tokens[i], _ = s.cloud.User(fmt.Sprint("user", i))
		s.peer.Expect(s.t, "PROFILE "+tokens[i], "OK level=profile .* source=upstream .*")
		s.peer.Expect(s.t, "VERIFY "+tokens[i], "OK level=claims .*")
	}
	s.peer.Expect(s.t, s.neon, "OK level=claims .*")
	return tokens
}

// outage stops the upstream and keeps asking about all users.
func (s *script) outage(tokens []string) {
	const ok = "OK level=(profile|claims) .* source=(upstream|cache|stale) .*"
	// The profile is fresh at the moment of the outage, so that hits and stale
	// answers can be distinguished.
	s.until(time.Now(), "PROFILE max-age=0 "+tokens[0], ok, "OK level=profile .* age=0 .*")
	s.cloud.Stop()
	killed := time.Now()
	s.peer.Expect(s.t, "PROFILE "+tokens[0], "OK level=profile .* source=cache .*")
	s.tell("upstream killed", "profile still a hit", time.Since(killed))
	s.tell("", "profile source=stale", s.until(killed, "PROFILE "+tokens[0], ok, "OK level=profile .* age=[1-9][0-9]* ttl=0 .* source=stale .*"))
	s.tell("", "claims source=stale (preset neon)", s.until(killed, s.neon, ok, "OK level=claims .* source=stale .*"))
	answers, stale := 0, 0
	pace := time.NewTicker(2 * time.Millisecond)
	defer pace.Stop()
	for ; time.Since(killed) < outageLasts; <-pace.C {
		for _, verb := range []string{"PROFILE ", "VERIFY "} {
			got := s.peer.Ask(s.t, verb+tokens[answers/2%len(tokens)])
			e2e.Matches(s.t, got, ok)
			answers++
			if e2e.Field(got, "source") == "stale" {
				stale++
			}
		}
	}
	if stale == 0 {
		s.t.Error("no answer says that it is stale")
	}
	s.tell("", fmt.Sprintf("%d answers, all OK, %d of them source=stale", answers, stale), time.Since(killed))
	s.peer.Expect(s.t, "PROFILE max-age=0 "+tokens[0], "ERR unavailable.*")
	s.peer.Expect(s.t, "PROFILE max-age=0 fallback=claims "+tokens[0], "OK level=claims .*")
	s.tell("", "max-age=0: ERR unavailable; with fallback=claims OK", time.Since(killed))
}

// recovery starts the upstream again at the same address.
func (s *script) recovery(i *e2e.Process, tokens []string) {
	const ok = "OK level=(profile|claims) .* source=(upstream|cache|stale) .*"
	s.cloud.Open(s.t, s.cloud.Address())
	back := time.Now()
	s.tell("upstream back", "first profile from it", s.until(back, "PROFILE "+tokens[0], ok, "OK level=profile .* source=(upstream|cache) .*"))
	s.tell("", "claims no longer stale", s.until(back, s.neon, ok, "OK level=claims .* source=(upstream|cache) .*"))
	for _, token := range tokens {
		s.until(back, "PROFILE "+token, ok, "OK level=profile .* source=(upstream|cache) .*")
	}
	after := time.Since(back)
	s.tell("", fmt.Sprintf("all %d profiles from it", len(tokens)), after)
	if longest := 33 * time.Second; after > longest {
		s.t.Errorf("recovered after %v: one call at least every half minute tries", after)
	}
	select {
	case <-i.Ended:
		s.t.Error("the daemon ended")
	default:
	}
}

// rotation replaces all keys at once.
func (s *script) rotation(old string) {
	s.peer.Expect(s.t, "VERIFY "+old, "OK .*")
	s.cloud.Rotate(standin.Stack, false)
	rotated := time.Now()
	fresh, _ := s.cloud.User("rotated")
	s.tell("keys rotated, none kept", "token of a new key OK", s.until(rotated, "VERIFY "+fresh, "ERR keys-pending .*", "OK .*"))
	s.tell("", "token of an old key no longer OK", s.until(rotated, "VERIFY "+old, "OK .*", "ERR keys-pending .*|NO unknown-key"))
	s.tell("", "token of an old key NO unknown-key", s.until(rotated, "VERIFY "+old, "ERR keys-pending .*", "NO unknown-key"))
}

// deletion deletes two users: the test asks about one as usual, and about the
// other with live checks.
func (s *script) deletion() {
	usual, usualID := s.cloud.User("deleted")
	live, liveID := s.cloud.User("live")
	for _, token := range []string{usual, live} {
		s.until(time.Now(), "PROFILE "+token, "ERR keys-pending .*", "OK level=profile .* source=upstream .*")
	}
	s.cloud.DeleteUser(usualID)
	s.cloud.DeleteUser(liveID)
	deleted := time.Now()
	const fresh = "OK level=profile .* source=(upstream|cache) .*"
	s.tell("user deleted", "PROFILE max-age=0 NO user-not-found", s.until(deleted, "PROFILE max-age=0 "+live, fresh, "NO user-not-found"))
	s.tell("", "PROFILE NO user-not-found", s.until(deleted, "PROFILE "+usual, fresh, "NO user-not-found"))
	s.peer.Expect(s.t, "VERIFY "+usual, "OK level=claims .*|NO user-not-found")
}

// revocation revokes a session with the daemon's REVOKE.
func (s *script) revocation(admin *e2e.Caller) {
	_, id := s.cloud.User("revoked")
	signedIn, err := s.cloud.SignIn(id)
	e2e.Must(s.t, err)
	s.peer.Expect(s.t, "VERIFY "+signedIn.AccessToken, "OK .*")
	s.peer.Expect(s.t, "PROFILE "+signedIn.AccessToken, "OK .*")
	asked := time.Now()
	admin.Expect(s.t, "REVOKE session "+signedIn.SessionID, "OK changed=1 .*")
	s.tell("session revoked (REVOKE)", "the reply, saved to disk", time.Since(asked))
	// After the reply there must be no OK any more.
	s.peer.Expect(s.t, "VERIFY "+signedIn.AccessToken, "NO revoked")
	s.tell("", "VERIFY NO revoked", time.Since(asked))
	s.peer.Expect(s.t, "PROFILE "+signedIn.AccessToken, "NO revoked")
	s.tell("", "PROFILE NO revoked", time.Since(asked))
}

// signOut ends a session at the upstream, and then asks about its credential.
func (s *script) signOut() {
	_, id := s.cloud.User("leaver")
	signedIn, err := s.cloud.SignIn(id)
	e2e.Must(s.t, err)
	request := "PROFILE project=neon " + signedIn.NeonCookie
	s.peer.Expect(s.t, request, "OK level=profile .* source=upstream .*")
	s.cloud.RevokeSession(signedIn.SessionID)
	s.tell("session ended upstream (preset neon)", "PROFILE NO rejected-upstream",
		s.until(time.Now(), request, "OK level=profile .* source=(upstream|cache) .*", "NO rejected-upstream"))
}
