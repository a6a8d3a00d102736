package neonauthhttp_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/internal/accesslog"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

// TestBothLogsAreAsTheFileSays: the program's log is JSON without a flag, and the access
// log has the hash that the key makes, goes on in a new file after a reload that fails,
// and lets nobody wait while it cannot be written.
func TestBothLogsAreAsTheFileSays(t *testing.T) {
	t.Parallel()
	w := newSystem(t)
	w.http.Stop(t)
	path := w.path("access.log")
	config := w.write(t, "http.toml", fmt.Sprintf("log_format = \"json\"\naccess_log = %q\nkeep = 0\n", "file:"+path))
	w.write(t, accesslog.KeyCredential, "the key of several hosts\n")
	w.http = launch(t, w.dir, e2e.Program("neonauth-http"), []string{"CREDENTIALS_DIRECTORY=" + w.dir},
		"--listen", "unix:"+w.path("h.sock"), "--status-listen", "unix:"+w.path("s.sock"), "--socket", w.path("d.sock"), "--config", config)
	w.http.Await(t, "READY=1")
	ask := func() {
		t.Helper()
		if g := w.ask(t, "/nginx", bearing(w.token())); g.StatusCode != http.StatusNoContent {
			t.Fatal(g.Status)
		}
	}
	await := func(what string, holds func() bool) {
		t.Helper()
		ticker := time.NewTicker(5 * time.Millisecond)
		defer ticker.Stop()
		for timeout := time.After(e2e.Patience); !holds(); {
			select {
			case <-ticker.C:
			case <-timeout:
				t.Fatalf("%s does not come to pass:\n%s", what, w.http.Written())
			}
		}
	}
	move := func(to string) {
		t.Helper()
		await("a line in the file", func() bool {
			text, _ := os.ReadFile(path)
			return len(text) > 0
		})
		if err := os.Rename(path, to); err != nil {
			t.Fatal(err)
		}
	}
	ask()
	for _, step := range []string{"file", "folder"} {
		if step == "folder" { // in the place of the file, where nothing can be written
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		w.write(t, "http.toml", "nonsense = 1\n")
		if step == "file" {
			move(path + ".1")
		}
		w.http.Signal(t, syscall.SIGHUP)
		w.http.Await(t, "RELOADING=1\nMONOTONIC_USEC=")
		w.http.Await(t, "READY=1")
		ask()
		if step == "file" {
			move(path + ".2")
		}
	}
	await("that the lost line is counted", func() bool { return strings.Contains(w.metrics(t), "neonauth_http_access_lines_lost_total 1\n") })
	w.http.Stop(t)
	for line := range strings.Lines(w.http.Stderr.String()) {
		var l struct{ Level, Msg string }
		if err := json.Unmarshal([]byte(line), &l); err != nil || l.Msg == "" {
			t.Errorf("a line of the log is no object: %s", line)
		}
	}
	if !strings.Contains(w.http.Stderr.String(), "access log not written") {
		t.Error("the operator is not told")
	}
	subject := accesslog.Key("the key of several hosts").Subject(w.ada.ID)
	for _, file := range []string{path + ".1", path + ".2"} {
		text, err := os.ReadFile(file)
		if err != nil || strings.Count(string(text), "\n") != 1 || !strings.Contains(string(text), `"outcome":"accepted","source":"cache","subject":"`+subject+`","status":204,`) &&
			!strings.Contains(string(text), `"outcome":"accepted","source":"upstream","subject":"`+subject+`","status":204,`) {
			t.Errorf("%s (%v): %s", file, err, text)
		}
	}
}
