package exposition

import (
	"fmt"
	"io"
	"runtime"

	"github.com/VictoriaMetrics/metrics"
)

// Families are the metrics of a program, in the order in which they were made. Make all of
// them before the first Write. The zero value has none.
type Families struct{ all []*Family }

// Family is a metric with its samples. The name of each sample has to begin with Name.
type Family struct {
	// Name, Kind and Help are the head of the metric.
	Name, Kind, Help string
	*metrics.Set
}

// Family makes a metric that has no samples yet.
func (f *Families) Family(name, kind, help string) *Family {
	one := &Family{name, kind, help, metrics.NewSet()}
	f.all = append(f.all, one)
	return one
}

// Counter makes a metric that has one sample, which only grows.
func (f *Families) Counter(name, help string) *metrics.Counter {
	return f.Family(name, Counter, help).NewCounter(name)
}

// Gauge makes a metric that has one sample. value returns it for each page.
func (f *Families) Gauge(name, help string, value func() float64) {
	f.Family(name, Gauge, help).NewGauge(name, value)
}

// Histogram makes a metric that has one histogram, with the bounds of its buckets.
func (f *Families) Histogram(name, help string, bounds []float64) *metrics.PrometheusHistogram {
	return f.Family(name, Histogram, help).NewPrometheusHistogramExt(name, bounds)
}

// Build makes the metric with the version of the program.
func (f *Families) Build(name, version string) {
	build := f.Family(name, Gauge, "Always 1; the labels tell what is running.")
	build.NewGauge(fmt.Sprintf("%s{version=%q,goversion=%q}", name, version, runtime.Version()), func() float64 { return 1 })
}

// Write writes a page with all metrics and those of the process. It is safe for concurrent
// use.
func (f *Families) Write(w io.Writer) {
	var p Page
	for _, one := range f.all {
		p.Family(one.Name, one.Kind, one.Help)
		one.WritePrometheus(&p)
	}
	p.Process()
	_, _ = w.Write(p.Bytes()) // a scraper that left needs none
}
