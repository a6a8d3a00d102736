package hooks

import (
	"context"
	"fmt"
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

// Check judges a delivery without headers, and returns an error if the result is wrong.
func (s *Service) Check(ctx context.Context) error {
	r := (&http.Request{Method: http.MethodPost, URL: &url.URL{Path: base}, Header: http.Header{}, Body: http.NoBody}).WithContext(ctx)
	if is := s.judge(nil, r, &delivery{}); is != badHeaders {
		return fmt.Errorf("a delivery without headers was judged %s", is)
	}
	return nil
}
