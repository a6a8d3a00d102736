package fleet_test

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/internal/e2e"
)

// TestLookupsGoOnWhileTheEngineFails asks a host about tokens that it knows, and about
// profiles that it does not know, while the engine is stopped, killed and cut off. With
// FLEET_LONG=1 it asks for so long that the rates mean something.
func TestLookupsGoOnWhileTheEngineFails(t *testing.T) {
	lasts := 300 * time.Millisecond
	if os.Getenv("FLEET_LONG") != "" {
		lasts = 4 * time.Second
	}
	w := newFleet(t, 2, "timeout = \"100ms\"")
	h := w.hosts[0]
	var known, others []user
	for n := range 50 {
		known, others = append(known, w.user(fmt.Sprint("known", n))), append(others, w.user(fmt.Sprint("other", n)))
	}
	base := w.load(h, known, others[:10], lasts)
	t.Logf("the engine answers: %s", base)
	for i, fault := range []struct {
		what string
		do   func() (end func())
	}{
		{"stopped", func() func() {
			w.engine.Signal(t, syscall.SIGSTOP)
			return func() { w.engine.Signal(t, syscall.SIGCONT) }
		}},
		{"cut off", func() func() { h.way.Cut(); return h.way.Mend }},
		{"killed", w.restartEngine},
	} {
		end := fault.do()
		seen := w.load(h, known, others[(i+1)*10:(i+2)*10], lasts)
		end()
		t.Logf("it is %s: %s, %.2f of the rate", fault.what, seen, seen.rate()/base.rate())
		w.await("the host hears again", func() bool { return strings.Contains(h.ask("FLEET"), `"connected":true`) })
	}
}

// seen is what callers have measured for a while.
type seen struct {
	lookups int
	took    time.Duration
	longest time.Duration // of a lookup about a profile that the host does not know
}

func (s seen) rate() float64 { return float64(s.lookups) / s.took.Seconds() }

func (s seen) String() string {
	return fmt.Sprintf("%.0f hits a second, a miss took %s at most", s.rate(), s.longest.Round(time.Millisecond))
}

// load asks about the known users for the time lasts, and once about each of the others.
// Whatever the engine does, all of them are accepted.
func (w *fleetUnderTest) load(h *host, known, others []user, lasts time.Duration) seen {
	w.t.Helper()
	var all sync.WaitGroup
	var mu sync.Mutex
	var s seen
	began := time.Now()
	for range callers {
		all.Go(func() {
			c, err := e2e.Dial(h.Socket())
			if err != nil {
				w.t.Error(err)
				return
			}
			defer c.Conn.Close()
			n := 0
			for ; time.Since(began) < lasts; n++ {
				if reply := say(c, "VERIFY "+known[n%len(known)].token); !strings.HasPrefix(reply, "OK ") {
					w.t.Errorf("a token that is good: %q", e2e.Head(reply))
					return
				}
			}
			mu.Lock()
			defer mu.Unlock()
			s.lookups += n
		})
	}
	c := e2e.Call(w.t, h.Socket())
	for _, u := range others {
		asked := time.Now()
		if reply := say(c, "PROFILE "+u.token); !strings.HasPrefix(reply, "OK level=profile ") {
			w.t.Errorf("a profile: %q", e2e.Head(reply))
		}
		s.longest = max(s.longest, time.Since(asked))
	}
	all.Wait()
	s.took = time.Since(began)
	return s
}
