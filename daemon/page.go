package daemon

import "github.com/neonauthd/neonauthd/internal/exposition"

// The types of metrics.
const (
	counter   = exposition.Counter
	gauge     = exposition.Gauge
	histogram = exposition.Histogram
)

// page is a page of metrics. Labels come only from closed lists and from the
// configuration. Nothing that a caller or an upstream says can become a label,
// so the number of labels is bounded and none identifies anybody.
type page struct{ exposition.Page }

// oneIf returns 1 for true and 0 for false.
func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
