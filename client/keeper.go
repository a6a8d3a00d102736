package client

import (
	"bytes"
	"context"
	"errors"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// watchDelay is how long after the first lookup the watch is opened.
	// Starting another thread costs about a tenth of the first lookup of a
	// process, and this delay keeps that cost out of the lookup.
	watchDelay = time.Millisecond

	// watchPause is how long the client waits before it opens another watch,
	// after one has ended or could not be opened. After a daemon that does not
	// know the verb WATCH it waits for oldDaemonPause.
	watchPause     = time.Second
	oldDaemonPause = time.Minute

	// refreshPause is the shortest time between two background lookups of the
	// same question.
	refreshPause = time.Second

	// maxRefreshes is how many background lookups may run at the same time.
	maxRefreshes = 8
)

// keeper keeps answers. It owns the memory, and keeps a watch open while the
// program makes lookups.
type keeper struct {
	memory memory
	clock  func() instant
	dial   func(ctx context.Context) (net.Conn, error)
	open   context.Context    // ends with close
	shut   context.CancelFunc // ends open
	watch  atomic.Pointer[watch]

	until     atomic.Int64  // there is no watch before, by the monotonic clock
	watching  atomic.Bool   // a watch is open or is being opened
	refreshes chan struct{} // an element for each background lookup

	mu      sync.Mutex     // start and close hold it
	running sync.WaitGroup // the watch and the background lookups
}

func newKeeper(answers int, dial func(ctx context.Context) (net.Conn, error)) *keeper {
	k := &keeper{memory: memory{most: (answers + 1) / 2}, clock: clockFrom(time.Now()), dial: dial, refreshes: make(chan struct{}, maxRefreshes)}
	k.open, k.shut = context.WithCancel(context.Background())
	return k
}

// recall returns the answer to a question from memory, nil if there is none.
// aging is the entry if a background lookup should replace it now.
func (k *keeper) recall(of *key, maxAge time.Duration) (answer Answer, aging *entry) {
	now := k.clock()
	e, renew := k.memory.recall(of, now, maxAge)
	if w := k.watch.Load(); renew && w != nil && !w.renew.Swap(true) {
		w.wake()
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

// learn keeps the daemon's answer to a question that was sent at the given
// instant, or drops the kept answer if the token is rejected.
func (k *keeper) learn(of key, answer Answer, g grant, sent instant) {
	if _, no := answer.(Rejected); no {
		k.memory.drop(of)
	}
	if a, ok := answer.(Accepted); ok && a.TTL > 0 && len(g.handles) > 0 {
		a.JSON = bytes.Clone(a.JSON) // the caller may change the original
		a.Heard = 0                  // true now, but not for later callers
		k.memory.keep(of, &entry{answer: a, handles: g.handles, sent: sent}, g.rev)
	}
}

// refresh runs a background lookup, unless maxRefreshes are running.
func (k *keeper) refresh(e *entry, ask func(ctx context.Context)) {
	k.start(func() {
		select {
		case k.refreshes <- struct{}{}:
			ask(k.open)
			<-k.refreshes
		default:
		}
		e.refresh.Store(int64(k.clock().mono + refreshPause))
	})
}

// openWatch opens a watch soon, unless one is open or must not be opened yet.
func (k *keeper) openWatch() {
	k.memory.used.Store(true)
	if !k.barred() && !k.watching.Swap(true) {
		time.AfterFunc(watchDelay, func() { k.start(k.keepWatch) })
	}
}

// barred reports whether there must be no watch now.
func (k *keeper) barred() bool { return k.open.Err() != nil || int64(k.clock().mono) < k.until.Load() }

// pause bars watches for that time.
func (k *keeper) pause(span time.Duration) { k.until.Store(int64(k.clock().mono + span)) }

// start runs a function in a goroutine that close waits for. After close it
// does nothing.
func (k *keeper) start(run func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.open.Err() == nil {
		k.running.Go(run)
	}
}

// keepWatch opens a watch and returns when it has ended.
func (k *keeper) keepWatch() {
	defer k.watching.Store(false)
	ctx, cancel := context.WithTimeout(k.open, watchPause)
	defer cancel()
	nc, err := k.dial(ctx)
	if err != nil {
		k.pause(watchPause)
		return
	}
	defer nc.Close()
	w := &watch{nc: nc, keeper: k, memory: &k.memory}
	k.watch.Store(w)
	err = w.run()
	k.memory.end() // before anything else: no answer may be served without a watch
	k.watch.Store(nil)
	switch {
	case errors.Is(err, errUnused):
		w.quit()
	case errors.Is(err, errNoVerb):
		k.pause(oldDaemonPause)
	default:
		k.pause(watchPause)
	}
}

// refused ends the watch: the daemon does not know keep=1, so nothing can be
// kept.
func (k *keeper) refused() {
	k.pause(oldDaemonPause)
	k.endIfBarred()
}

// endIfBarred has the watch find out that it is barred.
func (k *keeper) endIfBarred() {
	if w := k.watch.Load(); w != nil {
		w.wake()
	}
}

// close forgets everything and ends the watch. It returns when nothing runs in
// the background any more.
func (k *keeper) close() {
	k.mu.Lock()
	k.shut()
	k.mu.Unlock()
	k.endIfBarred() // and the memory is empty without a watch
	k.running.Wait()
}
