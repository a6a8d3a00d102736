package daemon

import (
	"crypto/sha256"
	"slices"
	"sync/atomic"
	"time"

	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/protocol"
)

// ledger counts what happened since the start. Reading it changes nothing; all
// of it is safe for concurrent use.
type ledger struct {
	acceptances  [resolve.Levels][resolve.Sources]atomic.Uint64 // lookups, by what was established and from where
	rejections   counts[protocol.Reason]                        // lookups
	unknowns     counts[protocol.Code]                          // lookups
	refusals     counts[protocol.Code]                          // requests that were answered before any lookup
	accepted     atomic.Uint64                                  // connections
	turnedAway   atomic.Uint64                                  // connections
	acceptErrors atomic.Uint64
	panics       atomic.Uint64
	reloads      outcomes // of the configuration
	selfLookups  outcomes // questions of the watchdog and of health checks
	started      time.Time

	latency latency
	token   []byte   // of the daemon's own questions; nobody signed it
	digest  [32]byte // of token
}

func newLedger(now time.Time) *ledger {
	l := &ledger{
		rejections: newCounts(protocol.Reasons()), unknowns: newCounts(lookupCodes()), refusals: newCounts(protocol.Codes()),
		started: now, latency: newLatency(), token: unsigned(),
	}
	l.digest = sha256.Sum256(l.token)
	return l
}

// own reports whether the lookup is a question of the daemon's own.
func (l *ledger) own(asked *resolve.Lookup) bool { return asked.Digest() == l.digest }

// counts has a counter for each word of a closed list. It never changes; the
// counters do.
type counts[W ~string] map[W]*atomic.Uint64

func newCounts[W ~string](list []W) counts[W] {
	c := counts[W]{}
	for _, word := range list {
		c[word] = &atomic.Uint64{}
	}
	return c
}

// add counts a word of the list. A word that is not on it is counted nowhere.
func (c counts[W]) add(word W) {
	if counter := c[word]; counter != nil {
		counter.Add(1)
	}
}

// lookupCodes are the codes that a lookup can have: all but those of a request
// that is itself wrong.
func lookupCodes() []protocol.Code {
	return slices.DeleteFunc(protocol.Codes(), func(code protocol.Code) bool {
		switch code {
		case protocol.CodeBadRequest, protocol.CodeUnknownVerb, protocol.CodeUnknownProject, protocol.CodeLineTooLong, protocol.CodeForbidden:
			return true
		case protocol.CodeNeedsProfile, protocol.CodeUnavailable, protocol.CodeMisconfigured, protocol.CodeBusy, protocol.CodeDeadline, protocol.CodeKeysPending:
		}
		return false
	})
}

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
func (l *ledger) count(asked *resolve.Lookup, v *resolve.Verdict) {
	if l.own(asked) {
		return
	}
	switch v.Status() {
	case protocol.OK:
		l.acceptances[v.Level][v.Source].Add(1)
	case protocol.NO:
		l.rejections.add(v.Reason())
	case protocol.ERR:
		l.unknowns.add(v.Code())
	}
}

// refuse enters a request that was answered before any lookup.
func (l *ledger) refuse(code protocol.Code) { l.refusals.add(code) }

// refused is the number of such requests.
func (l *ledger) refused() (n uint64) {
	for _, counter := range l.refusals {
		n += counter.Load()
	}
	return n
}

// totals are the lookups of a ledger, summed in the ways that STATS shows.
type totals struct {
	outcomes       map[protocol.Status]uint64
	levels         [resolve.Levels]uint64
	sources        [resolve.Sources]uint64
	reasons, codes map[string]uint64 // replies by the protocol's word; what never occurred is absent
}

func (l *ledger) totals() totals {
	t := totals{outcomes: map[protocol.Status]uint64{}, reasons: map[string]uint64{}, codes: map[string]uint64{}}
	for level := range l.acceptances {
		for source := range l.acceptances[level] {
			n := l.acceptances[level][source].Load()
			t.outcomes[protocol.OK] += n
			t.levels[level] += n
			t.sources[source] += n
		}
	}
	t.outcomes[protocol.NO] = l.rejections.sum(t.reasons)
	t.outcomes[protocol.ERR] = l.unknowns.sum(t.codes)
	l.refusals.sum(t.codes)
	return t
}

// sum adds what is above zero to byWord, and returns all of it.
func (c counts[W]) sum(byWord map[string]uint64) (all uint64) {
	for word, counter := range c {
		if n := counter.Load(); n > 0 {
			byWord[string(word)] += n
			all += n
		}
	}
	return all
}
