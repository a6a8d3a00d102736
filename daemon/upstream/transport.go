package upstream

import (
	"net/http"
	"time"

	"github.com/neonauthd/neonauthd/daemon/transport"
)

// newTransport returns the transport all requests of one Client go through, while that timeout is in force.
func newTransport(config Config, timeout time.Duration) http.RoundTripper {
	is := config.Transport
	is.Stage = timeout * 2 / 3
	is.Idle = MaxConcurrent
	// Key sets and discovery have room even if all places of profile requests
	// are taken.
	is.Conns = MaxConcurrent + 8
	is.MaxHeader = MaxHeaderBytes
	return transport.New(is)
}

// newHTTPClient wraps transport. No redirect is followed: the answer to one is the redirect itself. There is no
// cookie jar.
func newHTTPClient(transport http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
