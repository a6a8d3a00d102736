package fleet

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/neonauthd/neonauthd/internal/pause"
)

// reachTime is how long a change waits for the other hosts.
const reachTime = 2 * time.Second

// The rhythm at which a waiting change looks at what the others have confirmed.
const (
	firstLook = time.Millisecond
	lastLook  = 25 * time.Millisecond
)

// Reach says on how many hosts a change is in force. On such a host no answer
// from before the change can be used any more.
type Reach struct {
	Reached int  // hosts on which it is in force, this one included
	Of      int  // hosts that were heard of late or are silent
	Silent  int  // hosts that have not said that they end, and are not heard: they may be accepting
	Blind   bool // this host does not hear the fleet: it tells the others when it hears them again
}

// Announce tells the fleet a mark that is in this host's journal and in force
// here, even if that was no change. It waits until every host that is heard has
// the mark, 2 s at most. If the fleet cannot be told now, it is told when it is
// heard again.
func (f *Fleet) Announce(ctx context.Context, m Mark) (Reach, error) {
	if err := m.valid(); err != nil {
		return Reach{}, err
	}
	f.table.learn([]Mark{m}, f.o.Now())
	f.counts.announced.Add(1)
	ctx, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	r := Reach{Reached: 1, Blind: true}
	for ctx.Err() == nil {
		e := f.engine.Load()
		if age, ever := f.Heard(); e == nil || !ever || age > heardWithin {
			break // the fleet has not been heard for longer than a failover of the connection takes
		}
		_, _, epoch, _ := f.chain.look("")
		cursors, err := f.announceOn(ctx, e.commands, []Mark{f.table.get(m.Name)}, true, nil)
		if err != nil || !f.Connected() {
			r.Blind = true
			pause.For(ctx, lastLook)
			continue
		}
		reached, whole := f.await(ctx, e, cursors[0], epoch)
		if r = reached; whole {
			return r, nil
		}
	}
	r.Reached = max(1, r.Reached) // the change is in force here, and the caller waits for its own watches
	if r.Blind {
		_, r.Of, r.Silent = f.peers.count(true, true, nil, f.o.Now())
	}
	return r, nil
}

// Tell tells the fleet marks that are in this host's journal, within a second and
// without waiting for anybody: for marks that have come to reach further, say.
// Those that cannot be told are left out.
func (f *Fleet) Tell(marks []Mark) {
	marks = slices.DeleteFunc(slices.Clone(marks), func(m Mark) bool { return m.valid() != nil })
	_, _ = f.table.learn(marks, f.o.Now())
}

// announceOn gives marks to the engine and returns their places in the log. The
// place of a mark that the engine has already is empty, unless always is true.
func (f *Fleet) announceOn(ctx context.Context, c caller, marks []Mark, always bool, broken map[string]string) ([]cursor, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	args := []string{strconv.Itoa(logLength), strconv.Itoa(maxMark), "0"}
	if always {
		args[2] = "1"
	}
	for _, m := range marks {
		args = append(args, f.records.announcement(m, broken)...)
	}
	said, err := run(ctx, c, f.scripts.announce, []string{f.keys.log, f.keys.marks, f.keys.last}, args)
	if err != nil {
		return nil, err
	}
	if len(said) != len(marks) {
		return nil, errAnswer
	}
	cursors := make([]cursor, len(said))
	for i, one := range said {
		cursors[i] = cursor(one)
	}
	return cursors, nil
}

// await waits until all hosts have confirmed a place that this host has met at or
// after the given one. whole is false when the log broke meanwhile, or ctx ended. The hosts
// are read once in any case: a host that has just started has said so before it accepted,
// and what was heard of it with the last heartbeat may be that it had left.
func (f *Fleet) await(ctx context.Context, e *engine, at cursor, epoch uint64) (r Reach, whole bool) {
	look := firstLook
	known := f.lookAtHosts(ctx, e)
	for {
		mine, met, now, changed := f.chain.look(at)
		if now != epoch {
			return f.reach(position{}, false), false
		}
		if met && known {
			if r = f.reach(mine, true); r.Reached+r.Silent == r.Of {
				return r, true
			}
		}
		timer := time.NewTimer(look)
		select {
		case <-ctx.Done():
			timer.Stop()
			r = f.reach(mine, met)
			r.Blind = r.Blind || !known
			return r, false
		case <-changed:
		case <-timer.C:
			look = min(2*look, lastLook)
		}
		timer.Stop()
		if met {
			known = f.lookAtHosts(ctx, e) || known
		}
	}
}

// reach counts the hosts that have confirmed a place that this host has met at
// or after the given one.
func (f *Fleet) reach(at position, met bool) Reach {
	confirmed := func(c cursor) bool {
		p, known, _, _ := f.chain.look(c)
		return met && known && p.number >= at.number
	}
	f.state.mu.Lock()
	own := f.state.confirmed
	f.state.mu.Unlock()
	r := Reach{Blind: !f.Connected()}
	r.Reached, r.Of, r.Silent = f.peers.count(confirmed(own), r.Blind, confirmed, f.o.Now())
	return r
}

// lookAtHosts reads which hosts there are and what they have confirmed, and reports whether
// it could.
func (f *Fleet) lookAtHosts(ctx context.Context, e *engine) bool {
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	sent := f.o.Now()
	found, err := run(ctx, e.commands, f.scripts.hosts, f.keys.ofHosts(), hostsArgs())
	if err == nil {
		_, _, _, err = f.readHosts(found, sent) // what cannot be read confirms nothing
	}
	return err == nil
}
