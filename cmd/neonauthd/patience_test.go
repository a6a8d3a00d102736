package main_test

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon"
	"github.com/neonauthd/neonauthd/daemon/standin"
)

// TestUnfinishedLineIsCutAfterAFewSeconds is about peers that begin a line and
// never end it, in every way there is.
func TestUnfinishedLineIsCutAfterAFewSeconds(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	serve(t, h, settings{tables: []string{alone}})
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
			peer := call(t, h.socket())
			began := time.Now()
			lines := 0
			for _, part := range sent {
				peer.send(t, part)
				for range strings.Count(part, "\n") {
					matches(t, peer.reply(t), "OK")
					lines++
				}
			}
			peer.awaitEnd(t)
			if took := time.Since(began); took < daemon.LineTimeout-time.Second || took > 2*daemon.LineTimeout+patience/6 {
				t.Errorf("cut after %v", took)
			}
		})
	}
}

// TestDripOfBytesIsCut keeps a line alive with a byte now and then.
func TestDripOfBytesIsCut(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	serve(t, h, settings{limits: `idle_timeout = "1s"`, tables: []string{alone}})
	peer := call(t, h.socket())
	peer.expect(t, "PING", "OK")
	ended := make(chan error, 1)
	go func() {
		_, err := io.ReadAll(peer.in)
		ended <- err
	}()
	drip := time.NewTicker(100 * time.Millisecond)
	defer drip.Stop()
	timeout := time.After(patience)
	for n := 0; ; n++ {
		select {
		case <-drip.C:
			if _, err := peer.conn.Write([]byte("A")); err != nil && n < 5 {
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
	c := newCloud(t, standin.Options{})
	h := newHome(t)
	i := serve(t, h, settings{tables: []string{c.project(t, h, standin.Stack)}})
	token, _ := c.user("Ada")
	other := call(t, h.socket())
	other.expect(t, "VERIFY "+token, "OK .*")
	deaf := call(t, h.socket())
	began := time.Now()
	cut := make(chan error, 1)
	go func() {
		many := strings.Repeat("VERIFY "+token+"\n", 64)
		for {
			if _, err := io.WriteString(deaf.conn, many); err != nil {
				cut <- err
				return
			}
		}
	}()
	asked := 0
	for {
		select {
		case <-cut:
			if took := time.Since(began); took < daemon.WriteTimeout-time.Second {
				t.Errorf("cut after %v", took)
			}
			if asked < 100 {
				t.Errorf("only %d answers for others meanwhile", asked)
			}
			if rss := i.memory(t); rss > 300<<20 {
				t.Errorf("%d MiB resident", rss>>20)
			}
			return
		default:
			other.expect(t, "VERIFY "+token, "OK .* source=cache .*")
			asked++
		}
		if time.Since(began) > patience {
			t.Fatal("a peer that does not read is not cut")
		}
	}
}

// TestDeafPeersDoNotHoldUpTheStop stops a daemon some of whose peers do not
// read, while others wait for their answers.
func TestDeafPeersDoNotHoldUpTheStop(t *testing.T) {
	t.Parallel()
	c := newCloud(t, standin.Options{})
	h := newHome(t)
	i := serve(t, h, settings{tables: []string{c.project(t, h, standin.Stack)}})
	token, _ := c.user("Ada")
	call(t, h.socket()).expect(t, "VERIFY "+token, "OK .*")
	for range 3 {
		deaf := call(t, h.socket())
		many := strings.Repeat("VERIFY "+token+"\n", 64)
		must(t, deaf.conn.SetWriteDeadline(time.Now().Add(500*time.Millisecond)))
		for {
			if _, err := io.WriteString(deaf.conn, many); err != nil {
				break // full in both directions
			}
		}
	}
	idle := make([]*caller, 20)
	for n := range idle {
		idle[n] = call(t, h.socket())
		idle[n].expect(t, "PING", "OK")
	}
	i.signal(t, stopSignal)
	began := time.Now()
	for _, peer := range idle {
		peer.awaitEnd(t)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("idle peers were let go after %v", took)
	}
	i.kill(t) // the deaf ones have their time still
}
