package fleet

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// silent returns n sentinels that take connections and say nothing. first is closed when one
// of them was asked, and asked tells how many were.
func silent(t *testing.T, n int) (urls []string, first <-chan struct{}, asked *atomic.Int32) {
	t.Helper()
	one, asked := make(chan struct{}), new(atomic.Int32)
	tell := sync.OnceFunc(func() { close(one) })
	for range n {
		count := sync.OnceFunc(func() { asked.Add(1) })
		urls = append(urls, "redis://"+listening(t, func(c net.Conn) {
			count()
			tell()
			_, _ = io.Copy(io.Discard, c)
		}))
	}
	return urls, one, asked
}

// TestNoConnectionBeginsAfterTheEnd of an attempt to connect.
func TestNoConnectionBeginsAfterTheEnd(t *testing.T) {
	t.Parallel()
	urls, _, asked := silent(t, 16)
	o := options(t, 0, urls...)
	o.Sentinel = "main"
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 {
		if _, err := dial(ctx, &o); err == nil || asked.Load() != 0 {
			t.Fatalf("%d sentinels were asked, %v", asked.Load(), err)
		}
	}
}

// TestConnectingEndsWithItsContext, and does not go on to the other sentinels, of which each
// costs a second. The daemon has only so long to stop, and a reload waits for the fleet with
// the former settings. Only a host that has to take leave goes on, for three seconds.
func TestConnectingEndsWithItsContext(t *testing.T) {
	t.Parallel()
	for name, connect := range map[string]func(context.Context, *Fleet){
		"a stop": func(ctx context.Context, f *Fleet) { f.Run(ctx) },
		"a reload": func(ctx context.Context, f *Fleet) {
			must[*Fleet](t)(New(options(t, 0, "redis://localhost"))).Continue(f)
			f.Run(ctx)
		},
		"a stop that is a leave": func(ctx context.Context, f *Fleet) {
			f.Continue(must[*Fleet](t)(New(options(t, 0, "redis://localhost"))))
			f.Run(ctx)
		},
		"a check": func(ctx context.Context, f *Fleet) {
			if all := Check(ctx, f.o); len(all) != 1 || all[0].Severity != Fault {
				t.Errorf("%+v", all)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const n = 16
			urls, first, asked := silent(t, n)
			o := options(t, 0, urls...)
			o.Sentinel = "main"
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() {
				select {
				case <-first:
				case <-ctx.Done():
				}
				cancel()
			}()
			connect(ctx, must[*Fleet](t)(New(o)))
			if asked := asked.Load(); asked == 0 || asked == n {
				t.Errorf("%d of %d sentinels were asked", asked, n)
			}
		})
	}
}
