// Package httpserver makes HTTP servers that bound what strangers can take of them, and
// repeat nothing of what strangers send.
package httpserver

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"
)

// Limits are what one connection can take. Each has to be above zero: to net/http zero
// is no limit.
type Limits struct {
	// Read is how long a request may take from its first byte to its last.
	Read time.Duration
	// Write is how long a request may take from its headers to the end of its reply.
	Write time.Duration
	// Idle is how long a connection may wait for its next request.
	Idle time.Duration
	// Header is the most bytes of a request's headers.
	Header int
}

// New makes a server for h. What the server itself would log is not logged, because it
// would be what others send, and "OPTIONS *", which a server answers 200 by itself, goes
// to h.
func New(h http.Handler, l Limits) *http.Server {
	return &http.Server{
		Handler:                      h,
		ReadHeaderTimeout:            l.Read,
		ReadTimeout:                  l.Read,
		WriteTimeout:                 l.Write,
		IdleTimeout:                  l.Idle,
		MaxHeaderBytes:               l.Header,
		DisableGeneralOptionsHandler: true,
		ErrorLog:                     slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
}

// Drain ends a server: what is under way is answered, but for what takes longer than
// grace, which is cut. It returns an error if something was cut or could not be closed.
func Drain(s *http.Server, grace time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		return errors.Join(err, s.Close())
	}
	return nil
}
