package daemon

import (
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/resolve/wording"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/protocol"
)

// TestProfileByTokenCacheAndUpstream is the table of the results of PROFILE.
// The states of the token, the cache and the upstream give the verdict, its
// level and source, and the number of calls.
func TestProfileByTokenCacheAndUpstream(t *testing.T) {
	for _, c := range profileCases() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t)
		})
	}
}

// profileCase is one row of the table.
type profileCase struct {
	name   string
	token  string        // "good", "expired" or "forged"; of the user whose profile is cached
	warm   time.Duration // age of the cached profile; 0: none
	fault  *standin.Fault
	ask    string // fields of the request
	want   string
	source string
	calls  int
}

func profileCases() []profileCase {
	down := standin.Fault{Kind: standin.Status, Status: 503}
	limited := standin.Fault{Kind: standin.Status, Status: 429, RetryAfter: "7"}
	wrongKey := standin.Fault{Kind: standin.KnownError, Code: "INVALID_SECRET_SERVER_KEY"}
	gone := standin.Fault{Kind: standin.KnownError, Code: "CANNOT_GET_OWN_USER_WITHOUT_USER"}
	garbage := standin.Fault{Kind: standin.Garbage}
	other := standin.Fault{Kind: standin.OtherUser}
	wrapped := standin.Fault{Kind: standin.Wrapped, Code: "UNPARSABLE_ACCESS_TOKEN"}

	return []profileCase{{"good, cold, up: live", "good", 0, nil, "", "OK level=profile", "upstream", 1},
		{"good, fresh, up: no call", "good", 20 * time.Second, nil, "", "OK level=profile", "cache", 0},
		{"good, fresh, down: no call", "good", 20 * time.Second, &down, "", "OK level=profile", "cache", 0},
		{"good, old, up: live", "good", 2 * time.Minute, nil, "", "OK level=profile", "upstream", 1},
		{"good, old, down: stale and said", "good", 2 * time.Minute, &down, "", "OK level=profile", "stale", 1},
		{"good, old, limited: stale", "good", 2 * time.Minute, &limited, "", "OK level=profile", "stale", 1},
		{"good, old, misconfigured: stale", "good", 2 * time.Minute, &wrongKey, "", "OK level=profile", "stale", 1},
		{"good, old, denied: not stale", "good", 2 * time.Minute, &gone, "", "NO user-not-found", "", 1},
		{"good, too old, down: unknown", "good", 17 * time.Minute, &down, "", "ERR unavailable", "", 1},
		{"good, cold, down: unknown", "good", 0, &down, "", "ERR unavailable", "", 1},
		{"good, cold, limited: unknown with patience", "good", 0, &limited, "", "ERR unavailable retry-after=7", "", 1},
		{"good, cold, wrong key: operator", "good", 0, &wrongKey, "", "ERR misconfigured", "", 1},
		{"good, cold, garbage: unknown", "good", 0, &garbage, "", "ERR unavailable", "", 1},
		{"good, cold, another's profile: unknown", "good", 0, &other, "", "ERR unavailable", "", 1},
		{"good, cold, error in a 200: denied", "good", 0, &wrapped, "", "NO rejected-upstream", "", 1},
		{"good, cold, gone: rejected", "good", 0, &gone, "", "NO user-not-found", "", 1},
		{"fallback, cold, down: claims", "good", 0, &down, "fallback=claims", "OK level=claims", "cache", 1},
		{"fallback, cold, wrong key: claims", "good", 0, &wrongKey, "fallback=claims", "OK level=claims", "cache", 1},
		{"fallback, cold, gone: still rejected", "good", 0, &gone, "fallback=claims", "NO user-not-found", "", 1},
		{"fallback, old, down: the stale profile is more", "good", 2 * time.Minute, &down, "fallback=claims", "OK level=profile", "stale", 1},
		{"max-age 0, fresh, up: live", "good", time.Second, nil, "max-age=0", "OK level=profile", "upstream", 1},
		{"max-age 0, fresh, down: unknown", "good", time.Second, &down, "max-age=0", "ERR unavailable", "", 1},
		{"max-age met: no call", "good", 20 * time.Second, nil, "max-age=20", "OK level=profile", "cache", 0},
		{"max-age missed by half a second: live", "good", 20500 * time.Millisecond, nil, "max-age=20", "OK level=profile", "upstream", 1},
		{"max-age beyond fresh does not stretch it", "good", 2 * time.Minute, nil, "max-age=600", "OK level=profile", "upstream", 1},
		{"max-age admits stale, down", "good", 2 * time.Minute, &down, "max-age=600", "OK level=profile", "stale", 1},
		{"max-age of a stale one met, down", "good", 2 * time.Minute, &down, "max-age=120", "OK level=profile", "stale", 1},
		{"max-age of a stale one missed by half a second, down", "good", 100500 * time.Millisecond, &down, "max-age=100", "ERR unavailable", "", 1},
		{"expired, fresh: no call", "expired", 20 * time.Second, nil, "", "NO expired", "", 0},
		{"forged, fresh: no call", "forged", 20 * time.Second, nil, "", "NO bad-signature", "", 0},
		{"forged, cold, fallback: no call", "forged", 0, nil, "fallback=claims", "NO bad-signature", "", 0},
	}
}

func (c *profileCase) run(t *testing.T) {
	w := newLiveDaemon(t, withoutOIDC)
	k := w.dial()
	if c.warm > 0 {
		if reply := k.Ask("PROFILE %s", w.token()); e2e.Field(reply, "source") != "upstream" {
			t.Fatalf("warming: %s", reply)
		}
		w.clock.advance(c.warm)
	}
	before := w.calls()
	if c.fault != nil {
		w.upstream.Inject(standin.Me, *c.fault)
	}
	spec := map[string]standin.TokenSpec{
		"good":    {Subject: w.user.ID},
		"expired": {Subject: w.user.ID, Lifetime: -time.Minute},
		"forged":  {Subject: w.user.ID, Forged: true},
	}[c.token]
	reply := k.Ask("%s", strings.Join(strings.Fields("PROFILE "+c.ask+" "+w.upstream.StackToken(spec)), " "))
	if !strings.HasPrefix(reply, c.want) {
		t.Errorf("reply %.80q, want %q", reply, c.want)
	}
	if got := e2e.Field(reply, "source"); got != c.source {
		t.Errorf("source %q, want %q", got, c.source)
	}
	if got := w.calls() - before; got != c.calls {
		t.Errorf("%d upstream calls, want %d", got, c.calls)
	}
	if age := e2e.Field(reply, "age"); c.source == "cache" && c.warm > 0 && age != fmt.Sprint(int(c.warm.Seconds())) {
		t.Errorf("age %s, want %s", age, c.warm)
	}
}

func TestTwoTokensOfOneUserCostOneCall(t *testing.T) {
	w := newLiveDaemon(t, nil)
	k := w.dial()
	for range 2 {
		if reply := k.Ask("PROFILE %s", w.upstream.StackToken(standin.TokenSpec{Subject: w.user.ID})); head(reply) != "OK" {
			t.Fatal(reply)
		}
	}
	if n := w.calls(); n != 1 {
		t.Errorf("%d calls, want 1", n)
	}
}

func TestAThousandWaitersCostOneCallAndLeavingKillsNothing(t *testing.T) {
	w := newLiveDaemon(t, nil)
	answer := make(chan struct{})
	w.upstream.Inject(standin.Me, standin.Fault{Kind: standin.Delay, Until: answer})
	token := w.token()
	first := w.dial()
	first.Send("PROFILE " + token + "\n")
	w.awaitCalls(1)
	talks := make([]*talk, 10)
	for i := range talks {
		talks[i] = w.dial()
		for n := range 100 {
			talks[i].Send(fmt.Sprintf("@%d PROFILE %s\n", n, token))
		}
	}
	_ = first.Conn.Close() // the lookup that began the fetch leaves
	close(answer)
	var wg sync.WaitGroup
	for _, k := range talks {
		wg.Go(func() {
			for range 100 {
				if reply := k.Receive(); !strings.Contains(reply, " OK level=profile ") {
					t.Errorf("%.60q", reply)
				}
			}
		})
	}
	wg.Wait()
	if n := w.calls(); n != 1 {
		t.Errorf("%d calls, want 1", n)
	}
}

// TestACallerThatLeavesIsNoOutage: a connection with an unread reply that is closed takes its
// lookups back, and they are counted as no answer.
func TestACallerThatLeavesIsNoOutage(t *testing.T) {
	w := newLiveDaemon(t, nil)
	answer := make(chan struct{})
	defer close(answer)
	token, admin := w.token(), w.dialAdmin()
	stats := func() (is statsReport) {
		_, text, _ := strings.Cut(admin.Ask("STATS"), " ")
		if err := json.Unmarshal([]byte(text), &is); err != nil {
			t.Fatal(err)
		}
		return is
	}
	before := stats()
	w.upstream.Inject(standin.Me, standin.Fault{Kind: standin.Delay, Until: answer})
	leaving := w.dial()
	leaving.Send("@1 PING\n@2 PROFILE max-age=0 " + token + "\n")
	if _, err := leaving.Conn.Read(make([]byte, 1)); err != nil { // the rest of the reply to PING stays unread
		t.Fatal(err)
	}
	w.awaitCalls(1)
	_ = leaving.Conn.Close()
	e2e.Until(t, "the connection has ended", func() bool { return stats().Connections.Open == before.Connections.Open })
	if after := stats(); !maps.Equal(after.Codes, before.Codes) || !maps.Equal(after.Outcomes, before.Outcomes) {
		t.Errorf("counted %v %v, before %v %v", after.Outcomes, after.Codes, before.Outcomes, before.Codes)
	}
}

func TestProfilesInUseAreRefreshedInTheBackground(t *testing.T) {
	w := newLiveDaemon(t, nil)
	k := w.dial()
	k.Ask("PROFILE %s", w.token())
	w.upstream.SetProfile(w.user.ID, "display_name", "Countess")
	w.clock.advance(31 * time.Second) // as much time has passed since the last lookup as the profile is old
	if reply := k.Ask("PROFILE %s", w.token()); e2e.Field(reply, "source") != "cache" || strings.Contains(reply, "Countess") {
		t.Fatalf("a refresh is waited for: %.120s", reply)
	}
	e2e.Until(t, "the new profile comes from memory", func() bool {
		reply := k.Ask("PROFILE %s", w.token())
		return e2e.Field(reply, "source") == "cache" && e2e.Field(reply, "age") == "0" && strings.Contains(reply, "Countess")
	})
	if n := w.calls(); n != 2 {
		t.Errorf("%d calls, want 2", n)
	}
}

func TestNoProfileOutlivesTheTokenItIsAskedWith(t *testing.T) {
	w := newLiveDaemon(t, nil)
	k := w.dial()
	short := w.upstream.StackToken(standin.TokenSpec{Subject: w.user.ID, Lifetime: 10 * time.Second})
	reply := k.Ask("PROFILE %s", short)
	if ttl, err := strconv.Atoi(e2e.Field(reply, "ttl")); err != nil || ttl > 10 {
		t.Errorf("ttl reaches past exp: %.160s", reply)
	}
	w.clock.advance(11 * time.Second)
	if reply := k.Ask("PROFILE %s", short); reply != "NO expired" {
		t.Errorf("%.80s", reply)
	}
}

func TestNeonSessionsAreJudgedByTheUpstreamAndTokensLocally(t *testing.T) {
	w := newLiveDaemon(t, nil)
	session, err := w.upstream.SignIn(w.user.ID)
	if err != nil {
		t.Fatal(err)
	}
	k := w.dial()
	for _, c := range []struct{ ask, want string }{
		{"VERIFY project=neon " + session.NeonToken, "OK level=claims"},
		{"PROFILE project=neon " + session.NeonToken, "ERR unavailable " + protocol.TextNoProfile},
		{"PROFILE project=neon " + session.NeonToken, "ERR unavailable " + protocol.TextNoProfile},
		{"PROFILE project=neon fallback=claims " + session.NeonToken, "OK level=claims"},
		{"VERIFY project=neon " + session.NeonCookie, "ERR needs-profile"},
		{"PROFILE project=neon " + session.NeonCookie, "OK level=profile"},
		{"PROFILE project=neon " + session.NeonCookie, "OK level=profile"},
		{"PROFILE project=main " + session.NeonCookie, "NO malformed"},
	} {
		if reply := k.Ask("%s", c.ask); !strings.HasPrefix(reply, c.want) {
			t.Errorf("%.40s...: %.120s, want %s", c.ask, reply, c.want)
		}
	}
	if n := w.upstream.Calls(standin.GetSession); n != 1 {
		t.Errorf("%d calls of get-session, want 1", n)
	}
	totals := w.daemon.counters.Totals()
	if caused := w.daemon.counters.Caused[wording.NoProfile].Load(); caused != 2 || totals.Codes["unavailable"] != 2 || totals.Outcomes[protocol.ERR] != 3 {
		t.Errorf("%d lookups without a profile, %v, %v", caused, totals.Codes, totals.Outcomes)
	}
	w.upstream.RevokeSession(session.SessionID)
	if reply := k.Ask("PROFILE project=neon max-age=0 %s", session.NeonCookie); reply != "NO rejected-upstream" {
		t.Errorf("after logout: %.80s", reply)
	}
}

func TestUserinfoMustBeOfTheTokensSubject(t *testing.T) {
	w := newLiveDaemon(t, nil)
	session, err := w.upstream.SignIn(w.user.ID)
	if err != nil {
		t.Fatal(err)
	}
	k := w.dial()
	reply := k.Ask("PROFILE project=oidc %s", session.OIDCToken)
	var claims struct {
		Subject string `json:"sub"`
	}
	_, body, _ := strings.Cut(reply, " {")
	if err := json.Unmarshal([]byte("{"+body), &claims); err != nil || claims.Subject != w.user.ID {
		t.Fatalf("%.200s (%v)", reply, err)
	}
	w.upstream.Inject(standin.Userinfo, standin.Fault{Kind: standin.OtherUser})
	if reply := k.Ask("PROFILE project=oidc max-age=0 %s", session.OIDCToken); !strings.HasPrefix(reply, "ERR unavailable") {
		t.Errorf("another's userinfo: %.80s", reply)
	}
}
