package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// TestLinesForTheJournalSayHowBadItIs: the journal sorts by priority, and whoever
// looks for errors looks there.
func TestLinesForTheJournalSayHowBadItIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	log, err := os.Create(w.path("journal"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	info, err := log.Stat()
	if err != nil {
		t.Fatal(err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		t.Fatalf("%T", info.Sys())
	}
	config := w.write(t, "j.toml", "")
	states := &process{states: make(chan string, 64), ended: make(chan struct{}), name: "neonauth-http"}
	cmd := exec.Command(built("neonauth-http"), "--listen", "unix:"+w.path("j.sock"), "--socket", w.path("d.sock"), "--config", config)
	cmd.Stderr = log
	cmd.Env = append(cleanEnvironment(), "NOTIFY_SOCKET="+states.listenStates(t, w.dir), fmt.Sprintf("JOURNAL_STREAM=%d:%d", stat.Dev, stat.Ino))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { states.err = cmd.Wait(); close(states.ended) }()
	states.await(t, "READY=1")
	w.write(t, "j.toml", "unknown = 1")
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	states.await(t, "RELOADING=1")
	states.await(t, "READY=1")
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-states.ended
	text, err := os.ReadFile(log.Name())
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	for i, want := range []string{"<6>msg=serving ", "<3>msg=\"the configuration was not reloaded", "<6>msg=stopped"} {
		if len(lines) != 3 || !strings.HasPrefix(lines[i], want) {
			t.Fatalf("want a line that begins with %s\n%s", want, text)
		}
	}
}
