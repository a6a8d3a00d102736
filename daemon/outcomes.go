package daemon

import (
	"sync/atomic"

	"github.com/neonauthd/neonauthd/protocol"
)

// outcomes counts what can go well or not. Safe for concurrent use.
type outcomes struct{ ok, failed atomic.Uint64 }

func (o *outcomes) count(err error) {
	if err != nil {
		o.failed.Add(1)
		return
	}
	o.ok.Add(1)
}

// outcomeWord is the word for what lookups of that status came to.
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
