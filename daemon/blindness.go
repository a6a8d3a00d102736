package daemon

import (
	"context"
	"log/slog"
	"time"

	"github.com/neonauthd/neonauthd/daemon/membership"
)

const (
	// firstHearing is how long a start waits for the fleet at most.
	firstHearing = 2 * time.Second
	// hearingInterval is how often a host of a fleet checks for how long it has been
	// blind, well below the least blind_after; otherInterval is how often another host
	// checks whether a reload has made it join a fleet.
	hearingInterval = 500 * time.Millisecond
	otherInterval   = 5 * time.Second
)

// blindness tells the operator that this host has not heard its fleet for blind_after,
// and that this is over: a line each. The line of package fleet comes as soon as the
// host is blind, and does not say what follows. The zero value has told nothing. It is
// not safe for concurrent use.
type blindness struct{ told consequence }

// consequence is what follows from how this host hears its fleet.
type consequence uint8

const (
	noConsequence  consequence = iota // the host hears its fleet, has been blind for a short time, or has no fleet
	goesOn                            // blind for blind_after, and when_blind = "serve"
	acceptsNothing                    // when_blind = "refuse"
)

// look logs a change of the consequence. after is blind_after.
func (b *blindness) look(h membership.Hearing, after time.Duration, log *slog.Logger) {
	was, is := b.told, noConsequence
	switch {
	case h.Refuses && !h.Ever && h.Age < firstHearing:
		return // a host refuses at its start until it hears the fleet, usually for less than that
	case h.Refuses:
		is = acceptsNothing
	case h.Blind && h.Age >= after:
		is = goesOn
	}
	if is == was {
		return
	}
	b.told = is
	age := slog.String("not_heard_for", h.Age.Truncate(time.Second).String())
	if was == acceptsNothing {
		log.Info("this host accepts again")
	}
	switch is {
	case acceptsNothing:
		log.Error("this host has not heard its fleet for too long, and accepts nothing until it does: lookups are answered unavailable; see that the engine of [fleet] can be reached, or reload with when_blind = \"serve\" if revocations of other hosts may be missing for a while", age)
	case goesOn:
		log.Warn("this host has not heard its fleet for blind_after, and goes on accepting: what other hosts have revoked since is accepted here; see that the engine of [fleet] can be reached", age)
	case noConsequence: // package fleet logs that the fleet is heard
	}
}

// run looks regularly until ctx ends. hearing and blindAfter return the present values.
func (b *blindness) run(ctx context.Context, hearing func() membership.Hearing, blindAfter func() time.Duration, log *slog.Logger) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		interval, h := otherInterval, hearing()
		b.look(h, blindAfter(), log)
		if h.InFleet {
			interval = hearingInterval
		}
		timer.Reset(interval)
	}
}
