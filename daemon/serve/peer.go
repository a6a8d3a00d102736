package serve

import (
	"maps"

	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/internal/sockets"
)

// callerOf says who is counted for a connection: a user or, where users cannot be
// told apart, a process. One process then still cannot starve the others. Who
// starts many can, and who gets a dead one's number shares its count for a while.
func callerOf(from sockets.Credentials, users sockets.UserNamespace) fair.ID {
	if users.Tells(from.UID) {
		return fair.ID{UID: from.UID}
	}
	return fair.ID{UID: from.UID, PID: from.PID}
}

// peer is what one caller has of the server.
type peer struct {
	id     fair.ID
	conns  int // guarded by server.mu
	admins int // of conns; guarded by server.mu
}

// minPeers is how many peers are kept before the first look at who has gone.
const minPeers = 64

// peer returns the books of a connection's caller. s.mu is held.
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

// forget drops peers without connections, each time that there are twice as many
// peers as it left the last time. s.mu is held.
func (s *Server) forget() {
	if len(s.peers) < max(minPeers, s.peersLeft) {
		return
	}
	maps.DeleteFunc(s.peers, func(_ fair.ID, p *peer) bool { return p.conns == 0 })
	s.peersLeft = 2 * len(s.peers)
}
