// Package transport connects to an upstream. It uses TLS, with the system's certificate
// authorities or only with those of the project, directly or through a proxy. It uses
// plain http only within this machine, or within a private network if the operator
// allows that. Its error texts are its own and contain no text from the network.
package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"time"
)

// Dialer connects to an address, HOST:PORT.
type Dialer func(ctx context.Context, network, address string) (net.Conn, error)

// Config says how an upstream is reached. All of it may be left out but Stage.
type Config struct {
	// Stage bounds each stage before the upstream has the request: connecting with the name
	// lookup, what a proxy takes, the handshake. The wait for the answer ends with the
	// request's context only.
	Stage time.Duration
	// Conns is how many connections there may be at once, and Idle how many of them wait to
	// be used again; 0: no bound.
	Conns, Idle int
	// MaxHeader is the largest header accepted, in bytes; 0: as net/http has it.
	MaxHeader int64
	// Authorities may sign the upstream's certificate; nil: the system's.
	Authorities *x509.CertPool
	// Route says through which proxy connections over TLS go.
	Route Route
	// PrivateHTTP admits plain http to addresses of private networks (RFC 1918, RFC 4193)
	// beside those of this machine. Others are refused, whatever a name leads to.
	PrivateHTTP bool
	// Dial connects to upstreams in place of all this, over any scheme; nil: over the network.
	Dial Dialer
}

// New returns the transport that all requests to one upstream go through. Every stage until
// there is a connection has its own limit, so that it is known which stage hangs. A transport follows no redirect. CloseIdleConnections ends idle connections.
func New(config Config) http.RoundTripper {
	secure, plain := config.Dial, config.Dial
	if config.Dial == nil {
		d := &dialer{stage: config.Stage, route: config.Route}
		secure, plain = d.secure, d.plain(config.PrivateHTTP)
	}
	return &byScheme{https: config.over(secure), http: config.over(plain)}
}

// over returns a transport over connections that dial makes.
func (config *Config) over(dial Dialer) *http.Transport {
	return &http.Transport{
		// The dialer connects through a proxy itself: it can then say what failed there.
		Proxy:                  nil,
		DialContext:            dial,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: config.Authorities},
		TLSHandshakeTimeout:    config.Stage,
		ExpectContinueTimeout:  config.Stage,
		MaxResponseHeaderBytes: config.MaxHeader,
		DisableCompression:     true,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           config.Idle,
		MaxIdleConnsPerHost:    config.Idle,
		MaxConnsPerHost:        config.Conns,
		IdleConnTimeout:        90 * time.Second,
		// A silent HTTP/2 connection would be used again and again until the kernel gives it up,
		// many minutes later; a ping finds out at once.
		HTTP2: &http.HTTP2Config{SendPingTimeout: config.Stage, PingTimeout: config.Stage, WriteByteTimeout: config.Stage},
	}
}

// byScheme has a transport for each scheme, because the addresses that may be connected to
// differ.
type byScheme struct{ https, http *http.Transport }

// RoundTrip implements [http.RoundTripper].
func (t *byScheme) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme == "http" {
		return t.http.RoundTrip(r)
	}
	return t.https.RoundTrip(r)
}

// CloseIdleConnections is what [http.Client.CloseIdleConnections] calls.
func (t *byScheme) CloseIdleConnections() {
	t.https.CloseIdleConnections()
	t.http.CloseIdleConnections()
}
