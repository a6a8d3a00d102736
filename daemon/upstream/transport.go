package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// newTransport returns the transport all requests of one Client go through. Every stage has its own limit
// besides the total one, so that the stage that hangs is known and a connection is not kept for nothing.
func newTransport(config Config) *http.Transport {
	stage := config.Timeout * 2 / 3
	if config.Dial == nil {
		config.Dial = dial(stage)
	}
	return &http.Transport{
		// The environment must not decide who sees the server key.
		Proxy:                  nil,
		DialContext:            config.Dial,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: config.RootCAs},
		TLSHandshakeTimeout:    stage,
		ResponseHeaderTimeout:  stage,
		ExpectContinueTimeout:  stage,
		MaxResponseHeaderBytes: MaxHeaderBytes,
		DisableCompression:     true,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           MaxConcurrent,
		MaxIdleConnsPerHost:    MaxConcurrent,
		// Room for key sets and discovery beside a full house of profile requests.
		MaxConnsPerHost: MaxConcurrent + 8,
		IdleConnTimeout: 90 * time.Second,
		// A silent HTTP/2 connection would be used again and again until the kernel gives it up, many minutes
		// later; a ping finds out at once.
		HTTP2: &http.HTTP2Config{SendPingTimeout: stage, PingTimeout: stage, WriteByteTimeout: stage},
	}
}

// dial connects within timeout, name lookup included. The name localhost has to lead to a loopback address,
// since plain http is allowed to it.
func dial(timeout time.Duration) func(ctx context.Context, network, address string) (net.Conn, error) {
	anywhere := net.Dialer{Timeout: timeout}
	here := net.Dialer{Timeout: timeout, Control: loopbackOnly}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if host, _, err := net.SplitHostPort(address); err == nil && isLoopback(host) {
			return here.DialContext(ctx, network, address)
		}
		return anywhere.DialContext(ctx, network, address)
	}
}

var errNotLoopback = errors.New("the name localhost leads to another host")

func loopbackOnly(_, address string, _ syscall.RawConn) error {
	if addr, err := netip.ParseAddrPort(address); err != nil || !addr.Addr().Unmap().IsLoopback() {
		return errNotLoopback
	}
	return nil
}

// newHTTPClient wraps transport. No redirect is followed: the answer to one is the redirect itself. There is no
// cookie jar.
func newHTTPClient(transport http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
