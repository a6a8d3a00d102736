package daemon

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/cache"
	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/daemon/standin/standintest"
	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/protocol"
)

// watch opens a watch.
func (w *liveDaemon) watch() *talk {
	w.t.Helper()
	k := w.dial()
	reply := k.Ask("WATCH")
	if _, err := protocol.ParseRevision([]byte(e2e.Field(reply, "rev"))); err != nil || e2e.Field(reply, "lease") != "1000" {
		w.t.Fatalf("WATCH: %s", reply)
	}
	return k
}

// forgotten reads a line of the watch, confirms it, and reports whether it names one
// of the handles, or everything.
func (k *talk) forgotten(handles string) bool {
	k.T.Helper()
	line := k.Receive()
	what := e2e.Field(line, "forget")
	if what == "" {
		k.T.Fatalf("the watch says %s", line)
	}
	if reply := k.Ask("SEEN rev=%s hits=0", e2e.Field(line, "rev")); reply != "OK lease=1000 rev="+e2e.Field(line, "rev") {
		k.T.Fatalf("SEEN: %s", reply)
	}
	return what == "*" || slices.ContainsFunc(strings.Split(what, ","), func(h string) bool {
		return slices.Contains(strings.Split(handles, ","), h)
	})
}

// quiet fails if the watch has been told anything.
func (k *talk) quiet(name string) {
	k.T.Helper()
	if reply := k.Ask("SEEN rev=0 hits=0"); !strings.HasPrefix(reply, "OK lease=") {
		k.T.Errorf("%s: the watch says %s", name, reply)
	}
}

// TestAnAnswerThatMayBeKeptSaysWhatItRestsOn, if the request asks for it.
func TestAnAnswerThatMayBeKeptSaysWhatItRestsOn(t *testing.T) {
	w := newLiveDaemon(t, nil)
	session, err := w.upstream.SignIn(w.user.ID)
	if err != nil {
		t.Fatal(err)
	}
	k, token, other := w.dial(), w.token(), w.upstream.StackToken(standin.TokenSpec{Subject: w.user.ID, Session: "another"})
	seen := map[string]string{}
	for _, c := range []struct {
		name, ask string
		handles   int
	}{
		{"claims", "VERIFY keep=1 " + token, 6}, // token for revocations and for purges, subject, session, key by id and by thumbprint
		{"claims from memory", "VERIFY keep=1 " + token, 6},
		{"profile", "PROFILE keep=1 " + token, 7},
		{"profile from memory", "PROFILE keep=1 " + token, 7},
		{"claims for want of a profile", "PROFILE keep=1 fallback=claims project=neon " + w.upstream.NeonToken(standin.TokenSpec{Subject: w.user.ID}), 7}, // one handle says that the token names no session
		{"another token", "VERIFY keep=1 " + other, 6},
		{"session credential", "PROFILE keep=1 project=neon " + session.NeonCookie, 5},
		{"not to be kept", "VERIFY " + token, 0},
		{"rejected", "VERIFY keep=1 a.b.c", 0},
		{"unknown", "VERIFY keep=1 project=neon " + session.NeonCookie, 0},
	} {
		for _, tag := range []string{"", "@t "} {
			reply := strings.TrimPrefix(k.Ask("%s%s", tag, c.ask), tag)
			handles := e2e.Field(reply, "handles")
			rev, err := protocol.ParseRevision([]byte(e2e.Field(reply, "rev")))
			if kept := err == nil && rev.N == 0; kept != (c.handles > 0) {
				t.Errorf("%s: rev %v, %v: %.200s", c.name, rev, err, reply)
			}
			n := 0
			if handles != "" {
				n = strings.Count(handles, ",") + 1
			}
			if n != c.handles {
				t.Errorf("%s: %d handles, want %d: %.200s", c.name, n, c.handles, reply)
			}
			seen[c.name] = handles
		}
	}
	if seen["claims"] != seen["claims from memory"] || !strings.HasPrefix(seen["profile"], seen["claims"]+",") || seen["profile"] != seen["profile from memory"] {
		t.Errorf("one token has several handles: %q", seen)
	}
	if common := shared(seen["claims"], seen["another token"]); common != 3 {
		t.Errorf("two tokens of a user share %d handles, want the subject's and the key's two", common)
	}
	for _, bad := range []string{"keep=0", "keep=", "keep=2", "keep=01", "keep=true"} {
		if reply := k.Ask("VERIFY %s %s", bad, token); head(reply) != "ERR bad-request" {
			t.Errorf("%s: %.60s", bad, reply)
		}
	}
}

// shared returns how many handles two lists have in common.
func shared(one, other string) (n int) {
	for h := range strings.SplitSeq(one, ",") {
		if slices.Contains(strings.Split(other, ","), h) {
			n++
		}
	}
	return n
}

// TestWhatEndsAnAnswerIsToldToThoseWhoKeepIt, and other changes are not told.
func TestWhatEndsAnAnswerIsToldToThoseWhoKeepIt(t *testing.T) {
	w := newLiveDaemon(t, withoutOIDC)
	admin, k := w.dialAdmin(), w.dial()
	token := w.upstream.StackToken(standin.TokenSpec{Subject: w.user.ID, Session: "session-of-ada"})
	kid := standintest.KeyID(t, token)
	session, err := w.upstream.SignIn(w.user.ID)
	if err != nil {
		t.Fatal(err)
	}
	claims := e2e.Field(k.Ask("VERIFY keep=1 %s", token), "handles")
	profile := e2e.Field(k.Ask("PROFILE keep=1 %s", token), "handles")
	opaque := e2e.Field(k.Ask("PROFILE keep=1 project=neon %s", session.NeonCookie), "handles")
	thumbprint := w.daemon.projects().First.State(w.clock.now()).Keys.Set.Keys()[0].Thumbprint()
	raw, _, _ := strings.Cut(session.NeonCookie, ".")
	watch := w.watch()
	for _, c := range []struct {
		ask                     string
		claims, profile, opaque bool // whether clients must forget such an answer
	}{
		{"REVOKE token " + token, true, true, false},
		{"REVOKE token " + token, true, true, false}, // a repetition
		{"REVOKE session session-of-ada", true, true, false},
		{"REVOKE subject " + w.user.ID, true, true, false},
		{"REVOKE key " + kid, true, true, false},
		{"REVOKE key " + thumbprint, true, true, false},
		{"REVOKE project=neon subject " + w.user.ID, false, false, true},
		{"REVOKE project=neon session " + session.SessionID, false, false, true},
		{"REVOKE project=neon token " + session.NeonCookie, false, false, true},
		{"REVOKE project=neon token " + raw, false, false, true}, // another credential of the same session
		{"REVOKE subject somebody", false, false, false},
		{"REVOKE project=neon key " + kid, false, false, false},
		{"PURGE token " + token, true, true, false},
		{"PURGE token " + session.NeonCookie, false, false, true},
		{"PURGE subject " + w.user.ID, true, true, false},
		{"PURGE project=neon subject " + w.user.ID, false, false, true},
		{"PURGE project=neon all", true, true, true},
		{"PURGE all", true, true, true},
		{"RELOAD", true, true, true},
	} {
		before := w.daemon.leases.State().Told
		admin.Send(c.ask + "\n")
		// The handles may be named in one line or in several.
		var lines []string
		for told := before; told < w.awaitTold(before); told++ {
			lines = append(lines, watch.Receive())
		}
		if reply := watch.Ask("SEEN rev=%s hits=0", e2e.Field(lines[len(lines)-1], "rev")); head(reply) != "OK" {
			t.Fatalf("%s: %s", c.ask, reply)
		}
		if reply := admin.Receive(); head(reply) != "OK" {
			t.Errorf("%s: %s", c.ask, reply)
		}
		for name, a := range map[string]struct {
			handles string
			want    bool
		}{"claims": {claims, c.claims}, "profile": {profile, c.profile}, "session credential": {opaque, c.opaque}} {
			named := slices.ContainsFunc(lines, func(line string) bool {
				return e2e.Field(line, "forget") == "*" || shared(e2e.Field(line, "forget"), a.handles) > 0
			})
			if named != a.want {
				t.Errorf("%.60s: that an answer of %s is forgotten is %v, want %v: %q", c.ask, name, named, a.want, lines)
			}
		}
	}
	told := w.daemon.leases.State().Told
	for _, ask := range []string{"UNREVOKE subject somebody", "UNREVOKE subject nobody", "STATS", "KEYS", "LEVEL info", "REVOKE subject", "PURGE nobody", "RELOAD now"} {
		admin.Ask("%s", ask)
	}
	if now := w.daemon.leases.State().Told; now != told {
		t.Errorf("what ends nothing was told %d times", now-told)
	}
}

// TestALogoutIsToldToThoseWhoKeepItsTokens, for tokens that name the session and
// tokens that name none.
func TestALogoutIsToldToThoseWhoKeepItsTokens(t *testing.T) {
	w := newLiveDaemon(t, members)
	k, spec := w.dial(), standin.TokenSpec{Subject: w.user.ID, Session: "ended", Client: "client"}
	watch, kept := w.watch(), map[string]string{}
	for project, token := range map[string]string{"mcp": w.upstream.ResourceToken(standin.Neon, spec), "neon": w.upstream.NeonToken(spec)} {
		kept[project] = e2e.Field(k.Ask("VERIFY keep=1 project=%s %s", project, token), "handles")
	}
	before := w.daemon.leases.State().Told
	if reply := k.Ask("LOGOUT project=mcp %s", w.upstream.LogoutToken(standin.Neon, spec)); reply != "OK ended=session changed=1" {
		t.Fatal(reply)
	}
	for told := before; told < w.awaitTold(before); told++ {
		line := watch.Receive()
		for project, handles := range kept {
			if shared(e2e.Field(line, "forget"), handles) > 0 {
				delete(kept, project)
			}
		}
	}
	if len(kept) > 0 {
		t.Errorf("these answers are not forgotten: %v", kept)
	}
}

// awaitTold waits until more was told than before, and returns the new number.
func (w *liveDaemon) awaitTold(before int64) (told int64) {
	w.t.Helper()
	e2e.Until(w.t, "the watches are told", func() bool {
		told = w.daemon.leases.State().Told
		return told > before
	})
	return told
}

// TestAProfileThatIsAnotherOneIsToldToThoseWhoKeepIt: a changed profile and a denial
// are told; an unchanged profile is not.
func TestAProfileThatIsAnotherOneIsToldToThoseWhoKeepIt(t *testing.T) {
	w := newLiveDaemon(t, nil)
	k, token := w.dial(), w.token()
	profile := e2e.Field(k.Ask("PROFILE keep=1 %s", token), "handles")
	claims := e2e.Field(k.Ask("VERIFY keep=1 %s", token), "handles")
	session, err := w.upstream.SignIn(w.user.ID)
	if err != nil {
		t.Fatal(err)
	}
	opaque := e2e.Field(k.Ask("PROFILE keep=1 project=neon %s", session.NeonCookie), "handles")
	watch := w.watch()
	if k.Ask("PROFILE max-age=0 %s", token); w.daemon.leases.State().Told != 0 {
		t.Error("the same profile was told")
	}
	watch.quiet("the same profile")

	w.upstream.SetProfile(w.user.ID, "display_name", "Countess of Lovelace")
	if reply := k.Ask("PROFILE max-age=0 %s", token); !strings.Contains(reply, "Countess") || !watch.forgotten(profile) {
		t.Error("another profile is not told")
	}
	if told := w.daemon.leases.State().Told; told != 1 {
		t.Errorf("told %d times", told)
	}
	// The claims of the token are still valid.
	if fresh := e2e.Field(k.Ask("VERIFY keep=1 %s", token), "handles"); fresh != claims || shared(claims, profile) != 6 {
		t.Errorf("handles %s, before %s", fresh, claims)
	}

	w.upstream.RevokeSession(session.SessionID)
	if reply := k.Ask("PROFILE project=neon max-age=0 %s", session.NeonCookie); reply != "NO rejected-upstream" || !watch.forgotten(opaque) {
		t.Errorf("a session that was denied is not told: %s", reply)
	}
	w.upstream.Inject(standin.Me, standin.Fault{Kind: standin.KnownError, Code: "UNPARSABLE_ACCESS_TOKEN", Times: 1})
	if reply := k.Ask("PROFILE max-age=0 %s", token); reply != "NO rejected-upstream" || !watch.forgotten(profile) {
		t.Errorf("a token that was denied is not told: %s", reply)
	}
	w.upstream.DeleteUser(w.user.ID)
	if reply := k.Ask("PROFILE max-age=0 %s", token); reply != "NO user-not-found" || !watch.forgotten(profile) {
		t.Errorf("a user who was denied is not told: %s", reply)
	}
}

// TestAChangedProfileIsToldThoughMemoryHasLostIt: the profile that clients keep is too
// large for the daemon's memory, or was pushed out of it.
func TestAChangedProfileIsToldThoughMemoryHasLostIt(t *testing.T) {
	large := strings.Repeat("x", 300<<10)
	for name, c := range map[string]struct {
		profile string
		tokens  int // of the same user, looked up while clients keep
	}{
		"too large":  {large, 0},
		"pushed out": {"Ada", cache.DefaultPerGroup + 1},
	} {
		w := newLiveDaemon(t, func(c *config.Config) { c.Cache.MaxBytes = cache.MinBytes })
		k, watch := w.dial(), w.watch()
		w.upstream.SetProfile(w.user.ID, "display_name", c.profile)
		profile := e2e.Field(k.Ask("PROFILE keep=1 %s", w.token()), "handles")
		if k.Ask("PROFILE max-age=0 %s", w.token()); w.daemon.leases.State().Told != 0 {
			t.Errorf("%s: the same profile was told", name)
		}
		for i := range c.tokens {
			k.Ask("VERIFY %s", w.upstream.StackToken(standin.TokenSpec{Subject: w.user.ID, Session: strconv.Itoa(i)}))
		}
		w.upstream.SetProfile(w.user.ID, "display_name", "Countess of Lovelace")
		k.Ask("PROFILE max-age=0 %s", w.token())
		if told := w.daemon.leases.State().Told; told != 1 || !watch.forgotten(profile) {
			t.Errorf("%s: another profile is told %d times", name, told)
		}
	}
}

// TestAWithdrawnKeyIsToldToThoseWhoKeepWhatItSigned.
func TestAWithdrawnKeyIsToldToThoseWhoKeepWhatItSigned(t *testing.T) {
	w := newLiveDaemon(t, withoutOIDC)
	k, token := w.dial(), w.token()
	handles := e2e.Field(k.Ask("VERIFY keep=1 %s", token), "handles")
	watch := w.watch()
	kid := standintest.KeyID(t, token)
	w.upstream.Rotate(standin.Stack, false)
	if !w.upstream.WithdrawKey(kid) {
		t.Fatal("there is no such key")
	}
	w.clock.advance(time.Minute) // longer than the cooldown
	k.Ask("VERIFY %s", w.upstream.StackToken(standin.TokenSpec{Header: map[string]any{"kid": "stranger"}}))
	if !watch.forgotten(handles) {
		t.Error("it is not told")
	}
	if reply := k.Ask("VERIFY keep=1 %s", token); head(reply) == "OK" {
		t.Errorf("the next lookup: %.60s", reply)
	}
}
