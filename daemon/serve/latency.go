package serve

import (
	"io"
	"math/rand/v2"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

const (
	// HitSample is how many answers from memory go by for each that is timed: an answer
	// takes about as long as looking at the clock a few times.
	HitSample = 64
	// LatencyName is the name of the metric that Latency writes.
	LatencyName = "neonauthd_lookup_duration_seconds"
)

// Latency times lookups from the parsed line to the reply. Safe for concurrent
// use.
type Latency struct {
	set          *metrics.Set
	hits, misses *metrics.PrometheusHistogram
}

func newLatency() Latency {
	set := metrics.NewSet()
	bounds := []float64{1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5}
	return Latency{
		set:    set,
		hits:   set.NewPrometheusHistogramExt(LatencyName+`{memory="hit"}`, bounds),
		misses: set.NewPrometheusHistogramExt(LatencyName+`{memory="miss"}`, bounds),
	}
}

// Write writes the histograms in Prometheus' text format, without their head.
func (l *Latency) Write(w io.Writer) { l.set.WritePrometheus(w) }

// sample returns the beginning of an answer that is to be timed, and zero for
// most.
func (l *Latency) sample() time.Time {
	if rand.Uint32()%HitSample != 0 {
		return time.Time{}
	}
	return time.Now()
}

// hit enters an answer from memory that sample chose.
func (l *Latency) hit(began time.Time) {
	if !began.IsZero() {
		l.hits.UpdateDuration(began)
	}
}
