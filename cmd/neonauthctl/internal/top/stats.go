package top

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/terminal"
)

// stats are the members of STATS's object that top shows. A member that the
// daemon does not send is zero.
type stats struct {
	Version  string
	Started  int64
	Uptime   int64
	Outcomes struct{ Accepted, Rejected, Unknown uint64 }
	Reasons  map[string]uint64
	Codes    map[string]uint64
	Sources  struct{ Upstream, Cache, Stale, Client uint64 }
	Watches  struct {
		Open int64
		Told uint64
	}
	Connections struct {
		Open              int64
		Accepted, Refused uint64
		InFlight          int64 `json:"in_flight"`
	}
	Cache struct {
		Bytes                   int64
		MaxBytes                int64 `json:"max_bytes"`
		Entries                 int64
		Hits, Misses, Evictions uint64
	}
	Latency struct { // in seconds
		P50, P99 float64
		HitP99   float64 `json:"hit_p99"`
		MissP99  float64 `json:"miss_p99"`
	}
	AccessLog   struct{ Lost uint64 } `json:"access_log"`
	Revocations int64
	Unsaved     bool `json:"revocations_unsaved"`
	Panics      uint64
	Fleet       *fleetStats // nil: no fleet
	Projects    []projectStats
}

type fleetStats struct {
	Connected, Refuses bool
	Heard              int64 // seconds; -1: never
	Silent, Disagree   int64
}

// mostDisagreement is for how many seconds the hosts of a fleet may keep different marks
// before something is wrong; the alert has the same bound.
const mostDisagreement = 30

// trouble returns what is wrong with the fleet: a word and a sentence each. A nil
// fleetStats has no trouble.
func (f *fleetStats) trouble() (words, sentences []string) {
	if f == nil {
		return nil, nil
	}
	add := func(word, sentence string) {
		words, sentences = append(words, "fleet:"+word), append(sentences, "fleet: "+sentence)
	}
	since := "not heard for " + ago(f.Heard)
	if f.Heard < 0 {
		since = "not heard yet"
	}
	switch {
	case f.Refuses:
		add("refuses", since+", so this host accepts nothing: neonauthctl fleet")
	case !f.Connected:
		add("blind", since+": what other hosts have revoked since is not in force here: neonauthctl fleet")
	}
	if f.Silent > 0 {
		add("silent", fmt.Sprintf("hosts that are not heard and may be accepting: %d: neonauthctl fleet names them", f.Silent))
	}
	if f.Disagree > mostDisagreement {
		add("disagrees", "a host has kept other revocations than this one for "+ago(f.Disagree)+": neonauthctl fleet names it")
	}
	return words, sentences
}

type projectStats struct {
	Name         string
	Keys         int64
	KeysAge      int64 `json:"keys_age"`
	KeysNext     int64 `json:"keys_next"`
	KeysFailures int64 `json:"keys_failures"`
	Upstream     upstreamStats
	Failures     []failure
	// Introspection is zero for a project without introspection.
	Introspection struct {
		Circuit  string
		Unlinked bool
	}
}

// failure is the last failure of one kind of request to an upstream.
type failure struct {
	Of, Cause string
	At        int64
	Over      bool
}

type upstreamStats struct {
	Calls, Failures, Refused uint64
	Budget                   int64
	Circuit                  string
	RetryAfter               int64 `json:"retry_after"`
}

// open reports whether the circuit is not closed.
func (p *projectStats) open() bool {
	return p.Upstream.Circuit == "open" || p.Upstream.Circuit == "half-open"
}

// trouble returns what an operator should look at in the project, in the words
// of the table.
func (i *interval) trouble(p *projectStats) []string {
	is := func(counter func(*upstreamStats) uint64) bool { return i.upstream(p, counter).perSecond > 0 }
	words := wordsOf([]condition{
		{"circuit", p.open()},
		{"retry", p.Upstream.RetryAfter > 0},
		{"budget", p.Upstream.Budget <= 0},
		{"fail", is(func(u *upstreamStats) uint64 { return u.Failures })},
		{"held", is(func(u *upstreamStats) uint64 { return u.Refused })},
		{"keys", p.Keys == 0},
		{"failed", p.KeysFailures > 0},
		{"introspection", p.Introspection.Circuit != "" && p.Introspection.Circuit != "closed"},
		{"unlinked", p.Introspection.Unlinked},
	})
	for _, f := range p.Failures {
		if !f.Over {
			words = append(words, "no-"+terminal.Printable(f.Of))
		}
	}
	return words
}

// wrong returns everything that an operator should look at.
func (i *interval) wrong() []string {
	is := func(counter func(*stats) uint64) bool { return i.rate(counter).perSecond > 0 }
	all := wordsOf([]condition{
		{"unknown", is(func(s *stats) uint64 { return s.Outcomes.Unknown })},
		{"stale", is(func(s *stats) uint64 { return s.Sources.Stale })},
		{"refused", is(func(s *stats) uint64 { return s.Connections.Refused })},
		{"access-log", is(func(s *stats) uint64 { return s.AccessLog.Lost })},
		{"panics", i.now.Panics > 0},
		{"unsaved", i.now.Unsaved},
	})
	words, _ := i.now.Fleet.trouble()
	all = append(all, words...)
	for n := range i.now.Projects {
		p := &i.now.Projects[n]
		for _, word := range i.trouble(p) {
			all = append(all, terminal.Printable(p.Name)+":"+word)
		}
	}
	return all
}

// condition is something that an operator should look at if it holds, with the word for it.
type condition struct {
	word  string
	holds bool
}

// wordsOf returns the words of the conditions that hold.
func wordsOf(all []condition) []string {
	var words []string
	for _, c := range all {
		if c.holds {
			words = append(words, c.word)
		}
	}
	return words
}

// rate is a change per second. The zero value is an unknown rate: before the
// second look, and across a restart of the daemon.
type rate struct {
	perSecond float64
	known     bool
}

// interval is the time between two looks.
type interval struct {
	before, now *stats
	seconds     float64
}

// between returns the interval that ends with now; before may be nil.
func between(before, now *look) interval {
	i := interval{now: now.stats}
	if before == nil || before.stats == nil {
		return i
	}
	if seconds := now.at.Sub(before.at).Seconds(); seconds > 0 && before.stats.Started == now.stats.Started {
		i.before, i.seconds = before.stats, seconds
	}
	return i
}

// rate returns the change of a counter. A counter that is lower than before was
// reset.
func (i *interval) rate(counter func(*stats) uint64) rate {
	if i.before == nil {
		return rate{}
	}
	was, is := counter(i.before), counter(i.now)
	if is < was {
		return rate{}
	}
	return rate{perSecond: float64(is-was) / i.seconds, known: true}
}

// lookups counts verdicts of every kind.
func lookups(s *stats) uint64 {
	return s.Outcomes.Accepted + s.Outcomes.Rejected + s.Outcomes.Unknown
}

// hitRatio returns the share of lookups in the cache that were hits.
func (i *interval) hitRatio() (ratio float64, known bool) {
	hits := i.rate(func(s *stats) uint64 { return s.Cache.Hits })
	misses := i.rate(func(s *stats) uint64 { return s.Cache.Misses })
	all := hits.perSecond + misses.perSecond
	if !hits.known || !misses.known || all == 0 {
		return 0, false
	}
	return hits.perSecond / all, true
}

// upstream returns the change of one project's counter. A reload can add and
// remove projects, so they are found by name.
func (i *interval) upstream(p *projectStats, counter func(*upstreamStats) uint64) rate {
	return i.rate(func(s *stats) uint64 {
		for n := range s.Projects {
			if s.Projects[n].Name == p.Name {
				return counter(&s.Projects[n].Upstream)
			}
		}
		return 0
	})
}

// worded is a reason or code, and how often it was given.
type worded struct {
	word string
	rate rate
}

// words returns the reasons and codes of the interval, the most frequent first.
func (i *interval) words(of func(*stats) map[string]uint64) []worded {
	var all []worded
	for word := range maps.Keys(of(i.now)) {
		r := i.rate(func(s *stats) uint64 { return of(s)[word] })
		if r.perSecond > 0 {
			all = append(all, worded{word, r})
		}
	}
	slices.SortFunc(all, func(a, b worded) int {
		return cmp.Or(cmp.Compare(b.rate.perSecond, a.rate.perSecond), strings.Compare(a.word, b.word))
	})
	return all
}
