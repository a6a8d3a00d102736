package daemon

import (
	"sync/atomic"

	"github.com/neonauthd/neonauthd/protocol"
)

// outcomes counts successes and failures. It is safe for concurrent use.
type outcomes struct{ ok, failed atomic.Uint64 }

func (o *outcomes) count(err error) {
	if err != nil {
		o.failed.Add(1)
		return
	}
	o.ok.Add(1)
}

// outcomeWord returns the word for lookups of that status.
func outcomeWord(s protocol.Status) string {
	switch s {
	case protocol.OK:
		return "accepted"
	case protocol.NO:
		return "rejected"
	case protocol.ERR:
	}
	return "unknown"
}
