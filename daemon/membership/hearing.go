package membership

import (
	"time"

	"github.com/neonauthd/neonauthd/daemon/fleet"
	"github.com/neonauthd/neonauthd/daemon/revoke"
)

// Hearing is how this host stands with its fleet at one moment. The zero value is
// that of a host without a fleet.
type Hearing struct {
	// InFleet says that there is a fleet; without one the rest means nothing.
	InFleet bool
	// Blind says that the host does not hear the fleet at the moment.
	Blind bool
	// Refuses says that the host was blind for so long that it accepts nothing.
	Refuses bool
	// Ever says that the host has heard the fleet since it joined.
	Ever bool
	// Age is the time since the host has last heard everything that the fleet said;
	// since it joined, if it never has.
	Age time.Duration
}

// Hearing tells how this host stands with its fleet. It costs two loads, and one
// where there is no fleet.
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

// Link is a fleet as lookups use it: profiles and budgets.
type Link struct {
	*fleet.Fleet
	member *Member
}

// Link returns the fleet that this host is in; ok is false if there is none.
func (m *Member) Link() (l Link, ok bool) {
	f := m.Fleet()
	return Link{f, m}, f != nil
}

// Denied tells the fleet, without waiting, that the upstream denies a user: no
// profile that was asked for earlier counts any more, on any host.
func (l Link) Denied(project, subject string) {
	mark := revoke.Mark{Kind: revoke.KindPurgeSubject, Project: project, Value: subject}
	if err := l.member.o.List.Purge(mark, purgeLife); err != nil {
		l.member.o.Log.Warn("a purge is in force and would not survive a restart; mend the state directory", "error", err)
	}
	l.member.Tell(mark)
}
