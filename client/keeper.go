package client

import (
	"bytes"
	"context"
	"errors"
	"math"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// watchDelay keeps the start of another thread, which costs about as much as
	// a tenth of the first lookup of a process, out of that lookup's way.
	watchDelay = time.Millisecond

	// watchPause is how long after a watch has ended, or could not be had, the
	// client waits before it opens another; oldDaemonPause, where the daemon
	// does not know the verb.
	watchPause     = time.Second
	oldDaemonPause = time.Minute

	// refreshPause is how long after a lookup in the background the next one
	// about the same question begins at the earliest.
	refreshPause = time.Second

	// maxRefreshes is how many lookups may go on in the background.
	maxRefreshes = 8
)

// keeper keeps answers: it has the memory, and sees to it that there is a watch
// while anybody asks.
type keeper struct {
	memory memory
	clock  func() instant
	dial   func(ctx context.Context) (net.Conn, error)
	open   context.Context    // ends with close
	shut   context.CancelFunc // ends open
	watch  atomic.Pointer[watch]

	until     atomic.Int64  // no other watch before, by the monotonic clock
	watching  atomic.Bool   // a watch is being opened, or there is one
	refreshes chan struct{} // an element for each lookup in the background

	mu      sync.Mutex     // held when something starts to run, and by close
	running sync.WaitGroup // the watch, and lookups in the background
}

func newKeeper(answers int, dial func(ctx context.Context) (net.Conn, error)) *keeper {
	k := &keeper{memory: memory{most: (answers + 1) / 2}, clock: clockFrom(time.Now()), dial: dial, refreshes: make(chan struct{}, maxRefreshes)}
	k.open, k.shut = context.WithCancel(context.Background())
	return k
}

// recall returns the answer to a question from memory, nil when there is none,
// and the entry if it is time to ask for another one in the background.
func (k *keeper) recall(of *key, maxAge time.Duration) (answer Answer, aging *entry) {
	now := k.clock()
	e, renew := k.memory.recall(of, now, maxAge)
	if w := k.watch.Load(); renew && w != nil {
		w.want(&w.renew)
	}
	if e == nil {
		return nil, nil
	}
	next := e.refresh.Load()
	if now.since(e.sent) >= e.answer.TTL/2 && int64(now.mono) >= next && e.refresh.CompareAndSwap(next, math.MaxInt64) {
		aging = e
	}
	return e.at(now), aging
}

// learn takes in what the daemon has answered to a question sent at that instant.
func (k *keeper) learn(of key, answer Answer, g grant, sent instant) {
	if _, no := answer.(Rejected); no {
		k.memory.drop(of)
	}
	if a, ok := answer.(Accepted); ok && a.TTL > 0 && len(g.handles) > 0 {
		a.JSON = bytes.Clone(a.JSON) // the other one is the caller's
		a.Heard = 0                  // who asks later is not told what was true now
		k.memory.keep(of, &entry{answer: a, handles: g.handles, sent: sent}, g.rev)
	}
}

// refresh asks in the background, unless too many do so already.
func (k *keeper) refresh(e *entry, ask func(ctx context.Context)) {
	later := func() { e.refresh.Store(int64(k.clock().mono + refreshPause)) }
	select {
	case k.refreshes <- struct{}{}:
		k.start(func() {
			ask(k.open)
			later()
			<-k.refreshes
		})
	default:
		later()
	}
}

// openWatch sees to it that there will be a watch.
func (k *keeper) openWatch() {
	k.memory.misses.Add(1)
	if int64(k.clock().mono) < k.until.Load() || k.watching.Swap(true) {
		return
	}
	time.AfterFunc(watchDelay, func() { k.start(k.keepWatch) })
}

// pause is for how long no watch is opened.
func (k *keeper) pause(span time.Duration) { k.until.Store(int64(k.clock().mono + span)) }

// start runs something that close waits for.
func (k *keeper) start(run func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.open.Err() == nil {
		k.running.Go(run)
	}
}

// keepWatch opens a watch and returns when it has ended.
func (k *keeper) keepWatch() {
	switch err := k.watchOnce(); {
	case errors.Is(err, errNoVerb):
		k.pause(oldDaemonPause)
	case !errors.Is(err, errUnused):
		k.pause(watchPause)
	}
	k.watching.Store(false)
}

// watchOnce opens a watch and says why it has ended.
func (k *keeper) watchOnce() error {
	ctx, cancel := context.WithTimeout(k.open, watchPause)
	defer cancel()
	nc, err := k.dial(ctx)
	if err != nil {
		return err
	}
	defer nc.Close()
	w := &watch{nc: nc, process: os.Getpid(), memory: &k.memory, clock: k.clock}
	k.watch.Store(w)
	if k.open.Err() != nil { // close may have found no watch
		k.endWatch()
	}
	err = w.run()
	k.memory.end() // first of all
	k.watch.Store(nil)
	if w.up && errors.Is(err, errUnused) {
		w.farewell()
	}
	return err
}

// refused ends the watch because the daemon does not know what it is for.
func (k *keeper) refused() {
	k.pause(oldDaemonPause)
	k.endWatch()
}

func (k *keeper) endWatch() {
	if w := k.watch.Load(); w != nil {
		w.want(&w.end)
	}
}

// close forgets everything and ends the watch. It returns when nothing goes on
// in the background any more.
func (k *keeper) close() {
	k.mu.Lock()
	k.shut()
	k.mu.Unlock()
	k.endWatch() // nothing is kept without one
	k.running.Wait()
}
