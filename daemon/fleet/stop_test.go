package fleet

import (
	"context"
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
	var all sync.WaitGroup
	t.Cleanup(all.Wait)
	for range n {
		ln := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
		t.Cleanup(func() { _ = ln.Close() })
		all.Go(func() {
			was := false
			for {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				defer c.Close()
				if !was {
					asked.Add(1)
				}
				was = true
				tell()
			}
		})
		urls = append(urls, "redis://"+ln.Addr().String())
	}
	return urls, one, asked
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
