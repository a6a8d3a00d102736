package authrequest

import (
	"fmt"

	"github.com/VictoriaMetrics/metrics"

	"github.com/neonauthd/neonauthd/client/httpauth"
	"github.com/neonauthd/neonauthd/internal/exposition"
	"github.com/neonauthd/neonauthd/protocol"
)

const durationName = "neonauth_http_duration_seconds"

// durations returns the bounds of the histogram: from an answer out of memory
// to the longest time that a web server waits.
func durations() []float64 {
	return []float64{5e-5, 1e-4, 2e-4, 5e-4, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10}
}

// counters are the metrics. All are made at the start, so that nothing in a
// request can become a label.
type counters struct {
	exposition.Families
	replies  map[replyKey]*metrics.Counter
	reasons  map[string]*metrics.Counter
	other    *metrics.Counter
	unproved *metrics.Counter
	panics   *metrics.Counter
	refused  *metrics.Counter
	reloads  [2]*metrics.Counter // failed, done
	logouts  map[protocol.Status]*metrics.Counter
	duration *metrics.PrometheusHistogram
}

type replyKey struct {
	dialect string
	outcome outcome
}

// newCounters makes the counters. The functions return current values.
func newCounters(version string, table []*dialect, inFlight, reachable, linesLost func() float64) *counters {
	c := &counters{replies: map[replyKey]*metrics.Counter{}, reasons: map[string]*metrics.Counter{}}
	c.Build("neonauth_http_build_info", version)
	c.countReplies(table)
	c.countReasons()
	c.duration = c.Histogram(durationName, "Time from a read request to its reply, with what the daemon takes.", durations())
	c.Gauge("neonauth_http_daemon_reachable", "0 if the daemon did not answer when it was last asked, which was not more than some seconds ago.", reachable)
	c.Gauge("neonauth_http_in_flight", "Requests that wait for the daemon.", inFlight)
	c.Gauge("neonauth_http_in_flight_max", "How many may wait; further ones are answered 503.", func() float64 { return maxInFlight })
	c.refused = c.Counter("neonauth_http_connections_refused_total", "Connections closed because there were too many: those whose peers were furthest behind, or new ones.")
	lost := c.Family("neonauth_http_access_lines_lost_total", exposition.Counter, "Lines of the access log that could not be written, or would have made a request wait.")
	lost.NewGauge(lost.Name, linesLost) // which the access log counts
	c.panics = c.Counter("neonauth_http_panics_total", "Faults of ours that cost a request, answered 503; each is logged.")
	c.unproved = c.Counter("neonauth_http_unproved_total", "Requests that would have been let through without a verified user, by a fault of ours, and got 500.")
	logouts := c.Family("neonauth_http_logouts_total", exposition.Counter, "Logout tokens received, by what became of them; an accepted one has ended what it names.")
	c.logouts = map[protocol.Status]*metrics.Counter{}
	for status, outcome := range map[protocol.Status]outcome{protocol.OK: accepted, protocol.NO: rejected, protocol.ERR: unknown} {
		c.logouts[status] = logouts.NewCounter(fmt.Sprintf("%s{outcome=%q}", logouts.Name, outcome))
	}
	reloads := c.Family("neonauth_http_reloads_total", exposition.Counter, "Reloads of the configuration; a failed one leaves the old configuration in force.")
	for i, result := range [...]string{"failed", "done"} {
		c.reloads[i] = reloads.NewCounter(fmt.Sprintf("%s{result=%q}", reloads.Name, result))
	}
	return c
}

func (c *counters) countReplies(table []*dialect) {
	f := c.Family("neonauth_http_replies_total", exposition.Counter, "Requests answered, by the web server's dialect and what became of them.")
	names := []string{""} // no route, so no dialect
	for _, d := range table {
		names = append(names, d.name)
	}
	for _, name := range names {
		for o := unknown; o <= badMethod; o++ {
			if (name == "") == (o == noRoute) {
				c.replies[replyKey{name, o}] = f.NewCounter(fmt.Sprintf("%s{dialect=%q,outcome=%q}", f.Name, name, o))
			}
		}
	}
}

func (c *counters) countReasons() {
	f := c.Family("neonauth_http_reasons_total", exposition.Counter, "Requests that were not let in, by the reason.")
	own := []string{
		httpauth.ReasonNoToken, string(httpauth.FaultTwoTokens), string(httpauth.FaultUnreadable),
		httpauth.ReasonEmailNotVerified, httpauth.ReasonWrongTeam, reasonTooLarge, reasonHeader, reasonFault, reasonDown, reasonLess, reasonLeft,
	}
	for _, r := range protocol.Reasons() {
		own = append(own, string(r))
	}
	for _, r := range protocol.Codes() {
		own = append(own, string(r))
	}
	for _, reason := range own {
		c.reasons[reason] = f.NewCounter(fmt.Sprintf("%s{reason=%q}", f.Name, reason))
	}
	c.other = f.NewCounter(f.Name + `{reason="other"}`)
}

// count counts one reply. A question that the web server took back has none.
func (c *counters) count(d *dialect, f *finding) {
	if counter := c.replies[replyKey{d.name, f.outcome}]; counter != nil && f.reason != reasonLeft {
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
