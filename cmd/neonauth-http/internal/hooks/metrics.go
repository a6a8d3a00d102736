package hooks

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/neonauthd/neonauthd/internal/exposition"
	"github.com/neonauthd/neonauthd/internal/webhook"
)

const durationName = "neonauth_hooks_duration_seconds"

// durations returns the bounds of the histogram, up to the time that Svix waits.
func durations() []float64 {
	return []float64{.0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 15}
}

// notRead is the event of deliveries whose body was not read.
const notRead = "unread"

// counters are the metrics. All are made at the start, so that no text of a delivery can
// become a label.
type counters struct {
	exposition.Families
	deliveries map[deliveryKey]*metrics.Counter
	signed     map[string]*atomic.Int64 // by project, Unix seconds
	panics     *metrics.Counter
	refused    *metrics.Counter
	duration   *metrics.PrometheusHistogram
}

type deliveryKey struct {
	project, event string
	result         result
}

func newCounters(version string, projects []string, reachable func() float64, inFlight *atomic.Int64) *counters {
	c := &counters{deliveries: map[deliveryKey]*metrics.Counter{}, signed: map[string]*atomic.Int64{}}
	c.Build("neonauth_hooks_build_info", version)
	c.countDeliveries(projects)
	last := c.Family("neonauth_hooks_last_signed_timestamp_seconds", exposition.Gauge, "When a delivery of the project last had a good signature; 0: not since the start.")
	for _, project := range projects {
		at := new(atomic.Int64)
		c.signed[project] = at
		last.NewGauge(fmt.Sprintf("%s{project=%q}", last.Name, project), func() float64 { return float64(at.Load()) })
	}
	c.duration = c.Histogram(durationName, "Time from a request's headers to its reply, with what body and daemon take.", durations())
	c.Gauge("neonauth_hooks_daemon_reachable", "0 if the daemon did not answer at its admin socket when it was last asked, which was not more than some seconds ago.", reachable)
	c.Gauge("neonauth_hooks_in_flight", "Deliveries that are being taken.", func() float64 { return float64(inFlight.Load()) })
	c.refused = c.Counter("neonauth_hooks_connections_refused_total", "Connections closed because there were too many: those whose peers were furthest behind, or new ones.")
	c.panics = c.Counter("neonauth_hooks_panics_total", "Faults of ours that cost a delivery, answered 500; each is logged.")
	return c
}

func (c *counters) countDeliveries(projects []string) {
	f := c.Family("neonauth_hooks_deliveries_total", exposition.Counter, "Deliveries answered, by what they are about and what became of them.")
	add := func(project, event string, is result) {
		c.deliveries[deliveryKey{project, event, is}] = f.NewCounter(fmt.Sprintf("%s{project=%q,event=%q,result=%q}", f.Name, project, event, string(is)))
	}
	add("", notRead, noProject)
	for _, project := range projects {
		for _, is := range unjudged() {
			add(project, notRead, is)
		}
		for _, kind := range webhook.Kinds() {
			if kind == webhook.Other {
				add(project, string(kind), ignored)
				continue
			}
			for _, is := range []result{done, partly, unavailable, fault} {
				add(project, string(kind), is)
			}
		}
	}
}

// count counts one delivery.
func (c *counters) count(d *delivery, is result, now time.Time) {
	key := deliveryKey{event: notRead, result: is}
	if d.project != nil {
		key.project = d.project.name
	}
	if d.event.Kind != "" {
		key.event = string(d.event.Kind)
	}
	if counter := c.deliveries[key]; counter != nil {
		counter.Inc()
	}
	if at := c.signed[key.project]; at != nil && (d.event.Kind != "" || is == badBody) {
		at.Store(now.Unix())
	}
}
