package serve

import (
	"time"

	"github.com/neonauthd/neonauthd/daemon/membership"
	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/protocol"
)

// hold makes an accepted verdict unknown if this host has not heard its fleet for
// too long. Otherwise it lets the reply say, where needed, how long ago that was.
func hold(h membership.Hearing, l *resolve.Lookup, v *resolve.Verdict) {
	switch {
	case !h.InFleet, v.Status() != protocol.OK:
	case h.Withholds(l.Heard):
		*v = resolve.Unheard()
	case h.Blind, l.Heard > 0:
		v.Heard = max(h.Age, time.Millisecond)
	}
}
