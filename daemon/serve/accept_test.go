package serve

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

	"github.com/neonauthd/neonauthd/internal/e2e"
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

// TestAFailingAcceptIsTriedAgainWithPatience: accepting fails for ten minutes,
// as without file descriptors.
func TestAFailingAcceptIsTriedAgainWithPatience(t *testing.T) {
	for _, errno := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ECONNABORTED} {
		synctest.Test(t, func(t *testing.T) {
			ln := &failingListener{err: &net.OpError{Op: "accept", Err: errno}, closed: make(chan struct{})}
			log := &e2e.Output{}
			s := &Server{counters: NewCounters(nil), log: slog.New(slog.NewTextHandler(log, nil))}
			ctx, stop := context.WithCancel(context.Background())
			var serving sync.WaitGroup
			serving.Go(func() { s.Serve(ctx, ln, false) })
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
			if tries > 620 || s.counters.AcceptErrors.Load() != uint64(tries) {
				t.Errorf("%v: %d tries, %d counted", errno, tries, s.counters.AcceptErrors.Load())
			}
			if lines := strings.Count(log.String(), "\n"); lines != 1 {
				t.Errorf("%v: %d lines in the log", errno, lines)
			}
			time.Sleep(acceptMaxBackoff) // now the server waits for a connection
			stop()
			serving.Wait()
		})
	}
}
