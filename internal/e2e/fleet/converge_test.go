package fleet_test

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

const (
	daemons = 6
	shared  = 400 // users that every host revokes and takes back
	callers = 4   // connections at a time to each host's admin socket
)

// user is somebody with a token.
type user struct{ token, id string }

// TestDaemonsAgreeAfterManyFaults revokes users and takes revocations back on six hosts,
// while the engine, the connections to it and daemons fail. If REVOKE says that it has
// reached all hosts, no host that hears the fleet accepts the user a second later; at the
// end all hosts agree.
func TestDaemonsAgreeAfterManyFaults(t *testing.T) {
	t.Run("short", func(t *testing.T) {
		need.Time(t, "ten faults of six daemons")
		converge(t, 10, 10)
	})
	t.Run("long", func(t *testing.T) {
		need.Wish(t, "FLEET_LONG", "run the long test of convergence, or say make fleet-faults")
		converge(t, 100, 170)
	})
}

// course is one run.
type course struct {
	*fleetUnderTest
	people   []user
	changes  atomic.Int64
	wholes   atomic.Int64 // revocations for good that reached all hosts
	late     atomic.Int64 // acceptances more than a second after such a revocation
	accepted atomic.Int64 // acceptances of users who were revoked for good, counted by said
	watching sync.WaitGroup
	mu       sync.Mutex
	revoked  []user // for good
}

// converge lets each host make its rounds of changes during each fault.
func converge(t *testing.T, faults, rounds int) {
	c := &course{fleetUnderTest: newFleet(t, daemons, "")}
	for n := range shared {
		c.people = append(c.people, c.user(fmt.Sprint("shared", n)))
	}
	before := 0 // how many users were revoked for good before the last fault
	for n := range faults {
		before = len(c.revoked)
		restore := c.happen(n)
		var all sync.WaitGroup
		for i, h := range c.hosts {
			for k := range callers {
				gone := [2]user{c.user(fmt.Sprint("gone", n, i, k)), c.user(fmt.Sprint("later", n, i, k))}
				random := rand.New(rand.NewPCG(uint64(n), uint64(i*callers+k)))
				all.Go(func() {
					c.revokeForGood(h, gone[0])
					c.change(h, random, rounds/callers+1)
					c.revokeForGood(h, gone[1])
				})
			}
		}
		all.Wait()
		restore()
	}
	began := time.Now()
	c.await("all hosts say the same", func() bool { return c.agreed(c.revoked[before:]) })
	took := time.Since(began)
	c.accepted.Store(0)
	// There are thousands of them, so asking about all takes longer than agreeing.
	c.await("all hosts refuse everybody who was revoked for good", func() bool { return c.agreed(c.revoked) })
	if n := c.accepted.Load(); n > 0 {
		t.Errorf("%d times a host accepts somebody who was revoked for good, after all agree", n)
	}
	c.watching.Wait()
	t.Logf("%d changes, %d faults: all agree %s after the last; %d revocations reached all, %d acceptances later than a second afterwards",
		c.changes.Load(), faults, took.Round(time.Millisecond), c.wholes.Load(), c.late.Load())
	if c.wholes.Load() == 0 {
		t.Error("no revocation reached all: nothing was shown")
	}
}

func (w *fleetUnderTest) user(name string) user {
	token, id := w.upstream.User(name)
	return user{token, id}
}

// change revokes some of the users that all hosts share, and takes revocations back.
func (c *course) change(h *host, random *rand.Rand, rounds int) {
	var admin *e2e.Caller
	for range rounds {
		verb := "REVOKE"
		if random.IntN(3) == 0 {
			verb = "UNREVOKE"
		}
		line := verb + " subject " + c.people[random.IntN(shared)].id
		if admin == nil {
			var err error
			if admin, err = e2e.Dial(h.AdminSocket()); err != nil {
				continue // the daemon is down
			}
			defer admin.Conn.Close()
		}
		switch reply := say(admin, line); {
		case strings.HasPrefix(reply, "OK "):
			c.changes.Add(1)
		case reply == "":
			admin = nil
		case !strings.HasPrefix(reply, "ERR "):
			c.t.Errorf("%s: %s", line, reply)
		}
	}
}

var reach = regexp.MustCompile(`reached=(\d+) of=(\d+)`)

// revokeForGood revokes a user; nobody takes this revocation back.
func (c *course) revokeForGood(h *host, gone user) {
	reply := h.ask("REVOKE subject " + gone.id)
	if !strings.HasPrefix(reply, "OK ") {
		return // the revocation is not acknowledged
	}
	c.mu.Lock()
	c.revoked = append(c.revoked, gone)
	c.mu.Unlock()
	m := reach.FindStringSubmatch(reply)
	if m == nil || m[1] != m[2] || strings.Contains(reply, "fleet=blind") {
		return
	}
	c.wholes.Add(1)
	second := time.After(time.Second)
	c.watching.Go(func() {
		<-second
		for _, h := range c.hosts {
			caller, err := e2e.Dial(h.Socket())
			if err != nil {
				continue
			}
			if answer := say(caller, "VERIFY heard=1 "+gone.token); strings.HasPrefix(answer, "OK ") {
				c.late.Add(1)
				c.t.Errorf("accepted a second after %q: %s", reply, e2e.Head(answer))
			}
			caller.Conn.Close()
		}
	})
}

// agreed reports whether all hosts give the same answers about the shared users, and
// refuse the users who were revoked for good.
func (c *course) agreed(revoked []user) bool {
	said := make([][]string, len(c.hosts))
	var asking sync.WaitGroup
	for i, h := range c.hosts {
		asking.Go(func() { said[i] = c.said(h, revoked) })
	}
	asking.Wait()
	for _, verdicts := range said {
		if verdicts == nil || !slices.Equal(verdicts, said[0]) {
			return false
		}
	}
	return true
}

// said returns a host's answers about the shared users. It returns nil if one of them is
// not judged, or if one of the users who were revoked for good is not refused.
func (c *course) said(h *host, revoked []user) (verdicts []string) {
	caller, err := e2e.Dial(h.Socket())
	if err != nil {
		return nil
	}
	defer caller.Conn.Close()
	for _, u := range c.people {
		v := verdict(say(caller, "VERIFY heard=2 "+u.token))
		if v == "" || strings.HasPrefix(v, "ERR") {
			return nil
		}
		verdicts = append(verdicts, v)
	}
	for _, u := range revoked {
		if reply := say(caller, "VERIFY "+u.token); reply != "NO revoked" {
			if verdict(reply) == "OK" {
				c.accepted.Add(1)
			}
			return nil
		}
	}
	return verdicts
}

// verdict returns a reply without the members that say how old it is.
func verdict(reply string) string {
	if strings.HasPrefix(reply, "OK ") {
		return "OK"
	}
	return reply
}

// happen causes the fault with this number, and returns the function that ends it.
func (c *course) happen(n int) (end func()) {
	c.t.Helper()
	h := c.hosts[n%len(c.hosts)]
	switch n % 10 {
	case 0:
		c.command("FLUSHALL")
	case 1:
		c.command("XTRIM {neonauthd:test}:log MAXLEN 1")
	case 2:
		c.engine.Signal(c.t, syscall.SIGSTOP)
		return func() { c.engine.Signal(c.t, syscall.SIGCONT) }
	case 3:
		h.way.Cut()
		return h.way.Mend
	case 4:
		return c.restartEngine()
	case 5:
		c.command("SAVE")
	case 6: // restores the copy that case 5 saved
		c.restartEngine()()
	case 7:
		c.command("DEL {neonauthd:test}:marks")
	case 8:
		h.stop()
		return func() {
			if err := h.start(); err != nil {
				c.t.Fatal(err)
			}
		}
	case 9:
		if err := h.process().Stand(); err != nil {
			c.t.Fatal(err)
		}
		daemon := h.process().Cmd.Process
		freed := make(chan struct{})
		timer := time.AfterFunc(2*time.Second, func() { defer close(freed); _ = daemon.Signal(syscall.SIGCONT) })
		return func() { <-freed; timer.Stop() }
	}
	return func() {}
}
