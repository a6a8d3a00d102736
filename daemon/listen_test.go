package daemon

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
)

// failingListener fails to accept until it is closed.
type failingListener struct {
	mu     sync.Mutex
	tries  []time.Time
	err    error
	closed chan struct{}
}

func (l *failingListener) Accept() (net.Conn, error) {
	l.mu.Lock()
	l.tries = append(l.tries, time.Now())
	err := l.err
	l.mu.Unlock()
	if err != nil {
		return nil, err
	}
	<-l.closed
	return nil, net.ErrClosed
}

func (l *failingListener) Close() error   { close(l.closed); return nil }
func (l *failingListener) Addr() net.Addr { return &net.UnixAddr{Name: "failing", Net: "unix"} }

// TestAFailingAcceptIsTriedAgainWithPatience for ten minutes out of file
// descriptors.
func TestAFailingAcceptIsTriedAgainWithPatience(t *testing.T) {
	for _, errno := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ECONNABORTED} {
		synctest.Test(t, func(t *testing.T) {
			ln := &failingListener{err: &net.OpError{Op: "accept", Err: errno}, closed: make(chan struct{})}
			log := &logBuffer{}
			s := &server{ledger: &ledger{}, log: slog.New(slog.NewTextHandler(log, nil))}
			ctx, stop := context.WithCancel(context.Background())
			ended := make(chan error, 1)
			go func() { ended <- s.serve(ctx, ln, false) }()
			time.Sleep(10 * time.Minute)
			synctest.Wait()
			ln.mu.Lock()
			tries := len(ln.tries)
			if gap := ln.tries[1].Sub(ln.tries[0]); gap != acceptMinBackoff {
				t.Errorf("%v: first pause %s", errno, gap)
			}
			if gap := ln.tries[tries-1].Sub(ln.tries[tries-2]); gap != acceptMaxBackoff {
				t.Errorf("%v: last pause %s", errno, gap)
			}
			ln.err = nil
			ln.mu.Unlock()
			if tries > 620 || s.ledger.acceptErrors.Load() != uint64(tries) {
				t.Errorf("%v: %d tries, %d counted", errno, tries, s.ledger.acceptErrors.Load())
			}
			if lines := strings.Count(log.String(), "\n"); lines != 1 {
				t.Errorf("%v: %d lines in the log", errno, lines)
			}
			time.Sleep(acceptMaxBackoff) // and now it waits for a connection
			stop()
			if err := <-ended; err != nil {
				t.Errorf("%v: %v", errno, err)
			}
		})
	}
}

// TestOnlyAUnixSocketTellsWhoAsks: connections of any other would each be
// refused, one by one.
func TestOnlyAUnixSocketTellsWhoAsks(t *testing.T) {
	for _, name := range []string{socketName, adminName} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l := &Listeners{}
		if err := l.adopt(map[string]net.Listener{name: ln}); err == nil || !strings.Contains(err.Error(), "not a Unix socket") {
			t.Errorf("%s: %v", name, err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestMetricsForTheNetworkAreWarnedAbout(t *testing.T) {
	for address, want := range map[string]int{"127.0.0.1:0": 0, "0.0.0.0:0": 1} {
		w := newLiveDaemon(t, func(c *config.Config) { c.MetricsListen = address })
		await(t, func() bool { return strings.Contains(w.log.String(), "msg=serving") })
		if n := strings.Count(w.log.String(), "metrics are served to every host"); n != want {
			t.Errorf("%s: warned %d times", address, n)
		}
	}
}
