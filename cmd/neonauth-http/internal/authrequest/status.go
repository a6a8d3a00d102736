package authrequest

import (
	"context"
	"fmt"
	"net/http"

	"github.com/neonauthd/neonauthd/internal/httpserver"
	"github.com/neonauthd/neonauthd/internal/profiling"
)

// Status returns the handler for monitors. It has its own listener, so that no
// web server can take one of its 200s for an authorisation. exposed says that
// other hosts can reach it.
//
//	/healthz       this process serves
//	/readyz        and the daemon answers it
//	/metrics       counters, for Prometheus
//	/debug/pprof/  profiles, if the settings say so and it is not exposed
func (s *Service) Status(exposed bool) http.Handler {
	mux := httpserver.Monitor(func(ctx context.Context) error {
		if err := s.asker.daemon.Ping(ctx); err != nil {
			return fmt.Errorf("the daemon does not answer: %w", err)
		}
		return nil
	}, s.metrics.Write)
	mux.Handle("GET "+profiling.Prefix, profiling.New(func() bool { return s.settings.Load().pprof && !exposed }, s.log))
	return mux
}
