package daemon

import (
	"maps"
	"sync/atomic"

	"golang.org/x/time/rate"
)

// credentials are what the kernel says of the process that connected, as it was
// then.
type credentials struct {
	uid, gid uint32
	// pid is 0 where the process cannot be seen. It may be another process's by
	// now, so nobody is let in or kept out by it.
	pid int32
}

// holder is whom the limits per user count: a user or, where users cannot be
// told apart, a process. One process then still cannot starve the others. Who
// starts many can, and who gets a dead one's number shares its count for a while.
type holder struct {
	uid uint32
	pid int32 // 0: all processes of the user
}

// holder says who is counted for a connection.
func (n userNamespace) holder(from credentials) holder {
	if n.tells(from.uid) {
		return holder{uid: from.uid}
	}
	return holder{uid: from.uid, pid: from.pid}
}

// peer is what one holder has of the server.
type peer struct {
	holder   holder
	conns    int // guarded by server.mu
	admins   int // of conns; guarded by server.mu
	inFlight atomic.Int64
	opaque   *rate.Limiter // of lookups that only the upstream can judge
}

// minCrowd is how many peers are kept without a look at who has gone.
const minCrowd = 64

// peer returns the books of a connection's holder. s.mu is held.
func (s *server) peer(from credentials) *peer {
	h := s.users.holder(from)
	p := s.peers[h]
	if p == nil {
		s.forget()
		p = &peer{holder: h, opaque: rate.NewLimiter(opaqueRate, opaqueBurst)}
		s.peers[h] = p
	}
	return p
}

// forget drops the peers that have gone, each time that there are twice as many
// as it left. Who has just asked about session credentials stays known until
// that is made up for, or a new connection would bring a new allowance. s.mu is
// held.
func (s *server) forget() {
	if len(s.peers) < max(minCrowd, s.crowd) {
		return
	}
	maps.DeleteFunc(s.peers, func(_ holder, p *peer) bool { return p.conns == 0 && p.opaque.Tokens() >= opaqueBurst })
	s.crowd = 2 * len(s.peers)
}
