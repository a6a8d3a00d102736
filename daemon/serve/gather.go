package serve

import (
	"sync"

	"github.com/neonauthd/neonauthd/daemon/fair"
)

// Bounds of the replies that are gathered for one write. A connection holds that many bytes of its
// own while its peer does not read.
const (
	// MaxGathered is how many bytes every connection may gather.
	MaxGathered = 16 << 10
	// MaxGatheredWide is how many bytes it may gather in a wide buffer. There are few wide buffers
	// (fair.WideBuffers). With one, a peer that sends many requests at once is served with few
	// writes.
	MaxGatheredWide = 64 << 10
)

// wideBuffers are lent to connections that have much to write. They are safe for concurrent use. Make
// them with newWideBuffers.
type wideBuffers struct {
	lent  *fair.Pool
	spare sync.Pool // of *[]byte
}

func newWideBuffers() *wideBuffers {
	return &wideBuffers{lent: fair.NewPool(fair.WideBuffers())}
}

// lend returns an empty buffer, or nil if none is left for this caller.
func (w *wideBuffers) lend(who fair.ID) *[]byte {
	if !w.lent.Take(who) {
		return nil
	}
	if b, ok := w.spare.Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, 0, MaxGatheredWide+2*MinShared)
	return &b
}

// giveBack takes a buffer that lend returned to who.
func (w *wideBuffers) giveBack(who fair.ID, b *[]byte) {
	w.spare.Put(b)
	w.lent.Give(who)
}
