package neonauthd_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

// fetch gets a path from an HTTP server on a Unix socket.
func fetch(t *testing.T, socket, path string) (int, []byte) {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://monitor"+path, http.NoBody)
	e2e.Must(t, err)
	answer, err := (&http.Client{Transport: transport, Timeout: e2e.Timeout}).Do(r)
	e2e.Must(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	e2e.Must(t, err)
	return answer.StatusCode, body
}

// TestProfilesAreServedWhileTheConfigurationSaysSo. They contain nothing that callers or
// the upstream have sent.
func TestProfilesAreServedWhileTheConfigurationSaysSo(t *testing.T) {
	t.Parallel()
	c, h := e2e.NewUpstream(t, standin.Options{}), e2e.NewFolder(t)
	metrics := h.Path("run/metrics.sock")
	settings := e2e.Settings{Top: fmt.Sprintf("metrics_listen = %q", "unix:"+metrics), Tables: []string{c.Project(t, h, standin.Stack, quick)}}
	i := e2e.Serve(t, h, settings)
	const heap = "/debug/pprof/heap?gc=1"
	if status, _ := fetch(t, metrics, heap); status != http.StatusNotFound {
		t.Fatalf("unasked: %d", status)
	}
	settings.Top += "\npprof = true"
	h.Configure(t, settings)
	i.Reload(t)
	if info, err := os.Stat(metrics); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("%v, %v", info, err)
	}

	token, id := c.User("Ada")
	peer := e2e.Call(t, h.Socket())
	ended := make(chan struct{})
	go func() { // while profiles are taken
		defer close(ended)
		for range 2000 {
			if _, err := fmt.Fprintf(peer.Conn, "VERIFY %s\nPROFILE %s\n", token, token); err != nil {
				return
			}
			for range 2 {
				if _, err := peer.Line(); err != nil {
					return
				}
			}
		}
	}()
	for _, path := range []string{heap, "/debug/pprof/allocs", "/debug/pprof/goroutine", "/debug/pprof/goroutine?debug=1", "/debug/pprof/trace?seconds=1", "/debug/pprof/profile?seconds=1"} {
		status, body := fetch(t, metrics, path)
		if status != http.StatusOK || len(body) == 0 {
			t.Errorf("%s: %d, %d bytes", path, status, len(body))
		}
		if unpacked, err := gzip.NewReader(bytes.NewReader(body)); err == nil {
			body, err = io.ReadAll(unpacked)
			e2e.Must(t, err)
		}
		for _, secret := range []string{token, strings.Split(token, ".")[1][:20], id, "Ada", c.ServerKey()} {
			if bytes.Contains(body, []byte(secret)) {
				t.Errorf("%s holds %.20q", path, secret)
			}
		}
	}
	<-ended
	if said := i.Stderr.String(); !strings.Contains(said, `msg="profile taken" profile=heap`) {
		t.Error("nobody is told that a profile was taken")
	}

	h.Configure(t, e2e.Settings{Top: strings.Replace(settings.Top, "true", "false", 1), Tables: settings.Tables})
	i.Reload(t)
	if status, _ := fetch(t, metrics, heap); status != http.StatusNotFound {
		t.Errorf("when it is over: %d", status)
	}
}

// TestWhoCanTakeProfilesIsSaid: at an address every user of the host can; without a
// listener nobody can; other hosts never can.
func TestWhoCanTakeProfilesIsSaid(t *testing.T) {
	t.Parallel()
	c, h := e2e.NewUpstream(t, standin.Options{}), e2e.NewFolder(t)
	table := c.Project(t, h, standin.Stack, quick)
	for listen, says := range map[string]string{
		"127.0.0.1:0": "profiles can be taken by every user of this host",
		"":            "no profiles can be had: there is no metrics listener",
	} {
		i := e2e.Serve(t, h, e2e.Settings{Top: fmt.Sprintf("pprof = true\nmetrics_listen = %q", listen), Tables: []string{table}})
		i.Stop(t)
		if !strings.Contains(i.Stderr.String(), says) {
			t.Errorf("%q: %s", listen, i.Stderr.String())
		}
	}
}
