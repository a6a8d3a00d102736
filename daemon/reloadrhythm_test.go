package daemon

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

// retable replaces the lines that were added to table "main", and reloads.
func (w *liveDaemon) retable(lines string) {
	w.t.Helper()
	w.addLines(lines)
	if reply := w.dialAdmin().Ask("RELOAD"); reply != "OK" {
		w.t.Fatal(reply)
	}
}

// addLines replaces the lines that were added to table "main".
func (w *liveDaemon) addLines(lines string) {
	const begin, end = "# added", "# end"
	text := read(w.t, filepath.Join(w.dir, "neonauthd.toml"))
	if before, rest, found := strings.Cut(text, begin); found {
		_, after, _ := strings.Cut(rest, end+"\n")
		text = before + after
	}
	w.write("neonauthd.toml", strings.Replace(text, "name = \"main\"\n", fmt.Sprintf("name = \"main\"\n%s\n%s\n%s\n", begin, lines, end), 1))
}

// TestALongerStaleTimeIsForTheProfilesThatThereAre: docs/operating.md tells operators to raise it in an outage.
func TestALongerStaleTimeIsForTheProfilesThatThereAre(t *testing.T) {
	for name, raised := range map[string]time.Duration{
		"before the end of the former": 10 * time.Minute,
		"after it":                     16 * time.Minute, // nothing has taken the profile's place in memory yet
	} {
		t.Run(name, func(t *testing.T) {
			w := (&tableRow{}).daemon(t)
			k := w.dial()
			w.wantSource(k, "PROFILE", w.token(), "upstream")
			w.upstream.Inject(standin.Me, standin.Fault{Kind: standin.Status, Status: http.StatusServiceUnavailable})
			w.clock.advance(raised)
			w.retable("leeway = \"6s\"\nprofile_stale = \"12h\"") // another rule at the same time
			w.wantSource(k, "PROFILE", w.token(), "stale")
			w.clock.advance(6 * time.Hour)
			w.wantSource(k, "PROFILE", w.token(), "stale")
			w.retable("leeway = \"6s\"\nprofile_stale = \"24h\"")
			w.clock.advance(16 * time.Hour) // a lifetime in memory may be a twentieth shorter
			w.wantSource(k, "PROFILE", w.token(), "stale")
			w.clock.advance(2 * time.Hour)
			if reply := k.Ask("PROFILE %s", w.token()); head(reply) != "ERR unavailable" {
				t.Errorf("past the end: %.140s", reply)
			}
		})
	}
}

// TestAShorterTimeHoldsAtOnce for the profile that there is.
func TestAShorterTimeHoldsAtOnce(t *testing.T) {
	w := (&tableRow{}).daemon(t)
	k := w.dial()
	w.wantSource(k, "PROFILE", w.token(), "upstream")
	w.clock.advance(20 * time.Second)
	w.wantSource(k, "PROFILE", w.token(), "cache")
	w.retable(`profile_fresh = "10s"`)
	w.wantSource(k, "PROFILE", w.token(), "upstream")
	w.upstream.Inject(standin.Me, standin.Fault{Kind: standin.Status, Status: http.StatusServiceUnavailable})
	w.clock.advance(5 * time.Minute)
	w.wantSource(k, "PROFILE", w.token(), "stale")
	w.retable("profile_fresh = \"10s\"\nprofile_stale = \"4m\"")
	if reply := k.Ask("PROFILE %s", w.token()); head(reply) != "ERR unavailable" {
		t.Errorf("past the shorter stale time: %.140s", reply)
	}
}

// TestALookupThatAsksDuringAChangeOfRhythmsJoinsTheCallInFlight, and its result counts.
func TestALookupThatAsksDuringAChangeOfRhythmsJoinsTheCallInFlight(t *testing.T) {
	for want, fault := range map[string]standin.Fault{
		"OK":                {Kind: standin.Delay, Times: 1},
		"NO user-not-found": {Kind: standin.KnownError, Code: "USER_NOT_FOUND", Times: 1},
	} {
		t.Run(want, func(t *testing.T) {
			w := (&tableRow{}).daemon(t)
			answer := make(chan struct{})
			fault.Until = answer
			w.upstream.Inject(standin.Me, fault)
			token, first, second, watch := w.token(), w.dial(), w.dial(), w.watch()
			first.Send("PROFILE " + token + "\n")
			w.awaitCalls(1)
			told := make(chan bool)
			go func() { told <- watch.forgotten("") }()
			w.retable("upstream_timeout = \"30s\"\nprofile_fresh = \"2m\"\nupstream_rate = 7")
			if !<-told {
				t.Error("clients are not told to forget everything")
			}
			second.Send("PROFILE " + token + "\n")
			e2e.Until(t, "both wait", func() bool { return w.daemon.resolver.State().WaitingForUpstream == 2 })
			close(answer)
			for _, k := range []*talk{first, second} {
				if reply := k.Receive(); head(reply) != want {
					t.Errorf("%.140s", reply)
				}
			}
			if reply := first.Ask("PROFILE %s", token); head(reply) != want || w.calls() != 1 {
				t.Errorf("then, after %d calls: %.140s", w.calls(), reply)
			}
		})
	}
}

// TestReloadsOfAllKindsUnderLoad reloads while callers ask. The time stands still, so the upstream must see one search for
// unknown keys, and after it has asked for a pause nothing at all.
func TestReloadsOfAllKindsUnderLoad(t *testing.T) {
	for name, c := range map[string]struct {
		pause  bool
		tables []string
	}{
		"the upstream answers": {false, []string{
			`profile_fresh = "2m"`, `leeway = "6s"`, `allow = ["restricted"]`, "allow = [\"restricted\"]\nprofile_stale = \"20m\"",
			"allow = [\"restricted\", \"anonymous\"]\napi_keys = [\"user\"]", `issuers = [%q, "https://elsewhere.example"]`, `jwks_cooldown = "31s"`,
		}},
		"the upstream has asked for a pause": {true, []string{
			`profile_fresh = "2m"`, "upstream_rate = 7\nupstream_timeout = \"7s\"", `leeway = "6s"`, "jwks_cooldown = \"31s\"\njwks_refresh = \"11m\"", `api_keys = ["user"]`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := (&tableRow{}).daemon(t)
			good, admin := w.token(), w.dialAdmin()
			w.wantSource(w.dial(), "PROFILE", good, "upstream")
			if reply := admin.Ask("REVOKE session ended"); head(reply) != "OK" {
				t.Fatal(reply)
			}
			if c.pause {
				w.upstream.Inject(standin.Me, standin.Fault{Kind: standin.Status, Status: http.StatusTooManyRequests, RetryAfter: "120", Times: 1})
				if reply := w.dial().Ask("PROFILE max-age=0 %s", good); e2e.Field(reply, "retry-after") != "120" {
					t.Fatal(reply)
				}
			}
			calls, keys := w.upstream.Calls(standin.Me), w.upstream.Calls(standin.StackKeys)
			stop := w.askUntil(good)
			for i := range 60 {
				lines := c.tables[i%len(c.tables)]
				if strings.Contains(lines, "%q") {
					lines = fmt.Sprintf(lines, w.upstream.ServiceURL(standin.Stack))
				}
				w.addLines(lines)
				if err := w.daemon.Reload(); err != nil {
					t.Errorf("reload: %v", err)
				}
			}
			stop()
			if n := w.upstream.Calls(standin.StackKeys) - keys; n > 1 {
				t.Errorf("%d fetches of keys in one cooldown", n)
			}
			if n := w.upstream.Calls(standin.Me) - calls; c.pause && n != 0 {
				t.Errorf("%d calls in the pause", n)
			}
		})
	}
}

// askUntil has three callers ask until stop is called: with a good token, with a token of the revoked session "ended", and
// with tokens that name unknown keys. Each answer has to be right.
func (w *liveDaemon) askUntil(good string) (stop func()) {
	ctx, end := context.WithCancel(context.Background())
	revoked := w.upstream.StackToken(standin.TokenSpec{Subject: w.user.ID, Session: "ended"})
	var callers sync.WaitGroup
	for c := range 3 {
		k := w.dial()
		callers.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				bogus := w.upstream.StackToken(standin.TokenSpec{Header: map[string]any{"kid": fmt.Sprintf("bogus-%d-%d", c, i)}})
				for question, want := range map[string]string{
					"VERIFY " + good: "OK level=claims", "PROFILE " + good: "OK level=profile",
					"VERIFY " + revoked: "NO revoked", "PROFILE fallback=claims " + revoked: "NO revoked",
					"VERIFY " + bogus: "",
				} {
					reply := k.Ask("%s", question)
					if !strings.HasPrefix(reply, want) || want == "" && reply != "NO unknown-key" && head(reply) != "ERR keys-pending" {
						w.t.Errorf("%.20s: %.140s", question, reply)
					}
				}
			}
		})
	}
	return func() {
		end()
		callers.Wait()
	}
}
