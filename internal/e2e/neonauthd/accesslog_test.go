package neonauthd_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/accesslog"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

// accessLines returns the lines of a file without the values that differ between runs:
// time and duration, which must be present.
func accessLines(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	e2e.Must(t, err)
	var all []string
	for line := range strings.Lines(string(text)) {
		var l map[string]any
		e2e.Must(t, json.Unmarshal([]byte(line), &l))
		at, err := time.Parse(time.RFC3339Nano, fmt.Sprint(l["time"]))
		took, ok := l["duration"].(float64)
		if err != nil || time.Since(at).Abs() > 10*time.Minute || !ok || took < 0 || took > 60 {
			t.Errorf("%s: %v", line, err)
		}
		delete(l, "time")
		delete(l, "duration")
		rest, err := json.Marshal(l) // with the members sorted by name
		e2e.Must(t, err)
		all = append(all, string(rest))
	}
	return all
}

// TestTheAccessLogHasALineForEachLookup, also for a refused one, and for each command of
// an operator. It has nothing of a token, and of a user only a hash that needs a key.
func TestTheAccessLogHasALineForEachLookup(t *testing.T) {
	t.Parallel()
	c, h := e2e.NewUpstream(t, standin.Options{}), e2e.NewFolder(t)
	path := h.Path("access.log")
	table := c.Project(t, h, standin.Stack, quick)
	i := e2e.Serve(t, h, e2e.Settings{Top: fmt.Sprintf("access_log = %q", "file:"+path), Tables: []string{table}})
	token, ada := c.User("Ada")
	peer, admin := e2e.Call(t, h.Socket()), e2e.Call(t, h.AdminSocket())
	for _, line := range []string{"VERIFY " + token, "VERIFY " + token, "@a PROFILE " + token, "VERIFY canary", "VERIFY project=nowhere " + token, "REVOKE subject " + ada, "CANARY", "PING"} {
		peer.Ask(t, line)
	}
	for _, line := range []string{"STATS", "REVOKE subject " + ada, "PURGE canary"} {
		admin.Ask(t, line)
	}
	peer.Ask(t, "VERIFY "+token)
	i.Stop(t)

	key, err := os.ReadFile(h.Path("state/access-log.key"))
	e2e.Must(t, err)
	who := fmt.Sprintf(`"pid":%d,`, os.Getpid())
	user := fmt.Sprintf(`"uid":%d,`, os.Getuid())
	subject := fmt.Sprintf(`"subject":%q,`, accesslog.Key(strings.TrimSpace(string(key))).Subject(ada))
	want := []string{
		`{"level":"claims","outcome":"accepted",` + who + `"project":"main","source":"upstream",` + subject + user + `"verb":"VERIFY"}`,
		`{"level":"claims","outcome":"accepted",` + who + `"project":"main","source":"cache",` + subject + user + `"verb":"VERIFY"}`,
		`{"level":"profile","outcome":"accepted",` + who + `"project":"main","source":"upstream",` + subject + user + `"verb":"PROFILE"}`,
		`{"outcome":"rejected",` + who + `"project":"main","reason":"malformed",` + user + `"verb":"VERIFY"}`,
		`{"outcome":"unknown",` + who + `"reason":"unknown-project",` + user + `"verb":"VERIFY"}`,
		`{"outcome":"unknown",` + who + `"reason":"forbidden",` + user + `"verb":"REVOKE"}`,
		`{"outcome":"unknown",` + who + `"reason":"unknown-verb",` + strings.TrimSuffix(user, ",") + `}`,
		`{"outcome":"accepted",` + who + user + `"verb":"REVOKE"}`,
		`{"outcome":"unknown",` + who + `"reason":"bad-request",` + user + `"verb":"PURGE"}`,
		`{"outcome":"rejected",` + who + `"project":"main","reason":"revoked",` + user + `"verb":"VERIFY"}`,
	}
	got := accessLines(t, path)
	for n := range max(len(got), len(want)) {
		if n >= len(got) || n >= len(want) || got[n] != want[n] {
			t.Fatalf("line %d is not as it should be:\n%s\nwant\n%s", n+1, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	text, err := os.ReadFile(path)
	e2e.Must(t, err)
	for _, secret := range []string{token, strings.Split(token, ".")[2], ada, "Ada", "ada@", "canary", "CANARY"} {
		if strings.Contains(string(text), secret) {
			t.Errorf("the access log has %.20q", secret)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("%v, %v", info.Mode(), err)
	}

	// The next run has the same hash for the user; with another host's key the hash
	// differs.
	for _, credentials := range []string{"", h.Dir} {
		if credentials != "" {
			h.Write(t, accesslog.KeyCredential, "the key of several hosts\n")
			subject = fmt.Sprintf(`"subject":%q,`, accesslog.Key("the key of several hosts").Subject(ada))
		}
		i = h.LaunchWith(t, func(cmd *exec.Cmd) { cmd.Env = append(cmd.Env, "CREDENTIALS_DIRECTORY="+credentials) })
		i.Await(t, "READY=1")
		e2e.Call(t, h.AdminSocket()).Ask(t, "UNREVOKE subject "+ada)
		e2e.Call(t, h.Socket()).Ask(t, "VERIFY "+token)
		i.Stop(t)
		if lines := accessLines(t, path); !strings.Contains(lines[len(lines)-1], subject) {
			t.Errorf("the last line is %s, want %s", lines[len(lines)-1], subject)
		}
	}
}

// TestTheAccessLogIsOffByDefault, and then no file is made.
func TestTheAccessLogIsOffByDefault(t *testing.T) {
	t.Parallel()
	c, h := e2e.NewUpstream(t, standin.Options{}), e2e.NewFolder(t)
	e2e.Serve(t, h, e2e.Settings{Tables: []string{c.Project(t, h, standin.Stack, quick)}})
	token, _ := c.User("Ada")
	e2e.Call(t, h.Socket()).Expect(t, "VERIFY "+token, "OK .*")
	if _, err := os.Stat(h.Path("state/access-log.key")); !os.IsNotExist(err) {
		t.Error(err)
	}
	e2e.Call(t, h.AdminSocket()).Expect(t, "STATS", `OK .*"access_log":\{"written":0,"lost":0\}.*`)
}

// TestTheAccessLogIsRotatedByAReload, also by a reload that fails: the file that was
// moved gets no further line.
func TestTheAccessLogIsRotatedByAReload(t *testing.T) {
	t.Parallel()
	c, h := e2e.NewUpstream(t, standin.Options{}), e2e.NewFolder(t)
	path := h.Path("access.log")
	i := e2e.Serve(t, h, e2e.Settings{Top: fmt.Sprintf("access_log = %q", "file:"+path), Tables: []string{c.Project(t, h, standin.Stack, quick)}})
	token, _ := c.User("Ada")
	peer := e2e.Call(t, h.Socket())
	good, err := os.ReadFile(h.Config())
	e2e.Must(t, err)
	for n, reload := range []func(){
		func() { i.Reload(t) },
		func() {
			e2e.Call(t, h.AdminSocket()).Expect(t, "RELOAD", "OK")
			i.Await(t, "RELOADING=1") // otherwise the next reload would take these states for its own
			i.Await(t, "READY=1")
		},
		func() {
			h.Write(t, "neonauthd.toml", "nonsense = 1\n")
			i.Reload(t)
			h.Write(t, "neonauthd.toml", string(good))
		},
	} {
		old := min(n, 1) // a line that the last round wrote after its reload
		peer.Expect(t, "VERIFY "+token, "OK .*")
		awaitLines(t, path, old+1)
		moved := fmt.Sprintf("%s.%d", path, n)
		e2e.Must(t, os.Rename(path, moved))
		reload()
		peer.Expect(t, "VERIFY "+token, "OK .*")
		awaitLines(t, path, 1)
		awaitLines(t, moved, old+1)
	}
}

// awaitLines waits until a file has that many lines about VERIFY.
func awaitLines(t *testing.T, path string, n int) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for timeout := time.After(e2e.Timeout); ; {
		got, _ := os.ReadFile(path)
		if strings.Count(string(got), `"verb":"VERIFY"`) == n {
			return
		}
		select {
		case <-ticker.C:
		case <-timeout:
			t.Fatalf("%s holds %q", path, got)
		}
	}
}

// TestAnAccessLogThatCannotBeWrittenStopsNoLookup: the disk is full, the folder is
// missing, or the reader has gone. Lost lines are counted and logged, and lines are
// written again when the cause is gone.
func TestAnAccessLogThatCannotBeWrittenStopsNoLookup(t *testing.T) {
	t.Parallel()
	for name, destination := range map[string]string{"a full disk": "file:/dev/full", "no folder": "file:FOLDER/later/log", "no reader": "unix:FOLDER/none"} {
		c, h := e2e.NewUpstream(t, standin.Options{}), e2e.NewFolder(t)
		destination = strings.Replace(destination, "FOLDER", h.Dir, 1)
		i := e2e.Serve(t, h, e2e.Settings{Top: fmt.Sprintf("access_log = %q", destination), Tables: []string{c.Project(t, h, standin.Stack, quick)}})
		token, _ := c.User("Ada")
		peer, admin, began := e2e.Call(t, h.Socket()), e2e.Call(t, h.AdminSocket()), time.Now()
		for range 100 {
			peer.Expect(t, "VERIFY "+token, "OK .*")
		}
		for deadline := time.Now().Add(e2e.Timeout); !strings.Contains(admin.Ask(t, "STATS"), `"access_log":{"written":0,"lost":100}`); {
			if time.Now().After(deadline) {
				t.Fatalf("%s: %s", name, admin.Ask(t, "STATS"))
			}
		}
		if n := strings.Count(i.Stderr.String(), "access log not written: requests are answered without a line"); n < 1 || n > 1+int(time.Since(began)/(10*time.Second)) {
			t.Errorf("%s: said %d times:\n%s", name, n, i.Stderr.String())
		}
		if name == "no folder" {
			path := strings.TrimPrefix(destination, "file:")
			e2e.Must(t, os.Mkdir(filepath.Dir(path), 0o700))
			peer.Expect(t, "VERIFY "+token, "OK .*")
			awaitLines(t, path, 1)
		}
		i.Signal(t, syscall.SIGTERM)
		if code := i.AwaitEnd(t); code != 0 {
			t.Errorf("%s: it ended with status %d", name, code)
		}
	}
}

// TestAKeyOfTheAccessLogThatIsTooShortIsRefused, and the error does not repeat the key.
func TestAKeyOfTheAccessLogThatIsTooShortIsRefused(t *testing.T) {
	t.Parallel()
	c, h := e2e.NewUpstream(t, standin.Options{}), e2e.NewFolder(t)
	h.Configure(t, e2e.Settings{Top: fmt.Sprintf("access_log = %q", "file:"+h.Path("log")), Tables: []string{c.Project(t, h, standin.Stack, quick)}})
	h.Write(t, accesslog.KeyCredential, "short")
	e2e.Must(t, os.MkdirAll(h.Path("state"), 0o700))
	h.Write(t, "state/access-log.key", "")
	own := h.Launch(t)
	if code, said := own.AwaitEnd(t), own.Stderr.String(); code != 78 || !strings.Contains(said, h.Path("state/access-log.key")+": access log's key: has to have") {
		t.Errorf("an own key that is empty: status %d: %s", code, said)
	}
	i := h.LaunchWith(t, func(cmd *exec.Cmd) { cmd.Env = append(cmd.Env, "CREDENTIALS_DIRECTORY="+h.Dir) })
	if code, said := i.AwaitEnd(t), i.Stderr.String(); code != 78 || !strings.Contains(said, "access log's key: has to have 16 to 4096 bytes") || strings.Contains(said, "short") {
		t.Errorf("status %d: %s", code, said)
	}
}

// TestAnAccessLogInAFolderOfOthersIsRefused by a check, a start and a reload; the reload
// changes nothing. A user who can write in the folder could make the daemon write to
// another file.
func TestAnAccessLogInAFolderOfOthersIsRefused(t *testing.T) {
	t.Parallel()
	c, h := e2e.NewUpstream(t, standin.Options{}), e2e.NewFolder(t)
	dir := h.Path("logs")
	e2e.Must(t, os.Mkdir(dir, 0o755))
	settings := e2e.Settings{Top: fmt.Sprintf("access_log = %q", "file:"+dir+"/access.log"), Tables: []string{c.Project(t, h, standin.Stack, quick)}}
	i := e2e.Serve(t, h, settings)
	token, _ := c.User("Ada")
	peer := e2e.Call(t, h.Socket())
	peer.Expect(t, "VERIFY "+token, "OK .*")
	awaitLines(t, dir+"/access.log", 1)
	e2e.Must(t, os.Rename(dir+"/access.log", dir+"/moved"))
	e2e.Must(t, os.Chmod(dir, 0o777))
	e2e.Must(t, os.Symlink(h.Config(), dir+"/access.log"))
	before, err := os.ReadFile(h.Config())
	e2e.Must(t, err)
	if reply := e2e.Call(t, h.AdminSocket()).Ask(t, "RELOAD"); !strings.HasPrefix(reply, "ERR ") {
		t.Errorf("a reload: %s", reply)
	}
	peer.Expect(t, "VERIFY "+token, "OK .*")
	awaitLines(t, dir+"/moved", 2)
	if after, err := os.ReadFile(h.Config()); string(after) != string(before) || err != nil {
		t.Errorf("the file that the link leads to has changed: %s %v", after, err)
	}
	i.Signal(t, syscall.SIGTERM)
	i.AwaitEnd(t)
	for _, want := range []string{"access log not opened anew", "configuration not reloaded"} {
		if !strings.Contains(i.Stderr.String(), want) {
			t.Errorf("the log does not say %q:\n%s", want, i.Stderr.String())
		}
	}
	const refusal = "access_log: not safe: %s is writable by others"
	again := h.Launch(t)
	if code, said := again.AwaitEnd(t), again.Stderr.String(); code != 78 || !strings.Contains(said, fmt.Sprintf(refusal, dir)) {
		t.Errorf("a start: status %d: %s", code, said)
	}
	check := exec.Command(e2e.Program("neonauthd"), "--config", h.Config(), "--check")
	if out, err := check.CombinedOutput(); err == nil || !strings.Contains(string(out), "WRONG         "+fmt.Sprintf(refusal, dir)) {
		t.Errorf("a check: %v\n%s", err, out)
	}
}
