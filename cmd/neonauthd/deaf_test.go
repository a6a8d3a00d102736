package main_test

import (
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin"
)

// TestStopTakesNoLineThatItDoesNotAnswer asks on while the daemon stops: each
// question goes out and is answered, or does not go out.
func TestStopTakesNoLineThatItDoesNotAnswer(t *testing.T) {
	t.Parallel()
	c := newCloud(t, standin.Options{})
	h := newHome(t)
	i := serve(t, h, settings{tables: []string{c.project(t, h, standin.Stack)}})
	token, _ := c.user("Ada")
	asked := c.selfTested(t)
	// A lookup under way keeps the connection open, long after its last line.
	release := make(chan struct{})
	c.Inject(standin.Me, standin.Fault{Kind: standin.Delay, Until: release})
	peer := call(t, h.socket())
	peer.send(t, "@slow PROFILE "+token+"\n")
	c.await(t, standin.Me, asked+1)
	i.signal(t, syscall.SIGTERM)
	i.awaitState(t, "STOPPING=1")

	sent := 0
	pace := time.NewTicker(time.Millisecond)
	defer pace.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-pace.C {
		if _, err := peer.conn.Write([]byte("PING\n")); err != nil {
			break
		}
		if sent++; sent == 5000 {
			break // the daemon takes lines without end
		}
	}
	close(release)
	text, err := io.ReadAll(peer.in)
	if err != nil {
		t.Errorf("the connection did not end in order: %v", err)
	}
	answered := strings.Count(string(text), "OK\n")
	if !strings.Contains(string(text), "@slow OK level=profile ") || sent == 0 || answered != sent {
		t.Errorf("%d questions went out, %d answers came", sent, answered)
	}
	if code := i.awaitEnd(t); code != 0 {
		t.Errorf("exit status %d", code)
	}
}
