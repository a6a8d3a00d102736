package daemon

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/neonauthd/neonauthd/cache"
	"github.com/neonauthd/neonauthd/protocol"
)

// The numbers of values of Level and Source.
const (
	levelCount  = LevelProfile + 1
	sourceCount = SourceStale + 1
	codeCount   = 11 // of the protocol; a test holds it to the list
)

// ledger counts what happened since the start. Reading it changes nothing; all
// of it is safe for concurrent use.
type ledger struct {
	acceptances  [levelCount][sourceCount]atomic.Uint64 // lookups, by what was established and from where
	rejections   [reasonCount]atomic.Uint64             // lookups
	unknowns     [reasonCount]atomic.Uint64             // lookups
	refusals     [codeCount]atomic.Uint64               // wrong requests, in the order of protocol.Codes
	accepted     atomic.Uint64                          // connections
	turnedAway   atomic.Uint64                          // connections
	acceptErrors atomic.Uint64
	panics       atomic.Uint64
	reloads      outcomes // of the configuration
	selfLookups  outcomes // questions of the watchdog and of health checks
	started      time.Time

	latency latency
	token   []byte    // of the daemon's own questions; nobody signed it
	digest  cache.Key // of token
}

func newLedger(now time.Time) *ledger {
	l := &ledger{started: now, latency: newLatency(), token: unsigned()}
	l.digest = digestOf(l.token)
	return l
}

// own reports whether the digest is that of a question of the daemon's own.
func (l *ledger) own(digest *cache.Key) bool { return *digest == l.digest }

// outcomes counts what can go well or not.
type outcomes struct{ ok, failed atomic.Uint64 }

func (o *outcomes) count(err error) {
	if err != nil {
		o.failed.Add(1)
		return
	}
	o.ok.Add(1)
}

// count enters one verdict. The daemon's own questions are no lookups: they
// would drown those of a quiet host.
func (l *ledger) count(v *Verdict) {
	switch {
	case v.self:
	case v.Outcome == Accepted:
		l.acceptances[v.Level][v.Source].Add(1)
	case v.Outcome == Rejected:
		l.rejections[v.Reason].Add(1)
	default:
		l.unknowns[v.Reason].Add(1)
	}
}

// refuse enters a request that was answered before any lookup.
func (l *ledger) refuse(code protocol.Code) {
	if i := slices.Index(protocol.Codes(), code); i >= 0 {
		l.refusals[i].Add(1)
	}
}

// refused is the number of such requests.
func (l *ledger) refused() (n uint64) {
	for i := range l.refusals {
		n += l.refusals[i].Load()
	}
	return n
}

// totals are the lookups of a ledger, summed in the ways that STATS shows.
type totals struct {
	outcomes       [Rejected + 1]uint64
	levels         [levelCount]uint64
	sources        [sourceCount]uint64
	reasons, codes map[string]uint64 // replies by the protocol's word; what never occurred is absent
}

func (l *ledger) totals() totals {
	t := totals{reasons: map[string]uint64{}, codes: map[string]uint64{}}
	for level := range l.acceptances {
		for source := range l.acceptances[level] {
			n := l.acceptances[level][source].Load()
			t.outcomes[Accepted] += n
			t.levels[level] += n
			t.sources[source] += n
		}
	}
	for r := ReasonNone; r < reasonCount; r++ {
		if n := l.rejections[r].Load(); n > 0 {
			t.outcomes[Rejected] += n
			t.reasons[wireOf(r).word] += n
		}
		if n := l.unknowns[r].Load(); n > 0 {
			t.outcomes[Unknown] += n
			t.codes[wireOf(r).word] += n
		}
	}
	for i, code := range protocol.Codes() {
		if n := l.refusals[i].Load(); n > 0 {
			t.codes[string(code)] += n
		}
	}
	return t
}
