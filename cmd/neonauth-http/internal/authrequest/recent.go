package authrequest

import (
	"hash/maphash"
	"sync/atomic"

	"github.com/neonauthd/neonauthd/client"
)

const (
	// maxRecent bounds how many principals are remembered. With the bounds below and the
	// claims of a token (protocol.MaxToken), they take 16 MiB at most, and usually 4 MiB.
	maxRecent = 1024

	// maxRemembered bounds the JSON of a principal that is remembered, in bytes, and
	// maxScopes the number of its scopes. Larger ones are read anew at each request.
	maxRemembered = 4 << 10
	maxScopes     = 64
)

// recent remembers the principals of recent requests. A principal sends many requests. Reading
// it from an answer and encoding the headers would take a third of the time that this program
// itself spends on a request whose answer is kept.
//
// What is remembered admits nobody: the client has accepted the answer already, and a
// principal is used only for an answer that says the same about it. It may stay in memory
// after it was revoked, until another principal takes its place. Safe for concurrent use.
// Make it with newRecent.
type recent struct {
	seed  maphash.Seed
	slots *[maxRecent]atomic.Pointer[principal]
}

func newRecent() recent {
	return recent{maphash.MakeSeed(), new([maxRecent]atomic.Pointer[principal])}
}

// principal returns the principal of an accepted answer.
func (s *selection) principal(a *client.Accepted) *principal {
	slot := &s.recent.slots[maphash.Bytes(s.recent.seed, a.JSON)%maxRecent]
	if p := slot.Load(); p != nil && p.answer.SameUser(*a) {
		return p
	}
	p := newPrincipal(a, a.User(), s)
	if len(a.JSON) <= maxRemembered && len(p.user.Scopes) <= maxScopes {
		slot.Store(p)
	}
	return p
}
