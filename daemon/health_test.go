package daemon

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/keyring"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

func TestHealthServesNothingElse(t *testing.T) {
	_, m := newMonitoredDaemon(t, nil)
	for _, test := range []struct {
		method, path string
		status       int
	}{
		{http.MethodGet, "/metrics", http.StatusOK},
		{http.MethodHead, "/metrics", http.StatusOK},
		{http.MethodGet, "/healthz", http.StatusOK},
		{http.MethodPost, "/metrics", http.StatusMethodNotAllowed},
		{http.MethodDelete, "/healthz", http.StatusMethodNotAllowed},
		{http.MethodGet, "/", http.StatusNotFound},
		{http.MethodGet, "/metrics/", http.StatusNotFound},
		{http.MethodGet, "/debug/pprof/", http.StatusNotFound},
		{http.MethodGet, "/debug/vars", http.StatusNotFound},
	} {
		if status, _, _ := m.do(test.method, test.path, nil); status != test.status {
			t.Errorf("%s %s: %d, want %d", test.method, test.path, status, test.status)
		}
	}
}

// TestProfilesAreNotForOtherHosts, wherever the listener comes from.
func TestProfilesAreNotForOtherHosts(t *testing.T) {
	for exposed, want := range map[bool]int{false: http.StatusOK, true: http.StatusNotFound} {
		h := &health{daemon: newIdleDaemon(t, func(c *config.Config) { c.Pprof = true }).daemon, exposed: exposed}
		w := httptest.NewRecorder()
		h.routes().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/debug/pprof/heap", nil))
		if w.Code != want {
			t.Errorf("exposed %t: %d", exposed, w.Code)
		}
	}
}

func TestHealthBoundsHeads(t *testing.T) {
	_, m := newMonitoredDaemon(t, nil)
	// net/http reads 4096 bytes more than it is told to.
	big := http.Header{"X-Big": {strings.Repeat("a", maxScrapeHeader+4096)}}
	if status, _, _ := m.do(http.MethodGet, "/metrics", big); status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a head over the bound: %d", status)
	}
}

// TestHealthBoundsConnections: a connection beyond the limit replaces the one that has
// been idle longest, so that nobody can keep monitors out.
func TestHealthBoundsConnections(t *testing.T) {
	w, m := newMonitoredDaemon(t, nil)
	path := strings.TrimPrefix(w.config.MetricsListen, "unix:")
	ask := func() (net.Conn, error) {
		nc, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = nc.Close() })
		_ = nc.SetDeadline(time.Now().Add(testTimeout))
		if _, err := nc.Write([]byte("GET /readyz HTTP/1.1\r\nHost: m\r\n\r\n")); err != nil {
			return nc, err
		}
		_, err = bufio.NewReader(nc).ReadString('\n')
		return nc, err
	}
	var open []net.Conn
	for range maxScrapers {
		nc, err := ask()
		if err != nil {
			t.Fatalf("connection %d: %v", len(open)+1, err)
		}
		open = append(open, nc)
	}
	for n := range open {
		if _, err := ask(); err != nil {
			t.Fatalf("%d more than the bound: %v", n+1, err)
		}
	}
	if _, err := io.Copy(io.Discard, open[0]); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the oldest connection is not closed")
	}
	m.scrape()
}

func TestReadyNamesTheProjectsWithoutKeys(t *testing.T) {
	t.Setenv("STATE_DIRECTORY", "") // the tests may run under systemd
	w, m := newMonitoredDaemon(t, func(c *config.Config) {
		c.Projects[1].BaseURL, c.Projects[1].JWKSURL = "http://127.0.0.1:9/neondb/auth", "" // nothing answers on port 9
	})
	w.dial().Ask("VERIFY %s", w.token())
	lacking := w.config.Projects[1].Name
	e2e.Until(t, "one project lacks keys", func() bool {
		status, _, body := m.do(http.MethodGet, "/readyz", nil)
		return status == http.StatusServiceUnavailable && body == "no usable keys: "+lacking+"\n"
	})
	if status, _, body := m.do(http.MethodGet, "/healthz", nil); status != http.StatusOK {
		t.Errorf("healthz of a daemon that lacks one project's keys: %d %s", status, body)
	}
}

func TestReadyWhenEveryProjectHasKeys(t *testing.T) {
	w, m := newMonitoredDaemon(t, nil)
	e2e.Until(t, "all projects have keys", func() bool {
		status, _, body := m.do(http.MethodGet, "/readyz", nil)
		return status == http.StatusOK && body == "ok: 3 of 3 projects have keys\n"
	})
	w.upstream.Inject(standin.Any, standin.Fault{Kind: standin.Reset})
	w.clock.advance(keyring.Lifetime + time.Second)
	if status, _, _ := m.do(http.MethodGet, "/readyz", nil); status != http.StatusServiceUnavailable {
		t.Errorf("readyz with keys too old to verify with: %d", status)
	}
}

func TestHealthFailsWhenLookupsAreNotAnswered(t *testing.T) {
	w, m := newMonitoredDaemon(t, nil)
	w.admitting.Lock()
	status, _, body := m.do(http.MethodGet, "/healthz", nil)
	w.admitting.Unlock()
	if status != http.StatusServiceUnavailable || !strings.Contains(body, "not answering") {
		t.Errorf("healthz of a server that admits no connection: %d %s", status, body)
	}
	if status, _, _ := m.do(http.MethodGet, "/healthz", nil); status != http.StatusOK {
		t.Errorf("healthz afterwards: %d", status)
	}
}

func TestMetricsEndWithRun(t *testing.T) {
	w, m := newMonitoredDaemon(t, nil)
	m.scrape()
	w.halt()
	if _, err := m.client.Get("http://monitor/metrics"); err == nil {
		t.Error("metrics are served after the end of Run")
	}
}

func TestHealthSurvivesAFaultOfOurs(t *testing.T) {
	h := &health{daemon: newIdleDaemon(t, nil).daemon}
	w := httptest.NewRecorder()
	h.guard(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("secret") })).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusInternalServerError || w.Body.Len() != 0 || h.daemon.counters.Panics.Load() != 1 {
		t.Errorf("status %d, %q, %d panics counted", w.Code, w.Body, h.daemon.counters.Panics.Load())
	}
}
