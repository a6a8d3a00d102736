// Package webhooks_test delivers webhooks to "neonauth-http hooks" as the upstream's sender does, and asks the daemon
// behind it about the users.
package webhooks_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/internal/e2e/ports"
)

func TestMain(m *testing.M) { e2e.Main(m, "neonauthd", "neonauth-http", "neonauthctl") }

// The secret of a project's endpoint, and the secret that replaces it.
const (
	secret      = "whsec_MjQgYnl0ZXMsIGFzIG1hbnkgYXMgU3ZpeCBoYXM="
	otherSecret = "whsec_YW5vdGhlciBvbmUsIGZvciBhbm90aGVyIGVuZHBvaW50"
)

// taker is a running "neonauth-http hooks".
type taker struct {
	*e2e.Process
	status string // the socket for monitors
	url    string // of project main
}

// take starts the program for the daemon of a folder. secrets are lines of the project's file of secrets.
func take(t testing.TB, f *e2e.Folder, secrets ...string) *taker {
	t.Helper()
	return takeWith(t, f, e2e.Program("neonauth-http"), ports.Address(t), nil, secrets...)
}

// takeAt is take at an address, with the secret.
func takeAt(t testing.TB, f *e2e.Folder, address string) *taker {
	t.Helper()
	return takeWith(t, f, e2e.Program("neonauth-http"), address, nil, secret)
}

func takeWith(t testing.TB, f *e2e.Folder, program, address string, env []string, secrets ...string) *taker {
	t.Helper()
	f.Write(t, "webhook-secret", strings.Join(secrets, "\n")+"\n")
	f.Write(t, "hooks.toml", "[[project]]\nname = \"main\"\nsecrets = [\"./webhook-secret\"]\n")
	h := &taker{status: f.Path("run/hs.sock"), url: "http://" + address + "/hooks/main"}
	cmd := exec.Command(program, "hooks", "--config", f.Path("hooks.toml"), "--admin-socket", f.AdminSocket(), "--listen", address, "--status-listen", "unix:"+h.status)
	cmd.Env = e2e.Environment(env...)
	h.Process = e2e.Start(t, f.Dir, cmd)
	h.Await(t, "READY=1")
	return h
}

// post sends one request and returns status and body.
func post(t testing.TB, url string, headers map[string]string, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	return send(t, http.DefaultClient, r)
}

func send(t testing.TB, c *http.Client, r *http.Request) (int, string) {
	t.Helper()
	answer, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// ask sends a monitor's request.
func (h *taker) ask(t testing.TB, path string) (int, string) {
	t.Helper()
	c := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", h.status)
	}}}
	defer c.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://monitor"+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	return send(t, c, r)
}

// counted requires these samples in the metrics.
func (h *taker) counted(t testing.TB, samples ...string) {
	t.Helper()
	_, page := h.ask(t, "/metrics")
	for _, sample := range samples {
		if !strings.Contains(page, "\n"+sample+"\n") {
			t.Errorf("there is no %s in\n%s", sample, page)
		}
	}
}

// delivered returns the sample that counts these deliveries.
func delivered(event, result string, n int) string {
	return fmt.Sprintf("neonauth_hooks_deliveries_total{project=\"main\",event=%q,result=%q} %d", event, result, n)
}

// says waits until the program has written a text.
func (h *taker) says(t testing.TB, text string) {
	t.Helper()
	deadline := time.Now().Add(e2e.Timeout)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for ; !strings.Contains(h.Written(), text); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("it does not say %q:\n%s", text, h.Written())
		}
	}
}

// tellsNothing requires that none of the texts is in the program's output or in its metrics.
func (h *taker) tellsNothing(t testing.TB, texts ...string) {
	t.Helper()
	_, page := h.ask(t, "/metrics")
	for _, text := range texts {
		if strings.Contains(page, text) || strings.Contains(h.Written(), text) {
			t.Errorf("%q is told:\n%s%s", text, h.Written(), page)
		}
	}
}

// keepsNothing requires that no file below a folder contains the text.
func keepsNothing(t testing.TB, dir, text string) {
	t.Helper()
	seen := 0
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		seen++
		if bytes.Contains(content, []byte(text)) {
			t.Errorf("%s holds %q", path, text)
		}
		return err
	})
	if err != nil || seen == 0 {
		t.Fatalf("%d files read: %v", seen, err)
	}
}
