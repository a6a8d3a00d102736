package serve

import (
	"slices"
	"sync/atomic"

	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/daemon/resolve/wording"
	"github.com/neonauthd/neonauthd/protocol"
)

// Counters count what happened since the start. Make them with NewCounters. Reading
// changes nothing. They are safe for concurrent use.
type Counters struct {
	// Accepted, Rejected and Unknown count lookups: accepted ones by level and source,
	// rejected ones by reason, unknown ones by code.
	Accepted [resolve.Levels][resolve.Sources]atomic.Uint64
	Rejected Counts[protocol.Reason]
	Unknown  Counts[protocol.Code]
	// Caused counts unknown lookups whose cause is known, by cause, and Unknown the others. The
	// code of all causes is unavailable.
	Caused [wording.Causes]atomic.Uint64
	// Refused counts requests that were wrong, not allowed, or turned away at a limit. Admin
	// verbs that failed are not among them.
	Refused Counts[protocol.Code]
	// Connections counts connections that were served, TurnedAway those that were refused
	// because a limit was reached, and AcceptErrors the failures to accept one.
	Connections, TurnedAway, AcceptErrors atomic.Uint64
	// Panics counts faults of this program that cost one lookup or connection.
	Panics atomic.Uint64
	// Latency has how long lookups took.
	Latency Latency

	own [32]byte // digest of the token that the daemon's own lookups use
}

// NewCounters returns Counters at zero. Lookups of the token own are the daemon's own.
// They are not counted, because on a quiet host they would be the majority.
func NewCounters(own []byte) *Counters {
	return &Counters{
		Rejected: newCounts(protocol.Reasons()), Unknown: newCounts(LookupCodes()), Refused: newCounts(protocol.Codes()),
		own: resolve.DigestOf(own),
	}
}

// isOwn reports whether the lookup is one of the daemon's own.
func (c *Counters) isOwn(asked *resolve.Lookup) bool { return asked.Digest() == c.own }

// Counts has a counter for each word of a closed list. The map never changes; the
// counters do.
type Counts[W ~string] map[W]*atomic.Uint64

func newCounts[W ~string](list []W) Counts[W] {
	c := Counts[W]{}
	for _, word := range list {
		c[word] = &atomic.Uint64{}
	}
	return c
}

// add counts a word. A word that is not on the list is not counted.
func (c Counts[W]) add(word W) {
	if counter := c[word]; counter != nil {
		counter.Add(1)
	}
}

// Sum adds the counts above zero to byWord, unless byWord is nil, and returns their sum.
func (c Counts[W]) Sum(byWord map[string]uint64) (all uint64) {
	for word, counter := range c {
		n := counter.Load()
		if n > 0 && byWord != nil {
			byWord[string(word)] += n
		}
		all += n
	}
	return all
}

// LookupCodes returns the codes that a lookup can have: all codes except those with which a
// request is refused before its lookup.
func LookupCodes() []protocol.Code {
	return slices.DeleteFunc(protocol.Codes(), func(code protocol.Code) bool {
		switch code {
		case protocol.CodeBadRequest, protocol.CodeUnknownVerb, protocol.CodeUnknownProject, protocol.CodeLineTooLong, protocol.CodeForbidden:
			return true
		case protocol.CodeNeedsProfile, protocol.CodeUnavailable, protocol.CodeMisconfigured, protocol.CodeBusy, protocol.CodeDeadline, protocol.CodeKeysPending:
		}
		return false
	})
}

// count counts one verdict. A lookup whose caller has left is not counted: it would look like
// an outage.
func (c *Counters) count(asked *resolve.Lookup, v *resolve.Verdict) {
	if v.Abandoned || c.isOwn(asked) {
		return
	}
	switch v.Status() {
	case protocol.OK:
		c.Accepted[v.Level][v.Source].Add(1)
	case protocol.NO:
		c.Rejected.add(v.Reason())
	case protocol.ERR:
		if v.Cause != 0 {
			c.Caused[v.Cause].Add(1)
			return
		}
		c.Unknown.add(v.Code())
	}
}

// Totals are the lookups, summed in several ways.
type Totals struct {
	// Outcomes are all lookups by status.
	Outcomes map[protocol.Status]uint64
	// Levels and Sources are the accepted lookups by level and by source.
	Levels  [resolve.Levels]uint64
	Sources [resolve.Sources]uint64
	// Reasons and Codes count lookups by the protocol's word, and refused requests. A word
	// that never occurred is absent.
	Reasons, Codes map[string]uint64
}

// Totals sums what was counted.
func (c *Counters) Totals() Totals {
	t := Totals{Outcomes: map[protocol.Status]uint64{}, Reasons: map[string]uint64{}, Codes: map[string]uint64{}}
	for level := range c.Accepted {
		for source := range c.Accepted[level] {
			n := c.Accepted[level][source].Load()
			t.Outcomes[protocol.OK] += n
			t.Levels[level] += n
			t.Sources[source] += n
		}
	}
	t.Outcomes[protocol.NO] = c.Rejected.Sum(t.Reasons)
	t.Outcomes[protocol.ERR] = c.Unknown.Sum(t.Codes)
	for cause := range wording.Causes {
		if n := c.Caused[cause].Load(); n > 0 {
			t.Outcomes[protocol.ERR] += n
			t.Codes[string(cause.Code())] += n
		}
	}
	c.Refused.Sum(t.Codes)
	return t
}
