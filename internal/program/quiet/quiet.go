// Package quiet silences the default logger of package log, to which libraries write by themselves: what they say is for
// no operator, and net/http's client even repeats what an upstream has sent unasked. Our programs log through slog.
//
// It imports next to nothing, so that it is initialised before libraries that write when they are, such as
// VictoriaMetrics/metrics: of the packages whose imports are ready Go takes the first by path, and that library waits for
// net/http.
package quiet

import (
	"io"
	"log"
)

func init() { //nolint:gochecknoinits // a call from main would come after what libraries write when they are initialised
	log.SetOutput(io.Discard)
}
