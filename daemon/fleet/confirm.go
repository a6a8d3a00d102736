package fleet

import (
	"context"
	"time"

	"github.com/neonauthd/neonauthd/internal/pause"
)

// setApplied notes that everything up to a place is in force on this host.
func (f *Fleet) setApplied(at cursor) {
	f.state.mu.Lock()
	f.state.applied = at
	f.state.mu.Unlock()
	f.wakeConfirmer()
}

// wakeConfirmer has confirm look at what is applied. It does not wait.
func (f *Fleet) wakeConfirmer() {
	select {
	case f.applied <- struct{}{}:
	default:
	}
}

// say returns the next words of this host.
func (f *Fleet) say() words {
	at, exact := f.chain.newest()
	sum := f.table.sum()
	f.state.mu.Lock()
	defer f.state.mu.Unlock()
	f.state.number++
	w := words{
		Run: f.run, Number: f.state.number, Time: f.EngineTime().UnixMilli(), Confirmed: f.state.confirmed, Applied: f.state.applied,
		Refuse: f.o.RefuseAfter.Milliseconds(), Broken: f.state.broken, Version: f.o.Version, Label: f.o.Label,
	}
	if exact && at == f.state.applied {
		w.Digest = sum.String()
	}
	return w
}

// confirm tells the others the newest place up to which everything is in force
// on this host and no earlier answer is in use, whenever that place changes.
func (f *Fleet) confirm(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.applied:
		}
		f.state.mu.Lock()
		at := f.state.applied
		f.state.mu.Unlock()
		if err := f.o.Journal.Settled(ctx); err != nil {
			pause.For(ctx, firstPause)
			f.wakeConfirmer()
			continue
		}
		f.state.mu.Lock()
		f.state.confirmed = at
		f.state.mu.Unlock()
		if e := f.engine.Load(); e != nil {
			f.confirmTo(ctx, e)
		}
	}
}

// confirmTo writes this host's words at once. If that fails, the next heartbeat
// writes them.
func (f *Fleet) confirmTo(ctx context.Context, e *engine) {
	f.sealing.Lock()
	defer f.sealing.Unlock()
	f.write(ctx, e, f.say())
}

// write writes this host's words, and reads nothing of the others'.
func (f *Fleet) write(ctx context.Context, e *engine, w words) {
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	c, id := e.commands, *f.id.Load()
	_ = c.Do(ctx, c.B().Hset().Key(f.keys.hosts).FieldValue().FieldValue(id, f.peers.sealWords(id, w)).Build()).Error()
}

// end tells the others that this host has left: the daemon ends, or it goes on outside the
// fleet. That is told when no client can use an answer any more that it keeps from before. If
// the host goes on with new settings, end tells from when on it refuses by these: it may not
// be able to connect with them.
func (f *Fleet) end(e *engine) {
	next := f.next.Load()
	if next == nil {
		ctx, cancel := context.WithTimeout(context.Background(), settledTime)
		defer cancel()
		if f.o.Journal.Settled(ctx) != nil {
			return // the others miss it as a silent host
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), leaveTime)
	defer cancel()
	f.sealing.Lock()
	defer f.sealing.Unlock()
	w := f.say()
	if next != nil {
		w.Refuse = next.o.RefuseAfter.Milliseconds()
	} else {
		w.Left = true
	}
	f.write(ctx, e, w)
}

// mustTakeLeave reports whether this host, when it leaves, has to tell the others, even if it never
// connected with these settings: with the former ones it took no leave, and no later ones follow.
func (f *Fleet) mustTakeLeave() bool { return f.continues && f.next.Load() == nil }

const (
	// settledTime is how long a host that ends waits for answers that clients keep; their
	// leases are shorter.
	settledTime = 2 * time.Second
	// lastDial is how long a host that ends goes on connecting if it has to take leave. It
	// is enough for a first sentinel that says nothing, which both clients ask.
	lastDial = 3 * time.Second
	// leaveTime is how long a host that ends tries to say so.
	leaveTime = 500 * time.Millisecond
)
