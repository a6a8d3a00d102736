package accesslog

import (
	"bufio"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
	if l, err := Open(""); l != nil || err != nil {
		t.Errorf("no log: %v, %v", l, err)
	}
	if _, err := Open("file:/nonexistent/x"); err == nil {
		t.Error("a file in no folder was opened")
	}
	var none *Log
	none.Write(1)
	none.Reopen()
	none.Run(t.Context())
	if none.Lost() != 0 {
		t.Error("no log has lost lines")
	}
}

// written runs a log while act uses it, and then ends it.
func written(t *testing.T, l *Log, act func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); l.Run(ctx) }()
	act()
	cancel()
	<-ended
}

func TestLinesReachAFileAndTheNextOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l, err := Open("file:" + path)
	if err != nil {
		t.Fatal(err)
	}
	written(t, l, func() { l.Write(map[string]int{"n": 1}); l.Write(map[string]int{"n": 2}) })
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	l.Reopen()
	written(t, l, func() { l.Write(map[string]int{"n": 3}) })
	for name, want := range map[string]string{path + ".1": "{\"n\":1}\n{\"n\":2}\n", path: "{\"n\":3}\n"} {
		text, err := os.ReadFile(name)
		if err != nil || string(text) != want {
			t.Errorf("%s holds %q (%v), want %q", name, text, err, want)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
}

func TestLinesReachASocketThatIsBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	listen := func() net.Listener {
		t.Helper()
		ln, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		return ln
	}
	ln := listen()
	l, err := Open("unix:" + path)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	written(t, l, func() {
		l.Write("one")
		if line, err := bufio.NewReader(conn).ReadString('\n'); line != "\"one\"\n" {
			t.Errorf("%q, %v", line, err)
		}
	})
	_, _ = conn.Close(), ln.Close()
	written(t, l, func() { l.Write("lost") })
	if n := l.Lost(); n != 1 {
		t.Errorf("lost %d", n)
	}
	ln = listen()
	defer ln.Close()
	written(t, l, func() {
		l.Write("two")
		conn, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if line, err := bufio.NewReader(conn).ReadString('\n'); line != "\"two\"\n" {
			t.Errorf("%q, %v", line, err)
		}
	})
}

func TestAFullLogLosesLinesAndNobodyWaits(t *testing.T) {
	l, err := Open("file:" + filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	for range MaxWaiting + 1 { // nobody writes
		l.Write(1)
	}
	l.Write(func() {}) // no JSON
	if n := l.Lost(); n != 2 {
		t.Errorf("lost %d, want 2", n)
	}
	written(t, l, func() {})
}

func TestASubjectIsAHashAndNobodyIsNone(t *testing.T) {
	if a := Subject("ada"); len(a) != 2*subjectBytes || a == Subject("bob") || a != Subject("ada") || strings.Contains(a, "ada") || Subject("") != "" {
		t.Errorf("%q", a)
	}
}
