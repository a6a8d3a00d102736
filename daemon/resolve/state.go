package resolve

import (
	"time"

	"github.com/neonauthd/neonauthd/cache"
	"github.com/neonauthd/neonauthd/daemon/keyring"
	"github.com/neonauthd/neonauthd/daemon/resolve/linkage"
	"github.com/neonauthd/neonauthd/daemon/upstream"
)

// ProjectState is a reading of a Project, for people and monitors.
type ProjectState struct {
	Name, Preset string
	// Proxy is the proxy to the upstream, without user and password; "": none.
	Proxy string
	// PlainHTTP tells that the upstream is asked over plain HTTP in a network.
	PlainHTTP bool
	// Keys is the state of the key set; KeysUsable tells whether it may be used to verify.
	Keys       keyring.State
	KeysUsable bool
	// Upstream is the budget, circuit and pause of the calls for profiles. ProfileFailures
	// is how many of these calls brought no usable answer since the start.
	Upstream        upstream.GovernorState
	ProfileFailures uint64
	// Failures are the last failures of each kind of question, except those for the key
	// set.
	Failures []upstream.LastFailure
	// ClockAhead is how far this host's clock was ahead of the upstream's at its last
	// answer that told the time. ClockHeard tells that there was such an answer.
	// ClockDiffers tells that the two clocks do not agree.
	ClockAhead               time.Duration
	ClockHeard, ClockDiffers bool
	// Introspects tells that access tokens are introspected. Introspected counts the
	// answers. Introspection is the budget, circuit and pause of introspection; Upstream
	// has the same if all profiles are fetched by introspection.
	Introspects   bool
	Introspected  linkage.State
	Introspection upstream.GovernorState
}

// State returns the state of the project at now. Reading changes nothing.
func (p *Project) State(now time.Time) ProjectState {
	s := ProjectState{
		Name:            p.name,
		Preset:          p.config().Preset,
		Keys:            p.keys.State(now),
		KeysUsable:      p.KeysUsable(now),
		Upstream:        p.upstream.Governor(),
		ProfileFailures: p.profileFailures.Load(),
		Failures:        p.upstream.LastFailures(),
		ClockDiffers:    p.upstream.ClockDiffers(),
	}
	s.Introspected = p.link.State()
	if s.Introspection, s.Introspects = p.upstream.IntrospectionGovernor(); p.config().IntrospectsTokens() {
		s.Upstream = s.Introspection
	}
	s.Proxy, _ = p.upstream.Proxy()
	s.PlainHTTP = p.upstream.PlainHTTP()
	s.ClockAhead, s.ClockHeard = p.upstream.ClockAhead()
	return s
}

// KeysUsable reports whether the project can verify tokens at now.
func (p *Project) KeysUsable(now time.Time) bool { return p.keys.Snapshot().Usable(now) }

// State is a reading of a Resolver, for people and monitors.
type State struct {
	// Memory is the state of the cache of verdicts and profiles.
	Memory cache.Stats
	// InFlight is how many lookups wait; WaitingForUpstream is how many of them wait for
	// the upstream.
	InFlight, WaitingForUpstream int
}

// State returns the state of the resolver. Reading changes nothing.
func (r *Resolver) State() State {
	waiting := r.places.upstream.Taken()
	return State{Memory: r.memory.Stats(), InFlight: r.places.local.Taken() + waiting, WaitingForUpstream: waiting}
}
