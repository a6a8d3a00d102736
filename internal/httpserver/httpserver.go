// Package httpserver makes HTTP servers with limits for untrusted clients. The servers never
// log any part of a request. The package also has the answers that every program gives to
// monitors.
package httpserver

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"
)

// Limits are the limits of one connection. Each but Head has to be above zero, because zero means "no
// limit" to net/http.
type Limits struct {
	// Read is how long a request may take from its first byte to its last.
	Read time.Duration
	// Head is how long its headers may take. Here zero means as long as Read.
	Head time.Duration
	// Write is how long a request may take from its headers to the end of its reply.
	Write time.Duration
	// Idle is how long a connection may wait for its next request.
	Idle time.Duration
	// Header is the most bytes of a request's headers.
	Header int
}

// New makes a server for h. The log lines of net/http itself are discarded, because they can
// contain parts of a request. "OPTIONS *", which net/http would answer 200, goes to h.
func New(h http.Handler, l Limits) *http.Server {
	return &http.Server{
		Handler:                      h,
		ReadHeaderTimeout:            l.Head,
		ReadTimeout:                  l.Read,
		WriteTimeout:                 l.Write,
		IdleTimeout:                  l.Idle,
		MaxHeaderBytes:               l.Header,
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
}

// Drain ends a server. Requests in progress are answered. After grace, those that are left
// are cut off. Drain returns an error if a request was cut off or a listener could not be
// closed.
func Drain(s *http.Server, grace time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		return errors.Join(err, s.Close())
	}
	return nil
}
