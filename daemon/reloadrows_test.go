package daemon

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/daemon/upstream"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

// tableRow is a change of the table of project "main", and what the daemon goes on to use after
// it. Stale profiles are kept where profiles are; a pause and a circuit are kept where the
// budget is; a cooldown is kept where the keys are.
type tableRow struct {
	name                             string
	allow                            string              // before the change
	change                           func(w *liveDaemon) // nil: add lines
	lines                            string              // further lines of the table
	verdicts, profiles, budget, keys bool
}

func tableRows() []tableRow {
	rename := func(old, new func(*liveDaemon) string) func(*liveDaemon) {
		return func(w *liveDaemon) { w.rewrite(old(w), new(w)) }
	}
	key := func(*liveDaemon) string { return "./server-key" }
	base := func(w *liveDaemon) string { return w.upstream.ServiceURL(standin.Stack) }
	rows := []tableRow{
		{name: "nothing", change: func(*liveDaemon) {}, verdicts: true, profiles: true, budget: true, keys: true},
		{name: "base_url, spelled otherwise", change: rename(
			func(w *liveDaemon) string { return `"` + base(w) + `"` }, func(w *liveDaemon) string { return `"` + base(w) + `/"` }),
			verdicts: true, profiles: true, budget: true, keys: true},
	}
	for _, rhythm := range []string{
		`profile_fresh = "59s"`, `profile_stale = "24h"`, `upstream_timeout = "2s"`, `upstream_rate = 50`, `jwks_refresh = "9m"`,
		`jwks_max_age = "2h"`, `jwks_cooldown = "40s"`, `session_lifetime = "40d"`,
	} {
		rows = append(rows, tableRow{name: rhythm, lines: rhythm, verdicts: true, profiles: true, budget: true, keys: true})
	}
	for _, rule := range []string{`leeway = "6s"`, `leeway = "0s"`, `allow = ["restricted"]`, `allow = ["anonymous", "team"]`, `api_keys = ["user"]`} {
		rows = append(rows, tableRow{name: rule, lines: rule, profiles: true, budget: true, keys: true})
	}
	return append(rows,
		tableRow{name: "allow, narrower", allow: "restricted", change: func(w *liveDaemon) { w.rewrite(`allow = ["restricted"]`, "") }, budget: true, keys: true},
		tableRow{name: "allow, other", allow: "anonymous", change: func(w *liveDaemon) { w.rewrite(`["anonymous"]`, `["restricted"]`) }, budget: true, keys: true},
		tableRow{name: "a rhythm and a rule", lines: "leeway = \"6s\"\nupstream_rate = 7\nprofile_stale = \"24h\"", profiles: true, budget: true, keys: true},
		tableRow{name: "issuers", lines: `issuers = ["https://elsewhere.example"]`, budget: true, keys: true},
		tableRow{name: "the same server key in another file", change: func(w *liveDaemon) {
			w.write("same-key", w.upstream.ServerKey())
			rename(key, func(*liveDaemon) string { return "./same-key" })(w)
		}, profiles: true, budget: true, keys: true},
		tableRow{name: "another server key", change: func(w *liveDaemon) { w.write("server-key", "ssk_another") }, keys: true},
		tableRow{name: "another server key in another file", change: func(w *liveDaemon) {
			w.write("another-key", "ssk_another")
			rename(key, func(*liveDaemon) string { return "./another-key" })(w)
		}, keys: true},
		tableRow{name: "insecure_http", lines: "insecure_http = true"},
		tableRow{name: "jwks_url", change: func(w *liveDaemon) {
			w.rewrite(`name = "main"`, `name = "main"`+fmt.Sprintf("\njwks_url = %q", strings.Replace(w.upstream.KeysURL(standin.Stack), "http:", "HTTP:", 1)))
		}, budget: true},
		tableRow{name: "project_id", change: rename(func(w *liveDaemon) string { return w.upstream.ProjectID() }, func(*liveDaemon) string { return "11111111-1111-4111-8111-111111111111" })},
	)
}

// reload makes the change and reloads.
func (row *tableRow) reload(w *liveDaemon) {
	w.t.Helper()
	if row.change != nil {
		row.change(w)
	} else {
		w.rewrite(`name = "main"`, "name = \"main\"\n"+row.lines)
	}
	if reply := w.dialAdmin().Ask("RELOAD"); reply != "OK" {
		w.t.Fatal(reply)
	}
}

// daemon starts a daemon with the table before the change.
func (row *tableRow) daemon(t *testing.T) *liveDaemon {
	w := newLiveDaemon(t, func(c *config.Config) {
		c.Projects = c.Projects[:1]
		if row.allow != "" {
			c.Projects[0].Allow = []string{row.allow}
		}
	})
	tables := strings.SplitAfterN(read(t, filepath.Join(w.dir, "neonauthd.toml")), "[[project]]", 3)
	w.write("neonauthd.toml", tables[0]+strings.TrimSuffix(tables[1], "[[project]]"))
	if row.allow != "" {
		w.rewrite(`name = "main"`, fmt.Sprintf("name = \"main\"\nallow = [%q]", row.allow))
	}
	e2e.Until(t, "the self-test has ended", func() bool { return strings.Contains(w.log.String(), "server key are right") })
	return w
}

// TestAReloadKeepsWhatItsChangeLeavesTrue goes through the changes while the upstream answers.
func TestAReloadKeepsWhatItsChangeLeavesTrue(t *testing.T) {
	for _, row := range tableRows() {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := row.daemon(t)
			k, token := w.dial(), w.token()
			w.wantSource(k, "PROFILE", token, "upstream")
			project, keys := w.daemon.projects().First, w.upstream.Calls(standin.StackKeys)
			row.reload(w)
			now := w.daemon.projects().First
			if kept := now == project; kept != row.verdicts {
				t.Errorf("the project is kept: %v", kept)
			}
			if kept := now.Keys() == project.Keys(); kept != row.keys {
				t.Errorf("its keys are kept: %v", kept)
			}
			verify := map[bool]string{true: "cache", false: "upstream"}
			if !strings.Contains("issuers project_id", row.name) { // these reject the token
				w.wantSource(k, "VERIFY", token, verify[row.verdicts])
				if !strings.HasPrefix(row.name, "another server key") {
					w.wantSource(k, "PROFILE", token, verify[row.profiles])
				}
			}
			if n := w.upstream.Calls(standin.StackKeys); row.keys && n != keys {
				t.Errorf("the keys were fetched again")
			}
		})
	}
}

// wantSource asks, and fails unless the answer is accepted and from there.
func (w *liveDaemon) wantSource(k *talk, verb, token, source string) {
	w.t.Helper()
	if reply := k.Ask("%s %s", verb, token); e2e.Field(reply, "source") != source || head(reply) != "OK" {
		w.t.Errorf("%s: %.140s; want source=%s", verb, reply, source)
	}
}

// TestAReloadInAnOutageKeepsWhatItsChangeLeavesTrue goes through the changes while the circuit is open and the profile is
// stale.
func TestAReloadInAnOutageKeepsWhatItsChangeLeavesTrue(t *testing.T) {
	for _, row := range tableRows() {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := row.daemon(t)
			k, token := w.dial(), w.token()
			w.wantSource(k, "PROFILE", token, "upstream")
			w.clock.advance(61 * time.Second)
			w.upstream.Inject(standin.Me, standin.Fault{Kind: standin.Status, Status: http.StatusServiceUnavailable})
			for i := 0; w.circuit() != upstream.Open; i++ {
				if i == 20 {
					t.Fatal("the circuit does not open")
				}
				k.Ask("PROFILE %s", w.upstream.StackToken(standin.TokenSpec{Subject: w.user.ID, Session: "another"}))
			}
			w.wantSource(k, "PROFILE", token, "stale")
			calls := w.upstream.Calls(standin.Me)
			row.reload(w)
			if open := w.circuit() == upstream.Open; open != row.budget && row.name != "project_id" { // that fails anew by its self-test
				t.Errorf("the circuit is open: %v", open)
			}
			reply := k.Ask("PROFILE %s", token)
			if stale := e2e.Field(reply, "source") == "stale"; stale != row.profiles {
				t.Errorf("then: %.140s", reply)
			}
			if n := w.upstream.Calls(standin.Me); row.budget && n != calls {
				t.Errorf("%d calls at the open circuit", n-calls)
			}
		})
	}
}

// circuit returns the state of the circuit of project "main".
func (w *liveDaemon) circuit() upstream.CircuitState {
	return w.daemon.projects().First.Upstream().Governor().Circuit
}

// TestAReloadKeepsThePauseAndTheCooldown goes through the changes after the upstream has asked for a pause, and a token has
// named an unknown key. Each change is made three times, there and back.
func TestAReloadKeepsThePauseAndTheCooldown(t *testing.T) {
	for _, row := range tableRows() {
		if !row.budget && !row.keys {
			continue
		}
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := row.daemon(t)
			k := w.dial()
			w.upstream.Inject(standin.Me, standin.Fault{Kind: standin.Status, Status: http.StatusTooManyRequests, RetryAfter: "120", Times: 1})
			if reply := k.Ask("PROFILE %s", w.token()); e2e.Field(reply, "retry-after") != "120" {
				t.Fatal(reply)
			}
			unknown := func(kid string) string {
				return w.upstream.StackToken(standin.TokenSpec{Subject: w.user.ID, Header: map[string]any{"kid": kid}})
			}
			if reply := k.Ask("VERIFY %s", unknown("bm9ib2R5MA")); reply != "NO unknown-key" {
				t.Fatal(reply)
			}
			calls, keys := w.upstream.Calls(standin.Me), w.upstream.Calls(standin.StackKeys)
			was := filepath.Join(w.dir, "neonauthd.toml")
			text := read(t, was)
			for i := range 3 {
				row.reload(w)
				if reply := k.Ask("PROFILE deadline=1000 %s", w.upstream.StackToken(standin.TokenSpec{Subject: w.user.ID})); row.budget && row.name != "issuers" && e2e.Field(reply, "retry-after") != "120" {
					t.Errorf("in the pause: %.140s", reply)
				}
				if reply := k.Ask("VERIFY %s", unknown("bm9ib2R5"+string(rune('B'+i)))); row.keys && !strings.HasPrefix(reply, "ERR keys-pending") {
					t.Errorf("in the cooldown: %.140s", reply)
				}
				w.write("neonauthd.toml", text)
				if reply := w.dialAdmin().Ask("RELOAD"); reply != "OK" {
					t.Fatal(reply)
				}
			}
			if n := w.upstream.Calls(standin.Me); row.budget && n != calls {
				t.Errorf("%d calls in the pause", n-calls)
			}
			if n := w.upstream.Calls(standin.StackKeys); row.keys && n != keys {
				t.Errorf("%d fetches in the cooldown", n-keys)
			}
		})
	}
}
