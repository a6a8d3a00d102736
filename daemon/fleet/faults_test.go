package fleet

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/internal/e2e"
)

// agreeAfter lets a fault happen to three hosts with marks that only some of them
// know, and waits until all know all and hear each other.
func agreeAfter(t *testing.T, fault func(s *server, hosts []*host)) []*host {
	t.Helper()
	s := newServer(t)
	hosts := newHosts(t, 3, s)
	for i, h := range hosts {
		h.revoke(subject(fmt.Sprint("before", i)))
	}
	fault(s, hosts)
	for i, h := range hosts {
		h.revoke(subject(fmt.Sprint("after", i)))
	}
	e2e.Until(t, "all hosts have the same marks", func() bool { return same(hosts) && len(hosts[0].journal.all()) == 6 })
	awaitAll(t, hosts)
	hosts[1].reaches(subject("last"), 3)
	e2e.Until(t, "the engine lacks nothing", func() bool {
		return !slices.ContainsFunc(hosts, func(h *host) bool { return h.Stats().Lacking > 0 })
	})
	late := newHost(t, options(t, 9, s.url()))
	e2e.Until(t, "a new host hears", late.Connected)
	if !same([]*host{hosts[0], late}) {
		t.Error("a new host hears, and does not have the same marks")
	}
	return hosts
}

func TestNothingIsLostWhateverHappensToTheEngine(t *testing.T) {
	for name, fault := range map[string]func(s *server, hosts []*host){
		"flushed":             func(s *server, _ []*host) { s.must("FLUSHALL") },
		"the log is trimmed":  func(s *server, _ []*host) { s.must("XTRIM", "{neonauthd:test}:log", "MAXLEN", "0") },
		"the log is deleted":  func(s *server, _ []*host) { s.must("DEL", "{neonauthd:test}:log") },
		"the head is deleted": func(s *server, _ []*host) { s.must("DEL", "{neonauthd:test}:last") },
		"the head is another": func(s *server, hosts []*host) {
			s.must("SET", "{neonauthd:test}:last", "1-1 abc")
			e2e.Until(t, "a host knows that it is blind", func() bool { return !hosts[0].Connected() })
			awaitAll(t, hosts) // although nobody changes anything
		},
		"the state is deleted": func(s *server, _ []*host) { s.must("DEL", "{neonauthd:test}:marks", "{neonauthd:test}:hosts") },
		"killed":               func(s *server, _ []*host) { s.kill(); s.start() },
		"other kinds of value": func(s *server, _ []*host) {
			for _, key := range []string{"log", "marks", "last", "hosts"} {
				s.must("DEL", "{neonauthd:test}:"+key)
				s.must("SADD", "{neonauthd:test}:"+key, "x")
			}
		},
		"the numbers of entries are used up": func(s *server, _ []*host) {
			s.must("XADD", "{neonauthd:test}:log", "18446744073709551615-18446744073709551615", "p", "x", "n", "x", "b", "x")
		},
		"out of memory for a while": func(s *server, hosts []*host) {
			s.must("CONFIG", "SET", "maxmemory", "1")
			e2e.Until(t, "a host knows that it is blind", func() bool { return !hosts[0].Connected() })
			hosts[0].revoke(subject("before0"))
			s.must("CONFIG", "SET", "maxmemory", "0")
		},
		"a replica for a while": func(s *server, hosts []*host) {
			s.must("REPLICAOF", "127.0.0.1", "1")
			e2e.Until(t, "a host knows that it is blind", func() bool { return !hosts[0].Connected() })
			hosts[0].revoke(subject("before0"))
			s.must("REPLICAOF", "NO", "ONE")
		},
		"stopped and continued": func(s *server, hosts []*host) {
			s.signal(syscall.SIGSTOP)
			e2e.Until(t, "a host knows that it is blind", func() bool { return !hosts[0].Connected() })
			hosts[0].revoke(subject("before0"))
			s.signal(syscall.SIGCONT)
		},
		"an old copy is restored": func(s *server, hosts []*host) {
			s.must("SAVE")
			copied, err := os.ReadFile(filepath.Join(s.dir, "dump.rdb"))
			if err != nil {
				t.Fatal(err)
			}
			hosts[0].undo(subject("before0"))
			hosts[0].revoke(subject("before0"))
			s.kill()
			if err := os.WriteFile(filepath.Join(s.dir, "dump.rdb"), copied, 0o600); err != nil {
				t.Fatal(err)
			}
			s.start()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			agreeAfter(t, fault)
		})
	}
}

func TestAHostThatIsCutOffIsSilentAndCatchesUp(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	hosts, way := onACable(t, s)
	way.Cut()
	e2e.Until(t, "the host that is cut off knows it", func() bool { return !hosts[1].Connected() })
	e2e.Until(t, "it is silent", func() bool { return hosts[0].Stats().Silent == 1 })
	if _, reach := hosts[0].revoke(subject("u1")); reach.Reached != 1 || reach.Of != 2 || whole(reach) {
		t.Errorf("reached %+v", reach)
	}
	hosts[1].revoke(subject("u2"))
	way.Mend()
	e2e.Until(t, "both have both", func() bool { return hosts[0].inForce(subject("u2")) && hosts[1].inForce(subject("u1")) })
	awaitAll(t, hosts)
}

// TestASilentHostIsKnownToHostsThatHaveJustStarted, also if the engine has lost it: one that
// remembers the silent host writes its words again.
func TestASilentHostIsKnownToHostsThatHaveJustStarted(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	hosts, way := onACable(t, s)
	way.Cut()
	e2e.Until(t, "the host that is cut off is silent", func() bool { return hosts[0].Stats().Silent == 1 })
	s.must("FLUSHALL")
	late := newHost(t, options(t, 2, s.url()))
	e2e.Until(t, "a host that starts then knows all", func() bool { return late.Connected() && late.Stats().Silent == 1 })
	if _, reach := late.revoke(subject("u1")); reach.Of != 3 || reach.Silent != 1 {
		t.Errorf("it reached %+v", reach)
	}
	way.Mend()
	awaitAll(t, append(hosts, late))
}

// TestHostsAgreeAfterManyFaults changes marks on six hosts while everything that
// can go wrong with the engine does.
func TestHostsAgreeAfterManyFaults(t *testing.T) {
	for what, run := range map[string]struct {
		faults, rounds int
	}{"short": {8, 20}, "long": {100, 400}} {
		t.Run(what, func(t *testing.T) {
			if what == "long" {
				wishLong(t)
			}
			converge(t, run.faults, run.rounds)
		})
	}
}

const fleetHosts = 6

// converge causes faults, and lets each host make its rounds of changes after
// each fault. Then all hosts must agree.
func converge(t *testing.T, faults, rounds int) {
	s := newServer(t)
	var hosts []*host
	var ways []*e2e.Cable
	for i := range fleetHosts {
		way := e2e.NewCable(t, "tcp", s.address())
		o := options(t, i, "redis://"+way.Address())
		skew := time.Duration(i-fleetHosts/2) * 700 * time.Millisecond
		o.Now = func() time.Time { return time.Now().Add(skew) }
		ways, hosts = append(ways, way), append(hosts, newHost(t, o))
	}
	awaitAll(t, hosts)
	changes := 0
	for n := range faults {
		restore := happen(t, n, s, ways)
		var all sync.WaitGroup
		for i, h := range hosts {
			random := rand.New(rand.NewPCG(uint64(n), uint64(i)))
			changes += rounds
			all.Go(func() { change(h, random, rounds) })
		}
		all.Wait()
		restore()
	}
	began := time.Now()
	e2e.Until(t, "all hosts have the same marks", func() bool { return same(hosts) })
	took := time.Since(began)
	awaitAll(t, hosts)
	hosts[0].reaches(subject("last"), fleetHosts)
	var again, exchanges uint64
	for _, h := range hosts {
		again, exchanges = again+h.Stats().Again, exchanges+h.Stats().Exchanges
	}
	t.Logf("%d changes, %d faults: agreed %s after the last; %d full exchanges, %d marks announced again", changes, faults, took, exchanges, again)
}

// change makes a host revoke and take back some of 400 marks, and tell the fleet
// of it without waiting for the others.
func change(h *host, random *rand.Rand, rounds int) {
	for range rounds {
		n := subject(fmt.Sprint("shared", random.IntN(400)))
		m := h.journal.get(n)
		if m.Revoked > m.Undone && random.IntN(3) == 0 {
			m.Undone = m.Revoked
		} else {
			m = h.revokeHere(n)
		}
		_ = h.journal.Join([]Mark{m})
		_, _ = h.table.learn([]Mark{m}, h.o.Now())
		if e := h.Fleet.engine.Load(); e != nil && h.Connected() {
			_, _ = h.announceOn(h.t.Context(), e.commands, []Mark{h.table.get(n)}, true, nil)
		}
	}
}

// happen causes the fault with this number, and returns a function that ends
// it.
func happen(t *testing.T, n int, s *server, ways []*e2e.Cable) (end func()) {
	t.Helper()
	switch n % 8 {
	case 0:
		s.must("FLUSHALL")
	case 1:
		s.must("XTRIM", "{neonauthd:test}:log", "MAXLEN", "1")
	case 2:
		s.signal(syscall.SIGSTOP)
		return func() { s.signal(syscall.SIGCONT) }
	case 3:
		ways[n%len(ways)].Cut()
		return func() { ways[n%len(ways)].Mend() }
	case 4:
		s.kill()
		return s.start
	case 5:
		s.must("SAVE")
	case 6: // the copy that 5 made comes back
		s.kill()
		s.start()
	case 7:
		s.must("DEL", "{neonauthd:test}:marks")
	}
	return func() {}
}
