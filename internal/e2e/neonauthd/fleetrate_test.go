package neonauthd_test

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

// TestAFleetKeepsToItsRate counts at the upstream, while the engine answers and while it
// is away for longer than blind_after, when each host has a part of the rate. At any time
// a fleet may have made as many calls as the rate allows, and a burst.
func TestAFleetKeepsToItsRate(t *testing.T) {
	const daemons, rate, users = 3, 4, 20
	hosts, engine, upstream := newFleet(t, daemons, "timeout = \"1s\"\nwhen_blind = \"refuse\"\nblind_after = \"1s\"", fmt.Sprint("upstream_rate = ", rate))
	upstream.Await(t, standin.Me, daemons) // each daemon tests its key at the start
	for _, phase := range []struct {
		name  string
		burst int // of the fleet, or one of each host
		await func()
	}{
		{"the engine answers", rate, func() {}},
		{"it is away", daemons, func() {
			engine.Signal(t, syscall.SIGSTOP)
			long := regexp.MustCompile(`"age":([2-9]|\d\d)`)
			for _, h := range hosts {
				h.await(t, "FLEET", `"refuses":true`, func(reply string) bool { return len(long.FindAllString(reply, -1)) == daemons-1 })
			}
		}},
	} {
		phase.await()
		began, before := time.Now(), upstream.Calls(standin.Me)
		enough := make(chan struct{})
		var asking sync.WaitGroup
		for i, h := range hosts {
			for n := range users {
				token, _ := upstream.User(fmt.Sprint(phase.name, i, n))
				asking.Go(func() { askUntil(t, h, token, enough) })
			}
		}
		upstream.Await(t, standin.Me, before+phase.burst+2*rate)
		calls, took := upstream.Calls(standin.Me)-before, time.Since(began)
		close(enough)
		asking.Wait()
		t.Logf("%s: %d calls in %s", phase.name, calls, took.Round(time.Millisecond))
		if most := phase.burst + int(rate*took.Seconds()) + 1; calls > most {
			t.Errorf("%s: %d calls in %s, at most %d may be", phase.name, calls, took, most)
		}
	}
	engine.Signal(t, syscall.SIGCONT)
}

// askUntil asks for a profile again and again: whoever gets none, because the budget is
// spent or the host refuses, asks again.
func askUntil(t *testing.T, h *fleetHost, token string, enough <-chan struct{}) {
	c, err := e2e.Dial(h.Socket())
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Conn.Close()
	for tick := time.NewTicker(50 * time.Millisecond); ; {
		select {
		case <-enough:
			tick.Stop()
			return
		case <-tick.C:
		}
		if _, err := fmt.Fprintf(c.Conn, "PROFILE deadline=100 %s\n", token); err != nil {
			t.Error(err)
			return
		}
		if reply, err := c.Line(); err != nil || strings.HasPrefix(reply, "NO ") {
			t.Errorf("%q, %v", reply, err)
			return
		}
	}
}
