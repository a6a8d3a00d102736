// Package keyring keeps the key set of a project up to date. It decides when to fetch
// a key set, whether the fetched set replaces the old one, when an unknown key id
// justifies a fetch, and which key set is saved for the next start.
package keyring

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/neonauthd/neonauthd/daemon/clock"
	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/upstream"
)

// Lifetime is how long a set may verify after the upstream has confirmed it last.
const Lifetime = 24 * time.Hour

// The rhythm of key sets, where it is not the operator's to set.
const (
	minRefresh = time.Minute      // least interval that Cache-Control can ask for
	maxBackoff = time.Minute      // longest pause between failing fetches,
	maxRetry   = 10 * time.Minute // unless Retry-After asks for more, up to this
	jitter     = 0.1              // share of the fresh time by which hosts that started together drift apart
	margin     = 0.05
	// lookInterval is how often Run looks whether a fetch is due, whatever its timer
	// says: timers stand still while the host sleeps, and know nothing of a step of
	// the wall clock.
	lookInterval = 5 * time.Second
)

// Config is what a Ring is made of. All of it is required but Store, Changed and
// Withdrawn.
type Config struct {
	// Fetch asks the upstream. Its error is told to the operator.
	Fetch func(context.Context, upstream.Validators) (upstream.KeySetResponse, error)
	// Algorithms are what keys may be for.
	Algorithms []keyset.Algorithm
	// Refresh is the fresh time of a set whose Cache-Control does not say, MaxAge
	// the longest that it can say.
	Refresh, MaxAge time.Duration
	// Cooldown is the least time between two fetches that lookups cause.
	Cooldown time.Duration
	// Store is where the set outlives the process.
	Store Store
	// Now is the clock, with both readings; see package clock.
	Now func() time.Time
	// Log hears of what an operator may have to mend.
	Log *slog.Logger
	// Changed is told that a set has come into force or was confirmed, by whoever saw to
	// it; nil ignores it. It must return soon, and not ask the Ring.
	Changed func()
	// Withdrawn is told of keys that the set in force has no longer; nil ignores it. It
	// must return soon, and not ask the Ring.
	Withdrawn func([]*keyset.Key)
}

// Ring keeps one project's key set. A lookup under a known key reads Current and
// waits for nothing. Make it with New. Safe for concurrent use.
type Ring struct {
	config  Config
	current atomic.Pointer[Snapshot]
	spare   atomic.Pointer[Snapshot]  // that was saved, usable or not; nil once another has been had
	due     atomic.Pointer[time.Time] // of the next refresh; written with mu held
	wake    chan struct{}

	mu       sync.Mutex
	attempt  *attempt             // under way, or planned for at once; nil otherwise
	forced   time.Time            // when a lookup last caused an attempt
	wanted   map[string]bool      // key ids asked for since the last attempt began
	absent   map[string]time.Time // key ids that a fetch did not find, until when to say so
	waiting  *fair.Pool           // lookups of unknown keys inside Seek
	stopped  bool                 // Run has returned
	failures int                  // attempts failed in a row
	problem  error                // of the last attempt; nil if it succeeded or there was none
	failure  Failure              // the last one
	backoff  *backoff.ExponentialBackOff
	counts   Counts
}

// attempt is one fetch; done closes when it has ended, well or not.
type attempt struct{ done chan struct{} }

// New returns a Ring that holds what the store has, if that is young enough.
// Nothing is fetched before Run.
func New(config Config) *Ring {
	r := &Ring{
		config:  config,
		wake:    make(chan struct{}, 1),
		wanted:  map[string]bool{},
		absent:  map[string]time.Time{},
		waiting: fair.NewPool(fair.NewKeys()),
		backoff: backoff.NewExponentialBackOff(),
		attempt: &attempt{done: make(chan struct{})}, // Run begins with it; lookups may wait for it
	}
	r.backoff.InitialInterval = time.Second
	r.backoff.RandomizationFactor = 0.2 // up and down
	r.backoff.MaxInterval = maxBackoff * 5 / 6
	now := config.Now()
	r.plan(now)
	r.spare.Store(config.Store.load(config.Algorithms, now, config.Log))
	r.takeSpare(now)
	return r
}

// Inherit takes over the set of a predecessor, if its origin admits that
// and it is for the same algorithms, so that a new configuration loses none during an
// outage. To be called before Run.
func (r *Ring) Inherit(before *Ring) {
	if !r.config.Store.origin.Admits(&before.config.Store.origin) || !slices.Equal(before.config.Algorithms, r.config.Algorithms) {
		return
	}
	// Also one that is too old, if there is no other: the clock may be set right.
	if s := before.current.Load(); s.Usable(r.config.Now()) || r.current.Load() == nil {
		r.put(s)
	}
}

// put has s in force.
func (r *Ring) put(s *Snapshot) {
	r.current.Store(s)
	if r.config.Changed != nil {
		r.config.Changed()
	}
}

// Snapshot returns the set that there is, usable or not, or nil.
func (r *Ring) Snapshot() *Snapshot { return r.current.Load() }

// Current returns the set that there is, or nil, and whether it may verify at now.
// It has Run look at once whether a set past its fresh time is due for its refresh,
// or a saved one has become usable, so that after a sleep or a step of the clock
// the first lookup is enough. It takes no lock.
func (r *Ring) Current(now time.Time) (current *Snapshot, usable bool) {
	switch current = r.current.Load(); {
	case current == nil && r.spare.Load().Usable(now),
		current != nil && current.Stale(now) && clock.Over(*r.due.Load(), now):
		r.nudge()
	}
	return current, current.Usable(now)
}

// takeSpare puts the saved set in force if there is no other and it is usable now,
// which it may become when a clock that was wrong at the start is set right. Run
// alone calls it: a set that is being fetched meanwhile would not succeed it.
func (r *Ring) takeSpare(now time.Time) {
	if spare := r.spare.Load(); r.current.Load() == nil && spare.Usable(now) {
		r.put(spare)
	}
}

// Run fetches in its rhythm until ctx ends, and releases whoever still waits.
func (r *Ring) Run(ctx context.Context) {
	defer r.stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-r.wake:
		}
		if ctx.Err() != nil {
			return
		}
		if a := r.begin(); a != nil {
			r.perform(ctx, a)
		}
		timer.Reset(r.pause())
	}
}

// begin claims the attempt that is due now, or returns nil.
func (r *Ring) begin() *attempt {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.config.Now()
	r.takeSpare(now)
	deferred := len(r.wanted) > 0 && clock.Over(r.earliest(), now)
	if r.attempt == nil && (deferred || clock.Over(*r.due.Load(), now)) {
		r.attempt = &attempt{done: make(chan struct{})}
	}
	if r.attempt != nil && deferred {
		r.forced = now
		r.counts.Forced++
	}
	return r.attempt
}

// earliest is when an unknown key id may cause an attempt: after the cooldown,
// and while attempts fail not before the next is due anyway, which heeds
// Retry-After. r.mu is held.
func (r *Ring) earliest() time.Time {
	at := r.forced.Add(r.config.Cooldown)
	if due := *r.due.Load(); r.failures > 0 && at.Before(due) {
		return due
	}
	return at
}

// plan makes at the instant of the next refresh. r.mu is held, or nobody else has
// r yet.
func (r *Ring) plan(at time.Time) { r.due.Store(&at) }

// pause is the time until the next attempt may be due.
func (r *Ring) pause() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.config.Now()
	pause := min(lookInterval, clock.Left(*r.due.Load(), now))
	if len(r.wanted) > 0 {
		pause = min(pause, clock.Left(r.earliest(), now))
	}
	return pause
}

// perform fetches once and puts the outcome in force.
func (r *Ring) perform(ctx context.Context, a *attempt) {
	r.mu.Lock()
	asked := r.wanted
	r.wanted = map[string]bool{}
	r.mu.Unlock()

	old := r.current.Load()
	var validators upstream.Validators
	if old != nil {
		validators = old.validators
	}
	began := r.config.Now()
	answer, err := r.config.Fetch(ctx, validators)
	next := old
	var withdrawn []*keyset.Key
	if err == nil {
		next, withdrawn, err = r.accept(old, answer, began)
	}
	if err != nil {
		r.failed(ctx, asked, err)
	} else {
		r.succeeded(next, asked, answer.MaxAge)
	}
	if len(withdrawn) > 0 && r.config.Withdrawn != nil {
		r.config.Withdrawn(withdrawn)
	}
	r.finish(a)
}

// accept turns an answer into the keys that replace old, and those that old alone
// has, or says why it cannot.
// They are as old as the question, which went out at began: the host may have
// slept since.
func (r *Ring) accept(old *Snapshot, answer upstream.KeySetResponse, began time.Time) (next *Snapshot, withdrawn []*keyset.Key, err error) {
	next = &Snapshot{fetched: began, fresh: began.Add(r.interval(answer.MaxAge)), validators: answer.Validators}
	if answer.NotModified && old != nil {
		next.set, next.body = old.set, old.body
	} else {
		set, err := keyset.ParseSet(answer.Body, r.config.Algorithms)
		if err != nil {
			return nil, nil, err
		}
		if old != nil {
			withdrawn = set.Succeed(old.set)
		}
		next.set, next.body = set, answer.Body
	}
	// Also when it has not changed: a saved set counts from when it was last
	// confirmed.
	if err := r.config.Store.save(next); err != nil {
		r.config.Log.Warn("key set not saved: a restart during an outage would verify nothing; mend the state directory", "error", err)
	}
	return next, withdrawn, nil
}

// interval is how long a set is fresh, by its Cache-Control if it has one.
func (r *Ring) interval(maxAge time.Duration) time.Duration {
	if maxAge < 0 {
		return r.config.Refresh
	}
	return min(max(maxAge, minRefresh), r.config.MaxAge)
}

func (r *Ring) succeeded(next *Snapshot, asked map[string]bool, maxAge time.Duration) {
	r.put(next)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failures > 0 {
		r.config.Log.Info("key set fetched again", "failures", r.failures)
	}
	now := r.config.Now()
	r.counts.Fetches++
	r.failures, r.problem, r.failure.Over = 0, nil, true
	r.spare.Store(nil)
	r.backoff.Reset()
	// Always early, so that nothing is called stale while a refresh that works
	// is on its way.
	r.plan(next.fetched.Add(time.Duration(float64(r.interval(maxAge)) * (1 - margin - jitter*rand.Float64()))))
	for kid, until := range r.absent {
		if clock.Over(until, now) || next.set.Find(kid) != nil {
			delete(r.absent, kid)
		}
	}
	for kid := range asked {
		if next.set.Find(kid) == nil && len(r.absent) < maxAbsent {
			r.absent[kid] = now.Add(absentFor)
		}
	}
}

func (r *Ring) failed(ctx context.Context, asked map[string]bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ctx.Err() != nil {
		return // the daemon is stopping: nothing was learnt about the upstream
	}
	if r.failures == 0 || r.problem != nil && err.Error() != r.problem.Error() {
		what, remedy := tell(err)
		r.config.Log.Error(what+", will be tried again: keys that are known stay in use for 24 hours, without any lookups are answered keys-pending; "+remedy, "error", err)
	}
	r.failures++
	r.problem, r.failure = err, failureOf(err, r.config.Now())
	r.counts.Fetches++
	r.counts.Failures++
	pause := r.backoff.NextBackOff()
	if after := retryAfter(err); after > pause {
		pause = min(after, maxRetry)
	}
	r.plan(r.config.Now().Add(pause))
	for kid := range asked { // still unanswered
		r.want(kid)
	}
}

// finish ends the attempt a and releases who waits for it.
func (r *Ring) finish(a *attempt) {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(a.done)
	r.attempt = nil
}

// stop ends the attempt that was planned, if any: none will be made any more.
func (r *Ring) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.attempt != nil {
		close(r.attempt.done)
		r.attempt = nil
	}
	r.stopped = true
}

// nudge makes Run look at once.
func (r *Ring) nudge() {
	select {
	case r.wake <- struct{}{}:
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
