package authrequest

import (
	"fmt"
	"io"

	"github.com/VictoriaMetrics/metrics"

	"github.com/neonauthd/neonauthd/client/httpauth"
	"github.com/neonauthd/neonauthd/protocol"
)

// counters are what /metrics shows. All are made at the start, so that nothing
// a request holds can become a label.
type counters struct {
	set      *metrics.Set
	replies  map[replyKey]*metrics.Counter
	reasons  map[string]*metrics.Counter
	other    *metrics.Counter
	unproved *metrics.Counter
	panics   *metrics.Counter
	refused  *metrics.Counter
	reloads  [2]*metrics.Counter // failed, done
	duration *metrics.Histogram
}

type replyKey struct {
	dialect string
	outcome outcome
}

func newCounters(table []*dialect, inFlight func() float64) *counters {
	set := metrics.NewSet()
	c := &counters{
		set:     set,
		replies: map[replyKey]*metrics.Counter{}, reasons: map[string]*metrics.Counter{},
		other:    set.NewCounter(`neonauth_http_reasons_total{reason="other"}`),
		unproved: set.NewCounter("neonauth_http_unproved_total"),
		panics:   set.NewCounter("neonauth_http_panics_total"),
		refused:  set.NewCounter("neonauth_http_connections_refused_total"),
		duration: set.NewHistogram("neonauth_http_duration_seconds"),
	}
	set.NewGauge("neonauth_http_in_flight", inFlight)
	for i, result := range [...]string{"failed", "done"} {
		c.reloads[i] = set.NewCounter(fmt.Sprintf("neonauth_http_reloads_total{result=%q}", result))
	}
	names := []string{""} // no route, so no dialect
	for _, d := range table {
		names = append(names, d.name)
	}
	for _, name := range names {
		for o := unknown; o <= badMethod; o++ {
			if (name == "") != (o == noRoute) {
				continue
			}
			c.replies[replyKey{name, o}] = set.NewCounter(fmt.Sprintf("neonauth_http_replies_total{dialect=%q,outcome=%q}", name, o))
		}
	}
	own := []string{
		httpauth.ReasonNoToken, string(httpauth.FaultTwoTokens), string(httpauth.FaultUnreadable),
		httpauth.ReasonEmailNotVerified, httpauth.ReasonWrongTeam, reasonTooLarge, reasonHeader, reasonFault, reasonDown,
	}
	for _, r := range protocol.Reasons() {
		own = append(own, string(r))
	}
	for _, r := range protocol.Codes() {
		own = append(own, string(r))
	}
	for _, reason := range own {
		c.reasons[reason] = set.NewCounter(fmt.Sprintf("neonauth_http_reasons_total{reason=%q}", reason))
	}
	return c
}

// count books one reply.
func (c *counters) count(d *dialect, f *finding) {
	if counter := c.replies[replyKey{d.name, f.outcome}]; counter != nil {
		counter.Inc()
	}
	if f.reason == "" || f.outcome == noRoute || f.outcome == badMethod {
		return
	}
	if counter := c.reasons[f.reason]; counter != nil {
		counter.Inc()
		return
	}
	c.other.Inc() // a newer daemon's word
}

func (c *counters) write(w io.Writer) { c.set.WritePrometheus(w) }
