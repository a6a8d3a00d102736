package daemon

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/neonauthd/neonauthd/daemon/clock"
	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/upstream"
)

// The rhythm of key sets, where it is not the operator's to set.
const (
	keysMinRefresh = time.Minute      // least interval that Cache-Control can ask for
	keysMaxStale   = 24 * time.Hour   // a set older than this verifies nothing
	keysMaxBackoff = time.Minute      // longest pause between failing fetches,
	keysMaxRetry   = 10 * time.Minute // unless Retry-After asks for more, up to this
	keysJitter     = 0.1              // share of the fresh time by which hosts that started together drift apart
	keysMargin     = 0.05
	// keysLook is how often a run looks whether a fetch is due, whatever its timer
	// says: timers stand still while the host sleeps, and know nothing of a step of
	// the wall clock.
	keysLook = 5 * time.Second
)

// keysets keeps one project's key set: it decides when to fetch, what replaces
// what, and when an unknown key id is worth a fetch. A lookup under a known key
// reads current and waits for nothing. Safe for concurrent use.
type keysets struct {
	fetch    func(context.Context, upstream.Validators) (upstream.Keyset, error)
	allowed  []keyset.Algorithm
	refresh  time.Duration
	maxAge   time.Duration // greatest interval that Cache-Control can ask for
	cooldown time.Duration
	store    keysStore
	now      func() time.Time
	log      *slog.Logger

	current atomic.Pointer[keys]
	spare   atomic.Pointer[keys] // that was saved, usable or not; nil once another has been had
	wake    chan struct{}

	due atomic.Pointer[time.Time] // of the next refresh; written with mu held

	mu       sync.Mutex
	attempt  *attempt             // under way, or planned for at once; nil otherwise
	forced   time.Time            // when an unknown key id last caused an attempt
	wanted   map[string]bool      // key ids asked for since the last attempt began
	absent   map[string]time.Time // key ids that a fetch did not find, until when to say so
	waiting  *fair.Pool           // lookups of unknown keys inside seek
	stopped  bool                 // run has returned
	failures int                  // attempts failed in a row
	problem  error                // of the last attempt; nil if it succeeded or there was none
	backoff  *backoff.ExponentialBackOff
	counts   keysCounts
}

// keys is one key set with its instants. It never changes.
type keys struct {
	set        *keyset.Set
	body       []byte // that the set was read from
	validators upstream.Validators
	fetched    time.Time // when the question went out by which the upstream last confirmed it
	fresh      time.Time // until when it needs no refresh
	saved      bool      // from the state directory, not yet confirmed
	read       time.Time // from there; saved only
}

// usable reports whether the set may verify anything at now.
func (k *keys) usable(now time.Time) bool {
	return k != nil && clock.Elapsed(k.fetched, now) < keysMaxStale && (!k.saved || k.plausible(now))
}

// plausible reports whether a saved set was read after it was fetched, by the
// clock as it is set now: its age rests on the wall clock alone, which may have
// been wrong when the set was saved or when it was read.
func (k *keys) plausible(now time.Time) bool {
	read := k.read.Round(0).Add(clock.Jump(k.read, now))
	return !read.Before(k.fetched)
}

// stale reports whether the set has outlived its fresh time, which happens only
// while refreshes fail, and for a moment after the host slept or its clock was
// set.
func (k *keys) stale(now time.Time) bool { return clock.Over(k.fresh, now) }

// source is what a verdict's evidence is that rests on this set: otherwise, if the
// upstream has confirmed the set in this run of the daemon and it is fresh.
func (k *keys) source(otherwise Source, now time.Time) Source {
	if k == nil || k.saved || k.stale(now) {
		return SourceStale
	}
	return otherwise
}

// attempt is one fetch; done closes when it has ended, well or not.
type attempt struct{ done chan struct{} }

type keysCounts struct {
	Fetches, Failures, Forced, Unchanged, UnknownKeyIDs uint64
}

// newKeysets returns keysets that hold what store has, if that is young enough.
// Nothing is fetched before run.
func newKeysets(k *keysets) *keysets {
	k.wake = make(chan struct{}, 1)
	k.wanted = map[string]bool{}
	k.absent = map[string]time.Time{}
	k.waiting = fair.NewPool(fair.Shares{Total: keysMaxWaiting, Each: keysMaxWaiting - keysWaitingKept, Kept: keysWaitingKept})
	k.backoff = backoff.NewExponentialBackOff()
	k.backoff.InitialInterval = time.Second
	k.backoff.RandomizationFactor = 0.2 // up and down
	k.backoff.MaxInterval = keysMaxBackoff * 5 / 6
	k.plan(k.now())
	k.attempt = &attempt{done: make(chan struct{})} // run begins with it; lookups may wait for it
	k.spare.Store(k.store.load(k.allowed, k.now(), k.log))
	k.takeSpare(k.now())
	return k
}

// takeSpare puts the saved set in force if there is no other and it is usable now,
// which it may become when a clock that was wrong at the start is set right. run
// alone calls it: a set that is being fetched meanwhile would not succeed it.
func (k *keysets) takeSpare(now time.Time) {
	if spare := k.spare.Load(); k.current.Load() == nil && spare.usable(now) {
		k.current.Store(spare)
	}
}

// run fetches in its rhythm until ctx ends, and releases whoever still waits.
func (k *keysets) run(ctx context.Context) {
	defer k.stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-k.wake:
		}
		if ctx.Err() != nil {
			return
		}
		if a := k.begin(); a != nil {
			k.perform(ctx, a)
		}
		timer.Reset(k.pause())
	}
}

// begin claims the attempt that is due now, or returns nil.
func (k *keysets) begin() *attempt {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	k.takeSpare(now)
	deferred := len(k.wanted) > 0 && clock.Over(k.earliest(), now)
	if k.attempt == nil && (deferred || clock.Over(*k.due.Load(), now)) {
		k.attempt = &attempt{done: make(chan struct{})}
	}
	if k.attempt != nil && deferred {
		k.forced = now
		k.counts.Forced++
	}
	return k.attempt
}

// earliest is when an unknown key id may cause an attempt: after the cooldown,
// and while attempts fail not before the next is due anyway, which heeds
// Retry-After. k.mu is held.
func (k *keysets) earliest() time.Time {
	at := k.forced.Add(k.cooldown)
	if due := *k.due.Load(); k.failures > 0 && at.Before(due) {
		return due
	}
	return at
}

// plan makes at the instant of the next refresh. k.mu is held, or nobody else has
// k yet.
func (k *keysets) plan(at time.Time) { k.due.Store(&at) }

// pause is the time until the next attempt may be due.
func (k *keysets) pause() time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	pause := min(keysLook, clock.Left(*k.due.Load(), now))
	if len(k.wanted) > 0 {
		pause = min(pause, clock.Left(k.earliest(), now))
	}
	return pause
}

// inUse returns the set that there is, or nil, and whether it may verify at now.
// It has run look at once whether a set past its fresh time is due for its refresh,
// or a saved one has become usable, so that after a sleep or a step of the clock
// the first lookup is enough. It takes no lock.
func (k *keysets) inUse(now time.Time) (current *keys, usable bool) {
	switch current = k.current.Load(); {
	case current == nil && k.spare.Load().usable(now),
		current != nil && current.stale(now) && clock.Over(*k.due.Load(), now):
		k.nudge()
	}
	return current, current.usable(now)
}

// perform fetches once and puts the outcome in force.
func (k *keysets) perform(ctx context.Context, a *attempt) {
	k.mu.Lock()
	asked := k.wanted
	k.wanted = map[string]bool{}
	k.mu.Unlock()

	old := k.current.Load()
	var validators upstream.Validators
	if old != nil {
		validators = old.validators
	}
	began := k.now()
	answer, err := k.fetch(ctx, validators)
	next := old
	if err == nil {
		next, err = k.accept(old, answer, began)
	}
	if err != nil {
		k.failed(ctx, asked, err)
	} else {
		k.succeeded(next, asked, answer.MaxAge)
	}
	k.finish(a)
}

// accept turns an answer into the keys that replace old, or says why it cannot.
// They are as old as the question, which went out at began: the host may have
// slept since.
func (k *keysets) accept(old *keys, answer upstream.Keyset, began time.Time) (*keys, error) {
	next := &keys{fetched: began, fresh: began.Add(k.interval(answer.MaxAge)), validators: answer.Validators}
	if answer.NotModified && old != nil {
		next.set, next.body = old.set, old.body
	} else {
		set, err := keyset.ParseSet(answer.Body, k.allowed)
		if err != nil {
			return nil, err
		}
		if old != nil {
			set.Succeed(old.set)
		}
		next.set, next.body = set, answer.Body
	}
	// Also when it has not changed: a saved set counts from when it was last
	// confirmed.
	if err := k.store.save(next); err != nil {
		k.log.Warn("key set not saved: a restart during an outage would verify nothing; mend the state directory", "error", err)
	}
	return next, nil
}

// interval is how long a set is fresh, by its Cache-Control if it has one.
func (k *keysets) interval(maxAge time.Duration) time.Duration {
	if maxAge < 0 {
		return k.refresh
	}
	return min(max(maxAge, keysMinRefresh), k.maxAge)
}

func (k *keysets) succeeded(next *keys, asked map[string]bool, maxAge time.Duration) {
	k.current.Store(next)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.failures > 0 {
		k.log.Info("key set fetched again", "failures", k.failures)
	}
	now := k.now()
	k.counts.Fetches++
	k.failures, k.problem = 0, nil
	k.spare.Store(nil)
	k.backoff.Reset()
	// Always early, so that nothing is called stale while a refresh that works
	// is on its way.
	k.plan(next.fetched.Add(time.Duration(float64(k.interval(maxAge)) * (1 - keysMargin - keysJitter*rand.Float64()))))
	for kid, until := range k.absent {
		if clock.Over(until, now) || next.set.Find(kid) != nil {
			delete(k.absent, kid)
		}
	}
	for kid := range asked {
		if next.set.Find(kid) == nil && len(k.absent) < keysMaxAbsent {
			k.absent[kid] = now.Add(keysAbsentFor)
		}
	}
}

func (k *keysets) failed(ctx context.Context, asked map[string]bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if ctx.Err() != nil {
		return // the daemon is stopping: nothing was learnt about the upstream
	}
	if k.failures == 0 || k.problem != nil && err.Error() != k.problem.Error() {
		what, remedy := tell(err)
		k.log.Error(what+", will be tried again: keys that are known stay in use for 24 hours, without any lookups are answered keys-pending; "+remedy, "error", err)
	}
	k.failures++
	k.problem = err
	k.counts.Fetches++
	k.counts.Failures++
	pause := k.backoff.NextBackOff()
	if after := retryAfter(err); after > pause {
		pause = min(after, keysMaxRetry)
	}
	k.plan(k.now().Add(pause))
	for kid := range asked { // still unanswered
		k.want(kid)
	}
}

// finish ends the attempt a and releases who waits for it.
func (k *keysets) finish(a *attempt) {
	k.mu.Lock()
	defer k.mu.Unlock()
	close(a.done)
	k.attempt = nil
}

// stop ends the attempt that was planned, if any: none will be made any more.
func (k *keysets) stop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.attempt != nil {
		close(k.attempt.done)
		k.attempt = nil
	}
	k.stopped = true
}

// nudge makes run plan anew.
func (k *keysets) nudge() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// retryAfter is the pause that an upstream asked for, or 0.
func retryAfter(err error) time.Duration {
	var e *upstream.Error
	if errors.As(err, &e) {
		return e.RetryAfter
	}
	return 0
}
