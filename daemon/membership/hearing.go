package membership

import (
	"time"

	"github.com/neonauthd/neonauthd/daemon/fleet"
	"github.com/neonauthd/neonauthd/daemon/revoke"
)

// Hearing says whether this host hears its fleet at the moment, and when it last
// did. The zero value is for a host without a fleet.
type Hearing struct {
	// InFleet says that there is a fleet. Without one, Blind and Refuses are
	// false, and Ever and Age mean nothing.
	InFleet bool
	// Blind says that the host does not hear the fleet at the moment.
	Blind bool
	// Refuses says that the host has been blind for so long that it accepts
	// nothing.
	Refuses bool
	// Ever says that the host has heard the fleet since it joined.
	Ever bool
	// Age is the time since the host last heard everything that the fleet said;
	// since it joined, if it has never heard the fleet.
	Age time.Duration
}

// Withholds reports whether this host may accept nothing now, because it has not heard
// its fleet for too long: for itself, or for a lookup that wants it to have heard the
// fleet within that time; 0: the lookup does not.
func (h Hearing) Withholds(within time.Duration) bool {
	return h.InFleet && (h.Refuses || within > 0 && (!h.Ever || h.Age > within))
}

// Hearing returns the Hearing of this host. It takes no lock. Without a fleet it
// costs one load.
func (m *Member) Hearing() Hearing {
	f := m.Fleet()
	if f == nil {
		return Hearing{}
	}
	h := Hearing{InFleet: true, Blind: !f.Connected(), Refuses: f.Refuses()}
	h.Age, h.Ever = f.Heard()
	if !h.Ever {
		h.Age = f.Joined()
	}
	return h
}

// Link is the part of a fleet that lookups use: profiles and budgets.
type Link struct {
	*fleet.Fleet
	member *Member
}

// Link returns the fleet that this host is in; ok is false if there is none.
func (m *Member) Link() (l Link, ok bool) {
	f := m.Fleet()
	return Link{f, m}, f != nil
}

// Denied tells the fleet, without waiting, that the upstream denies a user. Soon after it
// no host uses a profile that was asked for earlier.
func (l Link) Denied(project, subject string) {
	mark := revoke.Mark{Kind: revoke.KindPurgeSubject, Project: project, Value: subject}
	if !l.member.denials.add(mark) {
		l.member.purgeDenied(mark)
	}
}
