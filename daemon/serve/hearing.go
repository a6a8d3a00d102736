package serve

import (
	"time"

	"github.com/neonauthd/neonauthd/daemon/membership"
	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/protocol"
)

// hold makes an accepted verdict unknown if this host has not heard its fleet for
// too long, and returns the text that says so in the reply. Otherwise it lets the
// reply say, where needed, how long ago that was.
func hold(h membership.Hearing, l *resolve.Lookup, v *resolve.Verdict) (text string) {
	switch {
	case !h.InFleet, v.Status() != protocol.OK:
	case h.Withholds(l.Heard):
		*v = resolve.Unheard()
		return protocol.TextUnheard
	case h.Blind, l.Heard > 0:
		v.Heard = max(h.Age, time.Millisecond)
	}
	return ""
}
