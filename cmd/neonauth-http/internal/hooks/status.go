package hooks

import (
	"context"
	"net/http"
	"net/url"

	"github.com/neonauthd/neonauthd/internal/httpserver"
)

// Status returns the handler for monitors, which has a listener of its own.
//
//	/healthz  this process answers
//	/readyz   the daemon's admin socket answers as well, and has the projects
//	/metrics  counters, for Prometheus
func (s *Service) Status() http.Handler {
	return httpserver.Monitor(func(ctx context.Context) error { return s.daemon.ready(ctx, s.names) }, s.metrics.Write)
}

// Alive reports whether this process judges a delivery without headers as it should.
func (s *Service) Alive() bool {
	r := &http.Request{Method: http.MethodPost, URL: &url.URL{Path: base}, Header: http.Header{}, Body: http.NoBody}
	return s.judge(nil, r, &delivery{}) == badHeaders
}
