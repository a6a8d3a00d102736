// Package membership makes this host a member of its fleet. It gives the fleet
// this host's journal of revocations as a set of marks, tells it each change of
// this host, lets the daemon act on the changes of other hosts, and joins and
// leaves when the configuration changes.
//
// Only this package knows both the journal (package revoke) and the fleet (package
// fleet). These two do not know each other.
package membership

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/neonauthd/neonauthd/daemon/fleet"
	"github.com/neonauthd/neonauthd/daemon/revoke"
	"github.com/neonauthd/neonauthd/daemon/statedir"
)

// Options are the settings of a member. All fields but Log are required.
type Options struct {
	List *revoke.List
	Dir  *statedir.Dir // keeps the host's id
	// Version of the program, for people.
	Version string
	Now     func() time.Time
	// Changed is called with what other hosts have revoked, taken back or purged,
	// after it is in the list. Before Changed returns, caches and clients that
	// keep answers must have been told.
	Changed func([]revoke.Mark)
	// Settled is the method of fleet.Journal.
	Settled func(context.Context) error
	Log     *slog.Logger // nil: nothing is logged
}

// Member is this host's membership in a fleet, or in none. Its methods are safe
// for concurrent use. A nil Member is a host without a fleet.
type Member struct {
	o       Options
	id      string
	journal *journal
	denials denials
	current atomic.Pointer[fleet.Fleet] // nil: no fleet

	mu      sync.Mutex // serialises joining and leaving
	options *fleet.Options
	life    context.Context // the context of Run; nil before Run
	stop    context.CancelFunc
	ended   chan struct{} // closed when the fleet that was begun last has ended
	group   sync.WaitGroup
}

// New returns a member that is in no fleet yet.
func New(o Options) *Member {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	m := &Member{o: o, stop: func() {}, denials: denials{queue: make(chan revoke.Mark, maxDenials)}}
	m.ended = make(chan struct{})
	close(m.ended)
	m.journal = &journal{member: m}
	o.List.SetRenewed(func(marks []revoke.Mark) { m.Tell(marks...) })
	return m
}

// Plan returns a function that joins the fleet of o, or leaves the fleet if o is
// nil. The error says why no fleet can have the options o; then nothing changes.
// change is called once. It does nothing if the membership is as planned already.
// Each change must be made before the next one is planned.
func (m *Member) Plan(o *fleet.Options) (change func(), err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if o == nil {
		return func() { m.become(nil, nil) }, nil
	}
	if m.options != nil && m.options.Same(*o) {
		return func() {}, nil
	}
	if m.id == "" { // a host that was in no fleet yet has no id
		m.id = hostID(m.o.Dir, m.o.Log)
	}
	full := *o
	full.ID, full.Version, full.Journal, full.Now, full.Log = m.id, m.o.Version, m.journal, m.o.Now, m.o.Log
	f, err := fleet.New(full)
	if err != nil {
		return nil, err
	}
	return func() { m.become(f, o) }, nil
}

// become makes f the fleet of this host.
func (m *Member) become(f *fleet.Fleet, o *fleet.Options) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if f == nil && m.options == nil || m.life != nil && m.life.Err() != nil { // nothing to leave, or it has left
		return
	}
	if f != nil {
		f.Continue(m.current.Load())
	}
	m.current.Store(f)
	m.options = o
	if f == nil {
		m.o.List.SetStamp(nil)
		m.o.List.SetCommonClock(nil)
	} else {
		m.o.List.SetStamp(func(mark revoke.Mark, known uint64) uint64 {
			return uint64(f.Stamp(fleet.Mark{Name: nameOf(mark)}, fleet.Stamp(known)))
		})
		m.o.List.SetCommonClock(f.EngineTime)
	}
	if m.life != nil {
		m.begin()
	}
}

// Run takes part in the fleet, and in fleets that the host joins later, until ctx
// ends. It returns after the host has left.
func (m *Member) Run(ctx context.Context) {
	m.mu.Lock()
	m.life = ctx
	m.begin()
	m.mu.Unlock()
	m.purgeDenials(ctx)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.group.Wait()
}

// begin ends the fleet that runs, and then starts the current one. m.mu is held.
func (m *Member) begin() {
	m.stop()
	before, f := m.ended, m.current.Load()
	m.stop = func() {}
	if f == nil {
		return
	}
	ctx, stop := context.WithCancel(m.life)
	ended := make(chan struct{})
	m.stop, m.ended = stop, ended
	m.group.Go(func() {
		defer close(ended)
		<-before // otherwise two fleets would answer for one host
		var both sync.WaitGroup
		both.Go(func() { m.tellLonger(ctx, f) })
		f.Run(ctx)
		both.Wait()
	})
}

// Await waits until the fleet lets this host begin to accept, or ctx ends; see
// fleet.Fleet.Await. Without a fleet it returns at once.
func (m *Member) Await(ctx context.Context) {
	if f := m.Fleet(); f != nil {
		f.Await(ctx)
	}
}

// Fleet returns the fleet that this host is in, or nil.
func (m *Member) Fleet() *fleet.Fleet {
	if m == nil {
		return nil
	}
	return m.current.Load()
}

// Announce tells the fleet what this host's list has of a mark. It waits, for at
// most 2 s, until the hosts that are heard have put it in force. ok is false if
// there is no fleet, or nothing to tell.
func (m *Member) Announce(ctx context.Context, mark revoke.Mark) (reach fleet.Reach, ok bool) {
	f := m.Fleet()
	if f == nil {
		return fleet.Reach{}, false
	}
	shared, known := m.o.List.Get(mark)
	if !known {
		return fleet.Reach{}, false
	}
	reach, err := f.Announce(ctx, markOf(shared))
	if err != nil {
		m.o.Log.Error("a change is in force on this host and cannot be told to the fleet", "kind", mark.Kind, "project", mark.Project, "error", err)
		return fleet.Reach{Reached: 1, Of: reach.Of, Blind: true}, true
	}
	return reach, true
}

// Tell tells the fleet what this host's list has of marks, within a second and
// without waiting.
func (m *Member) Tell(marks ...revoke.Mark) {
	f := m.Fleet()
	if f == nil {
		return
	}
	var told []fleet.Mark
	for _, mark := range marks {
		if shared, known := m.o.List.Get(mark); known {
			told = append(told, markOf(shared))
		}
	}
	f.Tell(told)
}

// Purge notes a purge in the journal, and tells the fleet as Announce does. After
// an error, the purge would not survive a restart.
func (m *Member) Purge(ctx context.Context, mark revoke.Mark) (reach fleet.Reach, ok bool, err error) {
	if m.Fleet() == nil {
		return fleet.Reach{}, false, nil
	}
	err = m.o.List.Purge(mark, fleet.PurgeLife)
	reach, ok = m.Announce(ctx, mark)
	return reach, ok, err
}
