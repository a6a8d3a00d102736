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

// TestBothLogsAreAsTheFileSays: the program's log is JSON without a flag. The access log
// has the hash that the key makes. After a reload that fails it goes on in a new file, or
// in the old file if no new one can be made.
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
		for timeout := time.After(e2e.Timeout); !holds(); {
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
		if step == "folder" { // it takes the place of the file, so that no file can be opened
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
	w.http.Stop(t)
	for line := range strings.Lines(w.http.Stderr.String()) {
		var l struct{ Level, Msg string }
		if err := json.Unmarshal([]byte(line), &l); err != nil || l.Msg == "" {
			t.Errorf("a line of the log is no object: %s", line)
		}
	}
	if !strings.Contains(w.http.Stderr.String(), "access log not opened anew") {
		t.Error("the operator is not told")
	}
	subject := accesslog.Key("the key of several hosts").Subject(w.ada.ID)
	for file, lines := range map[string]int{path + ".1": 1, path + ".2": 2} {
		text, err := os.ReadFile(file)
		if err != nil || strings.Count(string(text), "\n") != lines || !strings.Contains(string(text), `"outcome":"accepted","source":"cache","subject":"`+subject+`","status":204,`) &&
			!strings.Contains(string(text), `"outcome":"accepted","source":"upstream","subject":"`+subject+`","status":204,`) {
			t.Errorf("%s (%v): %s", file, err, text)
		}
	}
}

// TestALogInAFolderOfOthersIsRefused: a check, a start and a reload refuse it. The reload
// changes nothing.
func TestALogInAFolderOfOthersIsRefused(t *testing.T) {
	t.Parallel()
	w := newSystem(t)
	w.http.Stop(t)
	dir := w.path("logs")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	config := w.write(t, "http.toml", fmt.Sprintf("access_log = %q\nkeep = 0\n", "file:"+dir+"/access.log"))
	flags := []string{"--listen", "unix:" + w.path("h.sock"), "--status-listen", "unix:" + w.path("s.sock"), "--socket", w.path("d.sock"), "--config", config}
	w.http = launch(t, w.dir, e2e.Program("neonauth-http"), nil, flags...)
	w.http.Await(t, "READY=1")
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for timeout := time.After(e2e.Timeout); ; {
		if _, err := os.Stat(dir + "/access.log"); err == nil {
			break
		}
		select {
		case <-ticker.C:
		case <-timeout:
			t.Fatal("there is no log")
		}
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	w.http.Signal(t, syscall.SIGHUP)
	w.http.Await(t, "RELOADING=1\nMONOTONIC_USEC=")
	w.http.Await(t, "READY=1")
	if g := w.ask(t, "/nginx", bearing(w.token())); g.StatusCode != http.StatusNoContent {
		t.Error(g.Status)
	}
	w.http.Stop(t)
	if text, err := os.ReadFile(dir + "/access.log"); strings.Count(string(text), "\n") != 1 || err != nil {
		t.Errorf("the open file has %q, %v", text, err)
	}
	if said := w.http.Stderr.String(); !strings.Contains(said, "the configuration was not reloaded") || !strings.Contains(said, "access log not opened anew") {
		t.Error(said)
	}
	for name, more := range map[string][]string{"start": nil, "check": {"--check"}} {
		p := launch(t, w.dir, e2e.Program("neonauth-http"), nil, append(more, flags...)...)
		if code, said := p.AwaitEnd(t), p.Stderr.String(); code != 78 || !strings.Contains(said, "access_log: not safe: "+dir+" is writable by others") {
			t.Errorf("%s: status %d: %s", name, code, said)
		}
	}
}
