package authrequest

import (
	"context"
	"net/http"
	"time"

	"github.com/neonauthd/neonauthd/internal/exposition"
	"github.com/neonauthd/neonauthd/internal/profiling"
)

// pingTimeout is how long a monitor waits for the daemon.
const pingTimeout = time.Second

// Status returns the handler for monitors. It has its own listener, so that no
// web server can take one of its 200s for an authorisation. exposed says that
// other hosts can reach it.
//
//	/healthz       this process serves
//	/readyz        and the daemon answers it
//	/metrics       counters, for Prometheus
//	/debug/pprof/  profiles, if the settings say so and it is not exposed
func (s *Service) Status(exposed bool) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET "+profiling.Prefix, profiling.New(func() bool { return s.settings.Load().pprof && !exposed }, s.log))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { tell(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), pingTimeout)
		defer cancel()
		if err := s.asker.client.Ping(ctx); err != nil {
			tell(w, http.StatusServiceUnavailable, "the daemon does not answer: "+err.Error())
			return
		}
		tell(w, http.StatusOK, "ok")
	})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", exposition.ContentType)
		s.metrics.Write(w)
	})
	return mux
}

func tell(w http.ResponseWriter, status int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n")) // it fails only if the monitor has left
}
