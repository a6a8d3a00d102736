package authrequest

import (
	"net/http"
	"time"

	"github.com/neonauthd/neonauthd/internal/httpserver"
)

// The time limits of the listeners. Idle connections are kept longer than nginx
// keeps them (60s): the client should close them, because a request could cross
// with a close by the server.
const (
	readTimeout  = 10 * time.Second
	writeTimeout = MaxTimeout + 10*time.Second
	headTimeout  = 2 * time.Second // a web server on the same host sends a head at once
	idleTimeout  = 90 * time.Second

	// maxHeader is the most that nginx passes on with the recipe's buffers:
	// four of 16 KiB. A token of 8 KiB may occur twice, in a header and a
	// cookie.
	maxHeader = 64 << 10
)

// NewServer returns a server for the requests of web servers and monitors. It
// must not answer "OPTIONS *" by itself, which net/http would do with 200 and
// without a token.
func NewServer(h http.Handler) *http.Server {
	return httpserver.New(h, httpserver.Limits{Read: readTimeout, Head: headTimeout, Write: writeTimeout, Idle: idleTimeout, Header: maxHeader})
}
