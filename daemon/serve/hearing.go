package serve

import (
	"time"

	"github.com/neonauthd/neonauthd/daemon/membership"
	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/protocol"
)

// hold makes unknown what would be accepted by a host that has not heard its fleet
// for too long, and has the reply say how long ago that was.
func hold(h membership.Hearing, l *resolve.Lookup, v *resolve.Verdict) {
	switch {
	case !h.InFleet, v.Status() != protocol.OK:
	case h.Refuses, l.Heard > 0 && (!h.Ever || h.Age > l.Heard):
		*v = resolve.Unheard()
	case h.Blind, l.Heard > 0:
		v.Heard = max(h.Age, time.Millisecond)
	}
}
