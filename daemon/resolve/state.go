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
	// Proxy is what the upstream is asked through, without user and password; "": directly.
	Proxy string
	// PlainHTTP tells that the upstream is asked over plain http in a network.
	PlainHTTP bool
	// Keys is what there is to tell of the key set, KeysUsable whether it may verify.
	Keys       keyring.State
	KeysUsable bool
	// Upstream is the budget, circuit and pause of the profiles' calls, and
	// ProfileFailures how many of these brought no usable answer since the start.
	Upstream        upstream.GovernorState
	ProfileFailures uint64
	// Failures are the last ones of each kind of question but those for the key set.
	Failures []upstream.LastFailure
	// ClockAhead is how far this host's clock was ahead of the upstream's at its last
	// answer, if ClockHeard: there was one that told. ClockDiffers tells that they do not
	// agree.
	ClockAhead               time.Duration
	ClockHeard, ClockDiffers bool
	// Introspects tells that access tokens are introspected, Introspected what that has
	// come to, and Introspection is its budget, circuit and pause; it stands in Upstream
	// too where all profiles are asked for there.
	Introspects   bool
	Introspected  linkage.State
	Introspection upstream.GovernorState
}

// State returns what there is to tell of the project at now. Reading changes
// nothing.
func (p *Project) State(now time.Time) ProjectState {
	s := ProjectState{
		Name:            p.name,
		Preset:          p.config.Preset,
		Keys:            p.keys.State(now),
		KeysUsable:      p.KeysUsable(now),
		Upstream:        p.upstream.Governor(),
		ProfileFailures: p.profileFailures.Load(),
		Failures:        p.upstream.LastFailures(),
		ClockDiffers:    p.upstream.ClockDiffers(),
	}
	s.Introspected = p.link.State()
	if s.Introspection, s.Introspects = p.upstream.IntrospectionGovernor(); p.config.IntrospectsTokens() {
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
	// InFlight is how many lookups wait, WaitingForUpstream how many of them for the
	// upstream.
	InFlight, WaitingForUpstream int
}

// State returns what there is to tell. Reading changes nothing.
func (r *Resolver) State() State {
	waiting := r.places.upstream.Taken()
	return State{Memory: r.memory.Stats(), InFlight: r.places.local.Taken() + waiting, WaitingForUpstream: waiting}
}
