package neonauthd_test

import (
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

// TestStopTakesNoLineThatItDoesNotAnswer sends questions while the daemon
// stops. Each question that can be sent is answered.
func TestStopTakesNoLineThatItDoesNotAnswer(t *testing.T) {
	t.Parallel()
	c, h, i := serving(t)
	token, _ := c.User("Ada")
	asked := c.SelfTested(t)
	// A lookup in progress keeps the connection open, long after its last line.
	release := make(chan struct{})
	c.Inject(standin.Me, standin.Fault{Kind: standin.Delay, Until: release})
	peer := e2e.Call(t, h.Socket())
	peer.Send(t, "@slow PROFILE "+token+"\n")
	c.Await(t, standin.Me, asked+1)
	i.Signal(t, syscall.SIGTERM)
	i.Await(t, "STOPPING=1")

	sent := 0
	pace := time.NewTicker(time.Millisecond)
	defer pace.Stop()
	for end := time.Now().Add(e2e.Timeout); time.Now().Before(end); <-pace.C {
		if _, err := peer.Conn.Write([]byte("PING\n")); err != nil {
			break
		}
		if sent++; sent == 5000 {
			break // the daemon does not stop reading lines
		}
	}
	close(release)
	text, err := io.ReadAll(peer.In)
	if err != nil {
		t.Errorf("the connection did not end in order: %v", err)
	}
	answered := strings.Count(string(text), "OK\n")
	if !strings.Contains(string(text), "@slow OK level=profile ") || sent == 0 || answered != sent {
		t.Errorf("%d questions went out, %d answers came", sent, answered)
	}
	if code := i.AwaitEnd(t); code != 0 {
		t.Errorf("exit status %d", code)
	}
}
