package neonauthd_test

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/serve"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

// TestUnfinishedLineIsCutAfterAFewSeconds: peers begin a line and never end it,
// in several ways.
func TestUnfinishedLineIsCutAfterAFewSeconds(t *testing.T) {
	t.Parallel()
	h := e2e.NewFolder(t)
	e2e.Serve(t, h, e2e.Settings{Tables: []string{alone}})
	for name, sent := range map[string][]string{
		"nothing at all":                 {""},
		"the first line":                 {"PI"},
		"a later line":                   {"PING\n", "PI"},
		"behind a whole line":            {"PING\nPI"},
		"a long line":                    {"PING\n", "VERIFY " + strings.Repeat("a", 10000)},
		"behind a line that waits":       {"PING\nVERIFY project=main a.b"},
		"behind many lines in one write": {strings.Repeat("PING\n", 3000) + "PI"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			peer := e2e.Call(t, h.Socket())
			began := time.Now()
			lines := 0
			for _, part := range sent {
				peer.Send(t, part)
				for range strings.Count(part, "\n") {
					e2e.Matches(t, peer.Reply(t), "OK")
					lines++
				}
			}
			peer.AwaitEnd(t)
			if took := time.Since(began); took < serve.LineTimeout-time.Second || took > 2*serve.LineTimeout+e2e.Timeout/6 {
				t.Errorf("cut after %v", took)
			}
		})
	}
}

// TestDripOfBytesIsCut: a peer sends a byte of its line from time to time.
func TestDripOfBytesIsCut(t *testing.T) {
	t.Parallel()
	h := e2e.NewFolder(t)
	e2e.Serve(t, h, e2e.Settings{Limits: `idle_timeout = "1s"`, Tables: []string{alone}})
	peer := e2e.Call(t, h.Socket())
	peer.Expect(t, "PING", "OK")
	ended := make(chan error, 1)
	go func() {
		_, err := io.ReadAll(peer.In)
		ended <- err
	}()
	drip := time.NewTicker(100 * time.Millisecond)
	defer drip.Stop()
	timeout := time.After(e2e.Timeout)
	for n := 0; ; n++ {
		select {
		case <-drip.C:
			if _, err := peer.Conn.Write([]byte("A")); err != nil && n < 5 {
				t.Fatalf("cut after %d bytes", n)
			}
		case <-ended:
			if n < 5 || n > 60 {
				t.Errorf("cut after %d bytes", n)
			}
			return
		case <-timeout:
			t.Fatal("a byte now and then keeps the line alive")
		}
	}
}

func TestPeerThatDoesNotReadIsCutAndHarmsNobody(t *testing.T) {
	t.Parallel()
	c, h, i := serving(t)
	token, _ := c.User("Ada")
	other := e2e.Call(t, h.Socket())
	other.Expect(t, "VERIFY "+token, "OK .*")
	deaf := e2e.Call(t, h.Socket())
	began := time.Now()
	cut := make(chan error, 1)
	go func() {
		many := strings.Repeat("VERIFY "+token+"\n", 64)
		for {
			if _, err := io.WriteString(deaf.Conn, many); err != nil {
				cut <- err
				return
			}
		}
	}()
	asked := 0
	for {
		select {
		case <-cut:
			if took := time.Since(began); took < serve.WriteTimeout-time.Second {
				t.Errorf("cut after %v", took)
			}
			if asked < 100 {
				t.Errorf("only %d answers for others meanwhile", asked)
			}
			if rss := memory(t, i); rss > 300<<20 {
				t.Errorf("%d MiB resident", rss>>20)
			}
			return
		default:
			other.Expect(t, "VERIFY "+token, "OK .* source=cache .*")
			asked++
		}
		if time.Since(began) > e2e.Timeout {
			t.Fatal("a peer that does not read is not cut")
		}
	}
}

// TestDeafPeersDoNotHoldUpTheStop stops a daemon while some of its peers do not
// read, and others are idle.
func TestDeafPeersDoNotHoldUpTheStop(t *testing.T) {
	t.Parallel()
	c, h, i := serving(t)
	token, _ := c.User("Ada")
	e2e.Call(t, h.Socket()).Expect(t, "VERIFY "+token, "OK .*")
	for range 3 {
		deaf := e2e.Call(t, h.Socket())
		many := strings.Repeat("VERIFY "+token+"\n", 64)
		e2e.Must(t, deaf.Conn.SetWriteDeadline(time.Now().Add(500*time.Millisecond)))
		for {
			if _, err := io.WriteString(deaf.Conn, many); err != nil {
				break // the buffers of both directions are full
			}
		}
	}
	idle := make([]*e2e.Caller, 20)
	for n := range idle {
		idle[n] = e2e.Call(t, h.Socket())
		idle[n].Expect(t, "PING", "OK")
	}
	i.Signal(t, stopSignal)
	began := time.Now()
	for _, peer := range idle {
		peer.AwaitEnd(t)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("idle peers were let go after %v", took)
	}
	i.Kill(t) // the time of the deaf peers is not over yet
}
