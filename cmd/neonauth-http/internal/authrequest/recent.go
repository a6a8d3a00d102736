package authrequest

import (
	"hash/maphash"
	"sync/atomic"

	"github.com/neonauthd/neonauthd/client"
)

const (
	// maxRecent bounds how many persons are remembered.
	maxRecent = 1024

	// maxRemembered bounds the JSON of a person that is remembered, in bytes. Larger ones
	// are read anew at each request.
	maxRemembered = 4 << 10
)

// recent remembers the persons of recent requests. A person sends many requests. Reading the
// user from an answer and encoding the headers would take a third of the time that this
// program itself spends on a request whose answer is kept.
//
// What is remembered admits nobody: the client has accepted the answer already, and a
// person is used only for an answer that says the same about the same user. It may stay in
// memory after it was revoked, until another person takes its place. Safe for concurrent
// use. Make it with newRecent.
type recent struct {
	seed  maphash.Seed
	slots *[maxRecent]atomic.Pointer[person]
}

func newRecent() recent {
	return recent{maphash.MakeSeed(), new([maxRecent]atomic.Pointer[person])}
}

// person returns the person of an accepted answer.
func (s *selection) person(a *client.Accepted) *person {
	slot := &s.recent.slots[maphash.Bytes(s.recent.seed, a.JSON)%maxRecent]
	if p := slot.Load(); p != nil && p.answer.SameUser(*a) {
		return p
	}
	p := newPerson(a, a.User(), s)
	if len(a.JSON) <= maxRemembered {
		slot.Store(p)
	}
	return p
}
