package serve

import (
	"time"

	"github.com/neonauthd/neonauthd/daemon/membership"
	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/protocol"
)

// applyHearing makes an accepted verdict unknown if this host has not heard its fleet for
// too long. Otherwise the reply says, if the host is blind or the caller asked, how long
// ago it last heard the fleet.
func applyHearing(h membership.Hearing, l *resolve.Lookup, v *resolve.Verdict) {
	switch {
	case !h.InFleet, v.Status() != protocol.OK:
	case h.Withholds(l.Heard):
		*v = resolve.Unheard()
	case h.Blind, l.Heard > 0:
		v.Heard = max(h.Age, time.Millisecond)
	}
}
