package daemon

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/fleet"
	"github.com/neonauthd/neonauthd/daemon/serve"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/internal/exposition/expositiontest"
)

// monitor scrapes a daemon's metrics listener.
type monitor struct {
	t      testing.TB
	client *http.Client
}

// newMonitoredDaemon is newLiveDaemon with metrics_listen set.
func newMonitoredDaemon(t testing.TB, change func(*config.Config)) (*liveDaemon, *monitor) {
	t.Helper()
	var path string
	w := newLiveDaemon(t, func(c *config.Config) {
		path = filepath.Join(filepath.Dir(c.Socket), "m")
		c.MetricsListen = "unix:" + path
		if change != nil {
			change(c)
		}
	})
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", path)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return w, &monitor{t, &http.Client{Transport: transport, Timeout: testTimeout}}
}

func (m *monitor) do(method, path string, header http.Header) (int, http.Header, string) {
	m.t.Helper()
	r, err := http.NewRequestWithContext(m.t.Context(), method, "http://monitor"+path, nil)
	if err != nil {
		m.t.Fatal(err)
	}
	r.Header = header
	answer, err := m.client.Do(r)
	if err != nil {
		m.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		m.t.Fatal(err)
	}
	return answer.StatusCode, answer.Header, string(body)
}

// scrape returns the page of metrics.
func (m *monitor) scrape() string {
	m.t.Helper()
	status, _, body := m.do(http.MethodGet, "/metrics", nil)
	if status != http.StatusOK {
		m.t.Fatalf("GET /metrics: %d", status)
	}
	return body
}

// sampleOf returns the value of one sample of a page. sample is its name with its
// labels.
func sampleOf(t testing.TB, page, sample string) float64 {
	t.Helper()
	for line := range strings.Lines(page) {
		if rest, ok := strings.CutPrefix(line, sample+" "); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	t.Errorf("no sample %s", sample)
	return -1
}

// TestMetricsAreThoseOfTheList on a host without a fleet, where the fleet's metrics
// are absent, and on a host that hears its fleet.
func TestMetricsAreThoseOfTheList(t *testing.T) {
	list, err := os.ReadFile("testdata/metrics.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, inFleet := range []bool{false, true} {
		w, m := newMonitoredDaemon(t, func(c *config.Config) {
			if inFleet {
				c.Fleet = fleetOfOne(t)
			}
		})
		w.dial().Ask("VERIFY %s", w.token())
		if inFleet {
			w.awaitFleet(t)
		}
		want := slices.DeleteFunc(strings.SplitAfter(string(list), "\n"), func(line string) bool {
			return !inFleet && strings.Contains(line, " neonauthd_fleet_")
		})
		got := strings.Join(expositiontest.Families(t, m.scrape()), "\n") + "\n"
		if got != strings.Join(want, "") {
			t.Errorf("in a fleet %v: the metrics differ from testdata/metrics.txt, which dashboards and alerts are written against; got\n%s", inFleet, got)
		}
	}
}

// fleetOfOne returns the table of a fleet whose engine belongs to this test.
func fleetOfOne(t testing.TB) config.Fleet {
	t.Helper()
	f, _ := fleetAndEngine(t)
	return f
}

// fleetAndEngine is fleetOfOne for a test that ends the engine.
func fleetAndEngine(t testing.TB) (config.Fleet, *e2e.Engine) {
	t.Helper()
	folder := e2e.NewFolder(t)
	folder.Write(t, "fleet-key", fleet.GenerateKey()+"\n")
	engine := e2e.StartEngine(t, folder.Dir)
	return config.Fleet{Name: "test", URLs: []string{engine.URL}, Keys: []string{folder.Path("fleet-key")}}, engine
}

func (w *liveDaemon) awaitFleet(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !w.daemon.fleet.Fleet().Connected() {
		select {
		case <-ctx.Done():
			t.Fatal("the fleet is not heard")
		case <-tick.C:
			w.clock.advance(5 * time.Millisecond)
		}
	}
}

func TestMetricsCountWhatHappened(t *testing.T) {
	w, m := newMonitoredDaemon(t, nil)
	k := w.dial()
	token := w.token()
	for _, step := range []struct{ line, head string }{
		{"VERIFY " + token, "OK"},
		{"VERIFY " + token, "OK"},
		{"PROFILE " + token, "OK"},
		{"VERIFY " + w.upstream.StackToken(standin.TokenSpec{Subject: w.user.ID, Forged: true}), "NO bad-signature"},
		{"VERIFY x", "NO malformed"},
		{"VERIFY", "ERR bad-request"},
	} {
		if got := head(k.Ask("%s", step.line)); got != step.head {
			t.Fatalf("%.20s: %s, want %s", step.line, got, step.head)
		}
	}
	w.dialAdmin().Ask("REVOKE session nobody")
	page := m.scrape()
	for sample, want := range map[string]float64{
		`neonauthd_lookups_total{outcome="accepted",level="claims",source="upstream"}`:  1,
		`neonauthd_lookups_total{outcome="accepted",level="claims",source="cache"}`:     1,
		`neonauthd_lookups_total{outcome="accepted",level="profile",source="upstream"}`: 1,
		`neonauthd_lookups_total{outcome="accepted",level="profile",source="stale"}`:    0,
		`neonauthd_lookups_total{outcome="rejected",reason="bad-signature"}`:            1,
		`neonauthd_lookups_total{outcome="rejected",reason="malformed"}`:                1,
		`neonauthd_lookups_total{outcome="unknown",reason="keys-pending"}`:              0,
		`neonauthd_lookup_duration_seconds_count{memory="miss"}`:                        3,
		`neonauthd_requests_refused_total`:                                              1,
		`neonauthd_revocations{kind="session"}`:                                         1,
		`neonauthd_revocations_unsaved`:                                                 0,
		`neonauthd_connections_accepted_total`:                                          2,
		`neonauthd_keys_usable{project="main"}`:                                         1,
		`neonauthd_keys_consecutive_failures{project="main"}`:                           0,
		`neonauthd_keys_fetches_total{project="main",result="ok"}`:                      1,
		`neonauthd_upstream_circuit{project="main",state="closed"}`:                     1,
		`neonauthd_upstream_circuit{project="main",state="open"}`:                       0,
		`neonauthd_upstream_failures_total{project="main"}`:                             0,
		`neonauthd_build_info{version="test",goversion="` + runtime.Version() + `"}`:    1,
		`neonauthd_panics_total`:                                                        0,
	} {
		if got := sampleOf(t, page, sample); got != want {
			t.Errorf("%s is %v, want %v", sample, got, want)
		}
	}
	if busy, idle := sampleOf(t, page, `neonauthd_connections{state="busy"}`), sampleOf(t, page, `neonauthd_connections{state="idle"}`); busy+idle != 2 {
		t.Errorf("%v busy and %v idle connections, want 2", busy, idle)
	}
	if got := sampleOf(t, page, `neonauthd_upstream_calls_total{project="main"}`); got < 1 {
		t.Errorf("%v upstream calls after a profile was fetched", got)
	}
}

func TestMetricsSampleHits(t *testing.T) {
	w, m := newMonitoredDaemon(t, nil)
	k, token := w.dial(), w.token()
	const hits = 100 * serve.HitSample
	lines := strings.Repeat("VERIFY "+token+"\n", 16)
	for range hits / 16 {
		k.Send(lines)
		for range 16 {
			k.Receive()
		}
	}
	// One in 64 of 6400 hits is 100, with a deviation of 10. The bounds are 8
	// deviations away.
	if n := sampleOf(t, m.scrape(), `neonauthd_lookup_duration_seconds_count{memory="hit"}`); n < 20 || n > 180 {
		t.Errorf("%v of %d hits were timed, want about one in %d", n, hits, serve.HitSample)
	}
}

func TestMetricsAndLogHoldNoIdentity(t *testing.T) {
	w, m := newMonitoredDaemon(t, nil)
	k, admin, token := w.dial(), w.dialAdmin(), w.token()
	for _, line := range []string{
		"HELLO 1 canary%0Aclient", "PROFILE " + token, "VERIFY " + token + "x", "VERIFY project=" + w.user.ID + " " + token,
		"VERIFY " + w.upstream.StackToken(standin.TokenSpec{Subject: w.user.ID, Header: map[string]any{"kid": "canary-kid"}}),
	} {
		k.Ask("%s", line)
	}
	for _, line := range []string{
		"REVOKE subject " + w.user.ID, "REVOKE token " + token, "REVOKE key canary-kid", "EXPLAIN " + token,
		"PURGE subject " + w.user.ID, "PURGE token " + token, "STATS", "RELOAD",
	} {
		admin.Ask("%s", line)
	}
	page := m.scrape()
	written := map[string]string{"metrics": page, "log": w.log.String()}
	secrets := append(strings.Split(token, "."), token, w.user.ID, "ada@example.org", "Ada", w.upstream.ServerKey(), "canary-kid")
	for where, text := range written {
		if text == "" {
			t.Errorf("nothing in the %s: the canary had no cage", where)
		}
		for i, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("secret %d is in the %s", i, where)
			}
		}
	}
	if strings.Contains(page, "canary") {
		t.Error("what a client said is in the metrics")
	}
}

func TestMetricsPassPromtool(t *testing.T) {
	w, m := newMonitoredDaemon(t, nil)
	w.dial().Ask("VERIFY %s", w.token())
	expositiontest.PassesPromtool(t, m.scrape())
}
