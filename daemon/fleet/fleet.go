package fleet

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"sync"
	"sync/atomic"
	"time"

	"github.com/neonauthd/neonauthd/daemon/clock"
)

// Fleet is this host's part in a fleet. Make it with New, and let Run run. The
// other methods may be called from any goroutine. Only Claim, Shared, Finish
// and Announce wait for the engine.
type Fleet struct {
	o       Options
	ring    *keyring
	records records
	keys    engineKeys
	scripts scripts
	table   *table
	chain   *chain
	peers   *peers
	claims  *claims
	run     string
	born    time.Time
	id      atomic.Pointer[string] // Options.ID, or another one if two hosts have that

	engine   atomic.Pointer[engine]     // nil before the first connection
	compared atomic.Pointer[comparison] // of the clocks, the last; nil before the first
	heard    atomic.Pointer[time.Time]
	first    chan struct{} // closed when heard is set for the first time
	tried    chan struct{} // closed when everything the engine has is in force for the first time, or could not be had
	online   atomic.Bool   // connected, everything exchanged, and agreed with the others
	sealing  sync.Mutex    // of one heartbeat after the other

	continues bool                  // this host was in the fleet before, with other settings
	next      atomic.Pointer[Fleet] // what continues this one; nil: nothing does

	applied   chan struct{} // wakes the confirmer
	state     hostState
	counts    counts
	lastTried time.Time // when an exchange was last begun; only the goroutine of Run uses it
}

// hostState is what this host says of itself next.
type hostState struct {
	mu        sync.Mutex
	number    uint64
	applied   cursor
	confirmed cursor
	oldNames  int  // names under old keys that the last exchange found
	broken    bool // the journal could not take in what was heard last
}

// counts are for metrics.
type counts struct {
	exchanges, again, unopened, skipped, announced, reconnects, notSaved atomic.Uint64
}

// New returns a host's part in a fleet. It starts nothing and speaks to nobody.
func New(o Options) (*Fleet, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	f := &Fleet{o: o, keys: newEngineKeys(o.Name), scripts: loadScripts(), chain: newChain(), applied: make(chan struct{}, 1), first: make(chan struct{}), tried: make(chan struct{})}
	f.ring = newKeyring(o.Name, o.Keys)
	f.records = records{f.ring, f.keys}
	f.table = newTable(func() int64 { return f.EngineTime().Unix() })
	f.peers = newPeers(f.ring, f.keys.hosts, o.ID)
	f.claims = newClaims(o.Now)
	var run [8]byte
	_, _ = rand.Read(run[:])
	f.run = hex.EncodeToString(run[:])
	f.id.Store(&f.o.ID)
	f.born = o.Now()
	f.state.applied, f.state.confirmed = start, start
	return f, nil
}

// EngineTime is the time by the engine's clock, with which all hosts compare theirs.
// It is this host's time before the engine was heard for the first time, and after this
// host's clock was set or stood still for a sleep, until the engine is heard again.
func (f *Fleet) EngineTime() time.Time {
	now := f.o.Now()
	return now.Add(f.ahead(now))
}

// Stamp returns the stamp for a change of the mark that this host makes now.
// known is the newest stamp that its journal has for the mark.
func (f *Fleet) Stamp(m Mark, known Stamp) Stamp {
	other := f.table.get(m.Name)
	return NewStamp(f.EngineTime(), max(known, other.Revoked, other.Undone), *f.id.Load(), m)
}

// Run connects, takes in what others say and tells what they lack, until ctx
// ends; then it tells them that this host leaves, unless another Fleet continues this one.
// It returns when everything that it started has ended.
func (f *Fleet) Run(ctx context.Context) {
	for m := range f.o.Journal.Marks() {
		if m.valid() == nil {
			_, _ = f.table.learn([]Mark{m}, f.o.Now())
		}
	}
	var all sync.WaitGroup
	all.Go(func() { f.confirm(ctx) })
	f.sessions(ctx)
	all.Wait()
	f.claims.close()
	if e := f.engine.Load(); e != nil {
		f.end(e)
		e.close()
	}
}

// Heard is the age of the newest instant up to which this host has heard
// everything that the fleet said; ok is false if it never has. The age goes by the
// clock that says more: a host that slept, for which the monotonic clock stood still,
// has missed what was said meanwhile.
func (f *Fleet) Heard() (age time.Duration, ok bool) {
	at := f.heard.Load()
	if at == nil {
		return 0, false
	}
	return max(0, clock.Elapsed(*at, f.o.Now())), true
}

// Joined is how long ago this host began to take part, by the clock that says more.
func (f *Fleet) Joined() time.Duration { return max(0, clock.Elapsed(f.born, f.o.Now())) }

// Name is what the fleet is called.
func (f *Fleet) Name() string { return f.o.Name }

// Label is what this host is called in the fleet, for people.
func (f *Fleet) Label() string { return f.o.Label }

// ID is what this host goes by in the fleet: Options.ID, or another one if two hosts
// have that.
func (f *Fleet) ID() string { return *f.id.Load() }

// Refuses reports whether this host accepts nothing, although it still rejects what it
// would reject otherwise: with RefuseAfter, if it has not heard the fleet for so long, or
// has never heard it. The others count on that, and do not wait for a host that has been
// silent for RefuseAfter; so a start must not let it accept again.
func (f *Fleet) Refuses() bool {
	at := f.heard.Load()
	return f.o.RefuseAfter > 0 && (at == nil || clock.Elapsed(*at, f.o.Now()) >= f.o.RefuseAfter)
}

// awaitTried is how long the start of a host that does not refuse waits for the engine.
const awaitTried = time.Second

// Await returns when this host may begin to accept, or when ctx ends. With RefuseAfter that
// is when it has heard the fleet for the first time. Otherwise it is when the others know
// of it and what they revoked before is in force here; after a second, or after the first
// attempt to connect has failed, it has to accept without. Only a start waits: a host that
// joins by a reload accepts meanwhile.
func (f *Fleet) Await(ctx context.Context) {
	ready := f.first
	if f.o.RefuseAfter == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, awaitTried)
		defer cancel()
		ready = f.tried
	}
	select {
	case <-ready:
	case <-ctx.Done():
	}
}

// Continue makes f go on from what this host has heard as a part of before, if both are
// the same fleet: new settings neither end its blindness nor begin one, and hosts that
// before knew are known to f, silent ones too. before does not tell the others that this
// host leaves, because the host goes on accepting, also if it cannot connect with the new
// settings. Call Continue before either Run ends, and at most once.
func (f *Fleet) Continue(before *Fleet) {
	if before == nil || before.o.Name != f.o.Name {
		return
	}
	if at := before.heard.Load(); at != nil {
		f.hear(*at)
	}
	f.compared.Store(before.compared.Load())
	f.id.Store(before.id.Load())
	f.peers.takeOver(before.peers)
	f.continues = true
	before.next.Store(f)
}

// hear notes that this host has heard everything that the fleet said until at.
func (f *Fleet) hear(at time.Time) {
	if f.heard.Swap(&at) == nil {
		close(f.first)
	}
}

// Connected reports whether this host hears the fleet at the moment.
func (f *Fleet) Connected() bool {
	age, ok := f.Heard()
	return ok && f.online.Load() && age < readBlock+heardLimit
}

// Stats are counters and states for metrics.
type Stats struct {
	Connected             bool
	Heard                 time.Duration // -1: never
	Hosts, Silent         int           // this one included in Hosts
	Marks, Lacking        int           // known here, and those of them that the engine lacks
	Exchanges, Again      uint64        // full exchanges; marks announced again
	Announced, Reconnects uint64
	Unopened, Skipped     uint64 // values that do not open, and that are too large
	NotSaved              uint64 // marks of others that are in force and not saved
	OldNames              int    // fields under old keys, by the last exchange
	Cursor                string // the place in the log that this host has confirmed, as Host.Cursor
	// Behind is how many entries of the log the host that is heard and the furthest behind has not
	// confirmed, and Lag for how long such an entry has been in the log. 0: each host that
	// is heard, this one included, has confirmed all that this one has read.
	Behind   int
	Lag      time.Duration
	Disagree time.Duration
	Offset   time.Duration // the engine's clock less this host's; 0 while that is not known
	Claims   ClaimStats
}

// Stats returns a snapshot.
func (f *Fleet) Stats() Stats {
	now := f.o.Now()
	s := Stats{
		Connected: f.Connected(), Heard: -1, Exchanges: f.counts.exchanges.Load(), Again: f.counts.again.Load(),
		Announced: f.counts.announced.Load(), Reconnects: f.counts.reconnects.Load(), Unopened: f.counts.unopened.Load() + f.peers.strange(),
		Skipped: f.counts.skipped.Load(), NotSaved: f.counts.notSaved.Load(),
		Offset: f.ahead(now), Claims: f.claims.stats(),
	}
	if age, ok := f.Heard(); ok {
		s.Heard = age
	}
	s.Marks, s.Lacking = f.table.size()
	lag := func(confirmed cursor) bool {
		if entries, since := f.chain.behind(confirmed); entries > 0 {
			s.Behind = max(s.Behind, entries)
			s.Lag = max(s.Lag, f.EngineTime().Sub(time.UnixMilli(since)))
		}
		return false
	}
	_, s.Hosts, s.Silent = f.peers.count(true, !s.Connected, lag, now)
	for _, h := range f.Hosts() {
		s.Disagree = max(s.Disagree, h.Disagree)
	}
	f.state.mu.Lock()
	defer f.state.mu.Unlock()
	lag(f.state.confirmed)
	s.OldNames, s.Cursor = f.state.oldNames, f.state.confirmed.id()
	return s
}

// Hosts are the other hosts, as this one sees them.
func (f *Fleet) Hosts() []Host { return f.peers.list(!f.Connected(), f.o.Now()) }
