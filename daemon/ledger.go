package daemon

import (
	"sync/atomic"
	"time"
)

// ledger counts what happened since the start. Reading it changes nothing; all
// of it is safe for concurrent use.
type ledger struct {
	lookups      atomic.Uint64
	outcomes     [3]atomic.Uint64           // by Outcome
	reasons      [reasonCount]atomic.Uint64 // by Reason
	sources      [3]atomic.Uint64           // by Source, accepted only
	levels       [3]atomic.Uint64           // by Level, accepted only
	refused      atomic.Uint64              // wrong requests
	accepted     atomic.Uint64              // connections
	turnedAway   atomic.Uint64              // connections
	acceptErrors atomic.Uint64
	panics       atomic.Uint64
	started      time.Time
}

// count enters one verdict.
func (l *ledger) count(v *Verdict) {
	l.outcomes[v.Outcome].Add(1)
	if v.Outcome == Accepted {
		l.sources[v.Source].Add(1)
		l.levels[v.Level].Add(1)
		return
	}
	l.reasons[v.Reason].Add(1)
}
