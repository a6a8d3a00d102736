// Package quiet silences the default logger of package log. Libraries write to it by themselves. Their lines do not
// help an operator, and those of net/http's client even repeat what an upstream has sent unasked. Our programs log
// through slog.
//
// This package imports almost nothing, so that it is initialised before libraries that write during their
// initialisation, such as VictoriaMetrics/metrics. Of the packages whose imports are initialised, Go takes the first by
// path, and that library has to wait for net/http.
package quiet

import (
	"io"
	"log"
)

func init() { //nolint:gochecknoinits // a call from main would come after what libraries write when they are initialised
	log.SetOutput(io.Discard)
}
