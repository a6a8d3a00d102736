package fleet

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/internal/e2e"
)

// journal is what a host's daemon keeps.
type journal struct {
	mu      sync.Mutex
	marks   map[Name]Mark
	full    bool          // takes nothing new
	unsaved bool          // cannot save
	hold    chan struct{} // not nil: answers given before are in use until it is closed
	ends    chan struct{} // not nil: told when somebody begins to wait for that until a deadline, as a host that ends does
}

func newJournal() *journal { return &journal{marks: map[Name]Mark{}} }

func (j *journal) Marks() iter.Seq[Mark] {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Values(slices.Collect(maps.Values(j.marks)))
}

func (j *journal) Join(marks []Mark) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.full {
		return errors.New("full")
	}
	for _, m := range marks {
		known, there := j.marks[m.Name]
		if !there {
			known = Mark{Name: m.Name}
		}
		j.marks[m.Name] = known.Join(m)
	}
	if j.unsaved {
		return ErrNotSaved
	}
	return nil
}

func (j *journal) Settled(ctx context.Context) error {
	j.mu.Lock()
	hold, ends := j.hold, j.ends
	j.mu.Unlock()
	if _, limited := ctx.Deadline(); limited && ends != nil {
		ends <- struct{}{}
	}
	if hold == nil {
		return ctx.Err()
	}
	select {
	case <-hold:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (j *journal) get(n Name) Mark {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.marks[n]
}

// all is what the journal has in force or taken back, to compare.
func (j *journal) all() map[Name]Mark {
	j.mu.Lock()
	defer j.mu.Unlock()
	return maps.Clone(j.marks)
}

// host is one host of a fleet under test.
type host struct {
	t testing.TB
	*Fleet
	journal *journal
	stop    func()
}

// testKey returns one key for each n.
func testKey(t failing, n byte) Key {
	t.Helper()
	raw := "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" + string("AEIMQUYcgkosw048"[n]) + "="
	k, err := ParseKey(raw)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func options(t testing.TB, i int, urls ...string) Options {
	t.Helper()
	return Options{
		Name: "test", URLs: urls, Keys: []Key{testKey(t, 1)}, ID: fmt.Sprintf("id-%d", i), Label: label(i), Version: "1",
		Profiles: true, Budget: true, Wait: 500 * time.Millisecond, Timeout: 5 * time.Second, Journal: newJournal(), Now: time.Now, Log: testLog(t),
	}
}

// testLog shows what hosts log if FLEET_TEST_LOG is set.
func testLog(t testing.TB) *slog.Logger {
	if os.Getenv("FLEET_TEST_LOG") == "" {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(t.Output(), nil))
}

// newHost starts a host.
func newHost(t testing.TB, o Options) *host {
	t.Helper()
	f := must[*Fleet](t)(New(o))
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { f.Run(ctx) })
	h := &host{t: t, Fleet: f, journal: o.Journal.(*journal)}
	h.stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	t.Cleanup(h.stop)
	return h
}

// newHosts starts n hosts and waits until all hear each other.
func newHosts(t testing.TB, n int, s *server) []*host {
	t.Helper()
	var hosts []*host
	for i := range n {
		hosts = append(hosts, newHost(t, options(t, i, s.url())))
	}
	awaitAll(t, hosts)
	return hosts
}

// awaitAll waits until all hosts hear each other.
func awaitAll(t testing.TB, hosts []*host) {
	t.Helper()
	e2e.Until(t, "all hosts hear each other", func() bool {
		for _, h := range hosts {
			if s := h.Stats(); !s.Connected || s.Hosts < len(hosts) || s.Silent > 0 {
				return false
			}
		}
		return true
	})
}

// revoke does what a daemon does: the journal first, then the fleet.
func (h *host) revoke(n Name) (Mark, Reach) {
	h.t.Helper()
	m := h.revokeHere(n)
	return m, must[Reach](h.t)(h.Announce(h.t.Context(), m))
}

// reaches revokes again until a revocation reaches all of so many hosts: on a
// busy machine a host may be late, or have lost its connection.
func (h *host) reaches(n Name, of int) Mark {
	h.t.Helper()
	var m Mark
	var last Reach
	deadline := time.Now().Add(testTimeout)
	for !whole(last) || last.Of != of {
		if time.Now().After(deadline) {
			h.t.Fatalf("a change reaches %+v, not all of %d", last, of)
		}
		m, last = h.revoke(n)
	}
	return m
}

// revokeHere puts a mark into force on the host alone.
func (h *host) revokeHere(n Name) Mark {
	h.t.Helper()
	known := h.journal.get(n)
	m := Mark{Name: n, At: time.Now().Unix(), Until: time.Now().Add(time.Hour).Unix()}
	m.Revoked = h.Stamp(m, max(known.Revoked, known.Undone))
	m.Undone = known.Undone
	_ = h.journal.Join([]Mark{m})
	return h.journal.get(n)
}

// undo takes a mark back.
func (h *host) undo(n Name) Reach {
	h.t.Helper()
	m := h.journal.get(n)
	m.Undone = m.Revoked
	_ = h.journal.Join([]Mark{m})
	return must[Reach](h.t)(h.Announce(h.t.Context(), m))
}

func (h *host) inForce(n Name) bool { return h.journal.get(n).InForce(time.Now().Unix()) }

func subject(value string) Name { return Name{"subject", "main", value} }

// whole reports whether the change is known to be in force on every host.
func whole(r Reach) bool { return r == Reach{Reached: r.Of, Of: r.Of} }

// onACable starts two hosts, of which the second reaches the engine by a cable.
func onACable(t testing.TB, s *server) (hosts []*host, way *e2e.Cable) {
	t.Helper()
	way = e2e.NewCable(t, "tcp", s.address())
	hosts = []*host{newHost(t, options(t, 0, s.url())), newHost(t, options(t, 1, "redis://"+way.Address()))}
	awaitAll(t, hosts)
	return hosts, way
}
