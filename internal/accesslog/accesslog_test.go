package accesslog

import (
	"bufio"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
	"github.com/neonauthd/neonauthd/internal/program"
)

func TestDestinations(t *testing.T) {
	for destination, good := range map[string]bool{
		"": true, "journal": true, "file:/var/log/x": true, "unix:/run/x": true,
		"file": false, "file:": false, "file:x": false, "unix:x": false, "/var/log/x": false, "tcp:/x": false, "journal:/x": false,
	} {
		if err := Check(destination); (err == nil) != good {
			t.Errorf("%q: %v", destination, err)
		}
	}
	if err := Check("jornal"); !strings.Contains(err.Error(), `did you mean "journal"?`) {
		t.Error(err)
	}
	there := filepath.Join(need.Folder(t), "log") // this file is made when it is needed
	for destination, good := range map[string]bool{"file:" + there: true, "file:" + there + "/log": false, "unix:" + there: false, "unix:" + filepath.Dir(there): true} {
		if err := Inspect(destination); (err == nil) != good {
			t.Errorf("%q: %v", destination, err)
		}
	}
	if l, err := New(Options{}); l != nil || err != nil {
		t.Errorf("no log: %v, %v", l, err)
	}
	if l, err := New(Options{Destination: "file:x"}); l != nil || err == nil {
		t.Errorf("a log of no destination: %v, %v", l, err)
	}
	var none *Log
	none.Write(Line{})
	none.Reopen()
	none.Run(t.Context())
	if none.Lost() != 0 || none.Written() != 0 {
		t.Error("no log has lines")
	}
}

func newLog(t *testing.T, destination string) (l *Log, said *e2e.Output) {
	t.Helper()
	said = &e2e.Output{}
	l, err := New(Options{
		Destination: destination, Key: Key("sixteen bytes or more"), Program: "neonauthd",
		Logger: slog.New(program.NewRare(slog.NewTextHandler(said, nil))),
	})
	if err != nil {
		t.Fatal(err)
	}
	return l, said
}

// running runs a log while act uses it, and then ends it.
func running(t *testing.T, l *Log, act func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); l.Run(ctx) }()
	act()
	cancel()
	<-ended
}

func lineOf(project string) Line {
	return Line{Time: time.Unix(1764000000, 0), Project: project, Outcome: "accepted"}
}

const written = `{"time":"2025-11-24T16:00:00Z","project":"P","outcome":"accepted","duration":0}` + "\n"

func TestALineHasWhatAppliesAndAHashForTheUser(t *testing.T) {
	path := filepath.Join(need.Folder(t), "log")
	l, _ := newLog(t, "file:"+path)
	running(t, l, func() {
		l.Write(Line{
			Time: time.Date(2026, 3, 1, 12, 0, 0, 5000, time.FixedZone("", 3600)), Caller: &Caller{UID: 1001, PID: 42}, Verb: "VERIFY",
			Level: "claims", Project: "main", Outcome: "accepted", Source: "cache", Subject: "ada", Duration: Seconds(1500 * time.Nanosecond),
		})
		l.Write(Line{Time: time.Unix(0, 0), Dialect: "nginx", Outcome: "rejected", Reason: "expired", Status: 401})
	})
	text, err := os.ReadFile(path)
	want := `{"time":"2026-03-01T11:00:00.000005Z","uid":1001,"pid":42,"verb":"VERIFY","level":"claims","project":"main","outcome":"accepted","source":"cache","subject":"` +
		l.Key.Subject("ada") + `","duration":0.0000015}` + "\n" +
		`{"time":"1970-01-01T00:00:00Z","dialect":"nginx","outcome":"rejected","reason":"expired","status":401,"duration":0}` + "\n"
	if err != nil || string(text) != want || l.Written() != 2 || l.Lost() != 0 {
		t.Errorf("wrote (%v)\n%swant\n%s", err, text, want)
	}
}

func TestLinesReachAFileAndTheNextOne(t *testing.T) {
	path := filepath.Join(need.Folder(t), "log")
	l, _ := newLog(t, "file:"+path)
	running(t, l, func() {
		l.Write(lineOf("1"))
		l.Write(lineOf("2"))
		e2e.Until(t, "two lines are written", func() bool { return l.Written() == 2 })
		if err := os.Rename(path, path+".1"); err != nil {
			t.Fatal(err)
		}
		l.Reopen()
		e2e.Until(t, "the file is made anew", func() bool { _, err := os.Stat(path); return err == nil })
		l.Write(lineOf("3"))
	})
	for name, want := range map[string]string{path + ".1": "12", path: "3"} {
		text, err := os.ReadFile(name)
		var got string
		for line := range strings.Lines(string(text)) {
			var l struct{ Project string }
			if err := json.Unmarshal([]byte(line), &l); err != nil {
				t.Fatal(err)
			}
			got += l.Project
		}
		if err != nil || got != want {
			t.Errorf("%s holds the lines %q (%v), want %q", name, got, err, want)
		}
	}
}

func TestAFileIsTheOwnersAndItsGroupReads(t *testing.T) {
	dir := need.Folder(t)
	there := filepath.Join(dir, "there")
	if err := os.WriteFile(there, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, mode := range map[string]os.FileMode{filepath.Join(dir, "new"): 0o640, there: 0o600} {
		old := syscall.Umask(0o077) // the umask of the unit
		l, _ := newLog(t, "file:"+path)
		running(t, l, func() { l.Write(lineOf("P")) })
		syscall.Umask(old)
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v %v", path, info.Mode(), err)
		}
		if text, _ := os.ReadFile(path); string(text) != written {
			t.Errorf("%s holds %q", path, text)
		}
	}
}

// TestAFileThatCannotBeWrittenIsNoDisaster: lost lines are counted, the program's log
// says why and later that lines are written again, and nothing waits.
func TestAFileThatCannotBeWrittenIsNoDisaster(t *testing.T) {
	dir := need.Folder(t)
	pipe, later := filepath.Join(dir, "pipe"), filepath.Join(dir, "later", "log")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, why := range map[string]string{"/dev/full": "no space left on device", pipe: "no such device or address", later: "no such file or directory"} {
		l, said := newLog(t, "file:"+path)
		running(t, l, func() {
			e2e.Until(t, "the log says why", func() bool { l.Write(lineOf("P")); return strings.Contains(said.String(), why) })
			e2e.Until(t, "lines are counted as lost", func() bool { l.Write(lineOf("P")); return l.Lost() > 0 })
			if path != later {
				return
			}
			if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			e2e.Until(t, "lines are written again", func() bool { l.Write(lineOf("P")); return l.Written() > 0 })
			e2e.Until(t, "the log says so", func() bool { return strings.Contains(said.String(), "access log written again") })
		})
		if n := strings.Count(said.String(), "access log not written"); n != 1 {
			t.Errorf("%s: said %d times:\n%s", path, n, said)
		}
	}
}

func TestLinesReachASocketThatIsBack(t *testing.T) {
	path := filepath.Join(need.Folder(t), "s")
	listen := func() net.Listener {
		t.Helper()
		ln, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		return ln
	}
	l, said := newLog(t, "unix:"+path)
	read := func(ln net.Listener, project string) {
		t.Helper()
		conn, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		l.Write(lineOf(project))
		if line, err := bufio.NewReader(conn).ReadString('\n'); line != strings.Replace(written, "P", project, 1) {
			t.Errorf("%q, %v", line, err)
		}
	}
	ln := listen()
	running(t, l, func() { read(ln, "one") })
	_ = ln.Close()
	running(t, l, func() { l.Write(lineOf("lost")) })
	if n := l.Lost(); n != 1 || !strings.Contains(said.String(), "access log not written") {
		t.Errorf("lost %d, said %s", n, said)
	}
	ln = listen()
	defer ln.Close()
	running(t, l, func() { read(ln, "two") })
}

// TestTheEndDoesNotWaitForAReaderThatHangs, at least not for long. The lines that are
// left are lost.
func TestTheEndDoesNotWaitForAReaderThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := newLog(t, "unix:/nowhere")
		w := &writer{Log: l, end: time.Now().Add(lastLimit)}
		for range 100 {
			if left := time.Until(w.limit()); left > writeLimit || left > time.Until(w.end) {
				t.Fatalf("a step may take %v", left)
			}
			time.Sleep(writeLimit / 10)
		}
	})
}

func TestTheJournalHasAMessageForEachLine(t *testing.T) {
	path := filepath.Join(need.Folder(t), "j")
	journal, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer journal.Close()
	l, _ := newLog(t, Journal)
	l.journal = path
	l.Write(lineOf("1"))
	l.Write(lineOf("2"))
	running(t, l, func() {
		for _, project := range []string{"1", "2"} {
			buf := make([]byte, 4096)
			n, err := journal.Read(buf)
			want := "PRIORITY=6\nNEONAUTH_ACCESS=1\nSYSLOG_IDENTIFIER=neonauthd\nMESSAGE=" + strings.Replace(written, "P", project, 1)
			if err != nil || string(buf[:n]) != want {
				t.Errorf("%q, %v; want %q", buf[:n], err, want)
			}
		}
	})
	l.journal = filepath.Join(need.Folder(t), "none")
	running(t, l, func() { l.Write(lineOf("3")) })
	if l.Written() != 2 || l.Lost() != 1 {
		t.Errorf("written %d, lost %d", l.Written(), l.Lost())
	}
}

func TestAFullLogLosesLinesAndNobodyWaits(t *testing.T) {
	path := filepath.Join(need.Folder(t), "log")
	l, said := newLog(t, "file:"+path)
	for range MaxWaiting + 2 { // nobody writes
		l.Write(lineOf("P"))
	}
	if n := l.Lost(); n != 2 {
		t.Errorf("lost %d, want 2", n)
	}
	running(t, l, func() {}) // the end of the log writes the lines that wait
	if text, err := os.ReadFile(path); err != nil || strings.Count(string(text), "\n") != MaxWaiting || l.Written() != MaxWaiting {
		t.Errorf("written %d (%v)", l.Written(), err)
	}
	if !strings.Contains(said.String(), "more come than its destination takes; give it a faster one\" lost=2") {
		t.Errorf("the log says\n%s", said)
	}
}

func TestALineAllocatesNothing(t *testing.T) {
	l, _ := newLog(t, "file:"+filepath.Join(need.Folder(t), "log"))
	line := Line{Time: time.Now(), Caller: &Caller{1, 2}, Verb: "VERIFY", Project: "main", Outcome: "accepted", Source: "cache", Subject: "ada"}
	if n := testing.AllocsPerRun(100, func() { l.Write(line) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestASubjectIsAKeyedHashAndNobodyIsNone(t *testing.T) {
	k, other := NewKey(), NewKey()
	if a := k.Subject("ada"); len(a) != 2*subjectBytes || a == k.Subject("bob") || a != k.Subject("ada") || a == other.Subject("ada") || k.Subject("") != "" {
		t.Errorf("%q", a)
	}
	// printf ada | openssl dgst -sha256 -hmac 'sixteen bytes or more'
	if got, want := Key("sixteen bytes or more").Subject("ada"), "520a1bb19578a540235d7c3d52542b6d"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestAKeyIsACredentialOfSomeLength(t *testing.T) {
	dir := need.Folder(t)
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	if k, err := CredentialKey(); k != nil || err != nil {
		t.Errorf("without credentials: %q, %v", k, err)
	}
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	if k, err := CredentialKey(); k != nil || err != nil {
		t.Errorf("without this credential: %q, %v", k, err)
	}
	for _, length := range []int{0, MinKey - 1, MinKey, MaxKey, MaxKey + 1} {
		text := strings.Repeat("k", length)
		if err := os.WriteFile(filepath.Join(dir, KeyCredential), []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		k, err := CredentialKey()
		if good := length >= MinKey && length <= MaxKey; (err == nil) != good || good && string(k) != text {
			t.Errorf("%d bytes: %v", length, err)
		}
		if err != nil && strings.Contains(err.Error(), "kk") {
			t.Error("the error holds the key")
		}
	}
}
