package keyring

import "slices"

// Inherit takes over the set of a predecessor, if its origin allows that and it is for
// the same algorithms. So a new configuration does not lose its keys during an outage. If
// the origin is the same, Inherit also takes over when a lookup last caused a fetch, because
// an upstream is asked once in a cooldown, also across a reload. Call it before Run.
func (r *Ring) Inherit(before *Ring) {
	a, b := r.config(), before.config()
	if a.Store.origin.same(&b.Store.origin) {
		before.mu.Lock()
		r.forced = before.forced
		before.mu.Unlock()
	}
	if !a.Store.origin.Admits(&b.Store.origin) || !slices.Equal(a.Algorithms, b.Algorithms) {
		return
	}
	// If there is no other set, take even one that is too old: the clock may be set
	// right later.
	if s := before.current.Load(); s.Usable(r.config().Now()) || r.current.Load() == nil {
		r.put(s)
	}
}

// Continue makes r the Ring of next's configuration, in place of next, which has not run. r
// goes on with its set, its attempts and its pauses, and with the lookups that wait. Continue
// does nothing and returns false if the two do not keep the same set.
func (r *Ring) Continue(next *Ring) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	is, config := r.config(), next.config()
	if r.stopped || !is.Store.origin.same(&config.Store.origin) || !slices.Equal(is.Algorithms, config.Algorithms) {
		return false
	}
	r.adjust(config)
	return true
}

// Retime puts another rhythm in force, for the set that there is too.
func (r *Ring) Retime(rhythm Rhythm) {
	r.mu.Lock()
	defer r.mu.Unlock()
	config := *r.config()
	config.Rhythm = rhythm
	r.adjust(&config)
}

// adjust puts a configuration in force that is for the same set. r.mu is held.
func (r *Ring) adjust(config *Config) {
	former := r.config().Rhythm
	r.is.Store(config)
	if s := r.current.Load(); s != nil && !s.saved && config.Rhythm != former {
		r.put(r.timed(s))
		if r.failures == 0 && !r.older { // the pause after a failure stays
			r.plan(s.fetched.Add(spread(r.interval(s.maxAge))))
		}
	}
	r.nudge()
}

// timed returns s with the fresh time of the rhythm in force.
func (r *Ring) timed(s *Snapshot) *Snapshot {
	if fresh := s.fetched.Add(r.interval(s.maxAge)); !fresh.Equal(s.fresh) {
		other := *s
		other.fresh = fresh
		return &other
	}
	return s
}
