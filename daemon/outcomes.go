package daemon

import "sync/atomic"

// outcomes counts successes and failures. It is safe for concurrent use.
type outcomes struct{ ok, failed atomic.Uint64 }

func (o *outcomes) count(err error) {
	if err != nil {
		o.failed.Add(1)
		return
	}
	o.ok.Add(1)
}
