package hooks

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/neonauthd/neonauthd/internal/exposition"
)

// pingTimeout is how long a monitor waits for the daemon.
const pingTimeout = time.Second

// Status returns the handler for monitors, which has a listener of its own.
//
//	/healthz  this process answers
//	/readyz   the daemon's admin socket answers as well, and has the projects
//	/metrics  counters, for Prometheus
func (s *Service) Status() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), pingTimeout)
		defer cancel()
		if err := s.daemon.ready(ctx, s.names); err != nil {
			say(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		say(w, http.StatusOK, "ok")
	})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", exposition.ContentType)
		s.metrics.Write(w)
	})
	return mux
}

func say(w http.ResponseWriter, status int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n")) // a monitor that is gone needs no answer
}

// Alive reports whether this process judges a delivery without headers as it should.
func (s *Service) Alive() bool {
	r := &http.Request{Method: http.MethodPost, URL: &url.URL{Path: base}, Header: http.Header{}, Body: http.NoBody}
	return s.judge(nil, r, &delivery{}) == badHeaders
}
