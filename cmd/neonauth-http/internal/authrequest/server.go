package authrequest

import (
	"net/http"
	"time"

	"github.com/neonauthd/neonauthd/internal/httpserver"
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

// NewServer makes a server for what web servers and monitors ask of h. It must not
// answer "OPTIONS *" by itself, with 200 and no token.
func NewServer(h http.Handler) *http.Server {
	return httpserver.New(h, httpserver.Limits{Read: readTimeout, Write: writeTimeout, Idle: idleTimeout, Header: maxHeader})
}
