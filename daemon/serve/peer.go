package serve

import (
	"maps"

	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/internal/sockets"
)

// callerOf returns the caller that a connection counts for: a user or, where
// users cannot be told apart, a process. Counted by process, one process still
// cannot starve the others, but a user with many processes can; and a process
// with the number of a dead one shares the dead one's count for a while.
func callerOf(from sockets.Credentials, users sockets.UserNamespace) fair.ID {
	if users.Tells(from.UID) {
		return fair.ID{UID: from.UID}
	}
	return fair.ID{UID: from.UID, PID: from.PID}
}

// peer is what the server counts for one caller.
type peer struct {
	id     fair.ID
	conns  int // guarded by server.mu
	admins int // how many of conns are on the admin socket; guarded by server.mu
}

// minPeers is how many peers are kept before forget first drops those without
// connections.
const minPeers = 64

// peer returns the peer of a connection's caller. s.mu is held.
func (s *Server) peer(from sockets.Credentials) *peer {
	id := callerOf(from, s.users)
	p := s.peers[id]
	if p == nil {
		s.forget()
		p = &peer{id: id}
		s.peers[id] = p
	}
	return p
}

// forget drops peers without connections each time that the number of peers has
// doubled since it last did so. s.mu is held.
func (s *Server) forget() {
	if len(s.peers) < max(minPeers, s.peersLeft) {
		return
	}
	maps.DeleteFunc(s.peers, func(_ fair.ID, p *peer) bool { return p.conns == 0 })
	s.peersLeft = 2 * len(s.peers)
}
