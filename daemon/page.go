package daemon

import "github.com/neonauthd/neonauthd/internal/exposition"

// The types of metrics.
const (
	counter   = exposition.Counter
	gauge     = exposition.Gauge
	histogram = exposition.Histogram
)

// page is a page of metrics. Labels come from closed lists and the configuration
// alone: nothing that a caller or an upstream says can become one, so their
// number is bounded and no identity is among them.
type page struct{ exposition.Page }

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
