package keyring

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/neonauthd/neonauthd/daemon/clock"
	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/upstream"
)

// tell returns what happened in an attempt that brought no key set, and what an operator
// can do about it.
func tell(err error) (what, remedy string) {
	var unusable *keyset.NoUsableKeyError
	var call *upstream.Error
	switch {
	case errors.As(err, &unusable):
		return "key set fetched, and no key of it can be used", "see that jwks_url names the right key set, and algorithms what its keys are for"
	case errors.Is(err, keyset.ErrTooManyKeys):
		return "key set fetched, and it is not taken", "have the issuer publish fewer keys"
	case !errors.As(err, &call):
		return "what was fetched is no key set", "see that jwks_url is right"
	case call.Status == http.StatusOK:
		return "key set not fetched", "see that base_url and jwks_url are right, and what answers there"
	case call.Status != 0 && call.Meaning == upstream.Unavailable:
		return "key set not fetched", "the upstream, or something on the way to it, has trouble: nothing to do here if its status page says so"
	case call.Status != 0:
		return "key set not fetched", "something answered: see that base_url and jwks_url are right"
	default:
		return "key set not fetched", "see that this host reaches the upstream"
	}
}

// Failure is the last attempt that brought no key set. The zero value: there was none.
type Failure struct {
	At time.Time
	// Kind is unavailable or misconfigured, or unusable if the fetched text is no usable
	// key set. Status is the HTTP status; 0: there was no answer.
	Kind   string
	Status int
	// Cause says why, in closed words.
	Cause string
	// Over tells that a key set has been fetched since.
	Over bool
}

func failureOf(err error, at time.Time) Failure {
	f := Failure{At: at, Kind: "unusable", Cause: err.Error()}
	var call *upstream.Error
	if errors.As(err, &call) {
		f.Kind, f.Status, f.Cause = call.Meaning.String(), call.Status, call.Cause()
	}
	return f
}

// trouble returns what went wrong in the last attempt, in closed words; empty if it
// succeeded.
func (r *Ring) trouble() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.problem == nil {
		return ""
	}
	return r.problem.Error()
}

// Describe returns a sentence for people about current, which was the set in force a
// moment ago, and about what has gone wrong since.
func (r *Ring) Describe(current *Snapshot, now time.Time) string {
	trouble := r.trouble()
	if trouble != "" {
		trouble = "; the last attempt: " + trouble
	}
	switch {
	case current == nil && trouble == "":
		return "no key set has been had yet"
	case current == nil:
		return "no key set that can be used has been had yet" + trouble
	}
	text := fmt.Sprintf("confirmed %s ago", clock.Elapsed(current.fetched, now).Round(time.Second))
	if kept := current.fetched.Sub(current.made).Round(time.Second); kept > 0 {
		text += fmt.Sprintf(" by a copy that was made %s earlier, which a cache has kept", kept)
	}
	text += fmt.Sprintf(", keys: %d", len(current.set.Keys()))
	if skipped := current.set.Skipped(); len(skipped) > 0 {
		text += fmt.Sprintf(", left out: %d (%s)", len(skipped), keyset.Kinds(skipped))
	}
	switch {
	case current.Usable(now):
	case current.saved && !current.plausible(now):
		text = "saved in the future, by this host's clock: " + text
	default:
		text = "older than a day: " + text
	}
	return text + trouble
}

// leftOut returns the entries of the key set that are not used: of the set in use or,
// without one, of the set that was fetched last.
func (r *Ring) leftOut() []keyset.Skipped {
	if current := r.current.Load(); current != nil {
		return current.set.Skipped()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var unusable *keyset.NoUsableKeyError
	if errors.As(r.problem, &unusable) {
		return unusable.Skipped
	}
	return nil
}

// Counts are numbers of events since the start.
type Counts struct {
	Fetches, Failures uint64 // attempts, and how many of them brought no set
	Forced            uint64 // attempts that a lookup caused
	UnknownKeyIDs     uint64 // lookups for a key id that no entry of the set has, usable or not
}

// State is a reading of a Ring, for people and monitors.
type State struct {
	Counts
	// Set is the set in use, nil if there is none. Fetched is when the upstream last
	// confirmed it, and Age is how long ago that was.
	Set     *keyset.Set
	Fetched time.Time
	Age     time.Duration
	// Stale tells that the set is past its fresh time. Saved tells that it is from the
	// state directory and the upstream has not confirmed it yet.
	Stale, Saved bool
	// Next is when the set is fetched again. Due is how long that is from now.
	Next time.Time
	Due  time.Duration
	// FailuresInARow is the number of failed attempts since the last success. Problem is
	// what went wrong in the last attempt, in closed words.
	FailuresInARow int
	Problem        string
	// Failure is the last failure.
	Failure Failure
	// Skipped are the entries of the key set that are not used: of the set in use or,
	// without one, of the set that was fetched last.
	Skipped []keyset.Skipped
}

// Len returns the number of keys in use.
func (s *State) Len() int {
	if s.Set == nil {
		return 0
	}
	return len(s.Set.Keys())
}

// State returns the state of the ring at now. Reading changes nothing.
func (r *Ring) State(now time.Time) State {
	r.mu.Lock()
	next := *r.due.Load()
	out := State{Counts: r.counts, Next: next, Due: clock.Left(next, now), FailuresInARow: r.failures, Failure: r.failure}
	r.mu.Unlock()
	out.Problem, out.Skipped = r.trouble(), r.leftOut()
	if s := r.current.Load(); s != nil {
		out.Set, out.Fetched, out.Age = s.set, s.fetched, max(0, clock.Elapsed(s.fetched, now))
		out.Stale, out.Saved = s.Stale(now), s.saved
	}
	return out
}
