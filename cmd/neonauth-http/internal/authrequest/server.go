package authrequest

import (
	"log/slog"
	"net/http"
	"time"
)

// Time limits of the listeners. Idle connections live longer than nginx keeps
// them (60s): the end that asks should be the one that closes, or a question
// and the close cross each other.
const (
	readTimeout  = 10 * time.Second
	writeTimeout = MaxTimeout + 10*time.Second
	idleTimeout  = 90 * time.Second

	// maxHeader is what nginx passes on at most with the recipe's buffers:
	// four of 16 KiB. A token of 8 KiB may be there twice, header and cookie.
	maxHeader = 64 << 10
)

// NewServer makes a server for what web servers and monitors ask of h.
func NewServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: readTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		// Else the server answers "OPTIONS *" by itself, with 200 and no token.
		DisableGeneralOptionsHandler: true,
		// What it would log is what visitors make web servers send.
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}
}
