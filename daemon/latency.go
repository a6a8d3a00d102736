package daemon

import (
	"math/rand/v2"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// hitSample is how many answers from memory go by for each that is timed: an
// answer takes about as long as looking at the clock a few times.
const hitSample = 64

const latencyName = "neonauthd_lookup_duration_seconds"

// latency times lookups from the parsed line to the reply. Safe for concurrent
// use.
type latency struct {
	set          *metrics.Set
	hits, misses *metrics.PrometheusHistogram
}

func newLatency() latency {
	set := metrics.NewSet()
	bounds := []float64{1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5}
	return latency{
		set:    set,
		hits:   set.NewPrometheusHistogramExt(latencyName+`{memory="hit"}`, bounds),
		misses: set.NewPrometheusHistogramExt(latencyName+`{memory="miss"}`, bounds),
	}
}

// sample returns the beginning of an answer that is to be timed, and zero for
// most.
func (l *latency) sample() time.Time {
	if rand.Uint32()%hitSample != 0 {
		return time.Time{}
	}
	return time.Now()
}

// hit enters an answer from memory that sample chose.
func (l *latency) hit(began time.Time) {
	if !began.IsZero() {
		l.hits.UpdateDuration(began)
	}
}
