package transport

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// maxConnectHeader bounds what a proxy answers to CONNECT, in bytes.
const maxConnectHeader = 16 << 10

// ProxyError is the failure of a connection before the upstream was reached. Its text
// holds nothing of what the proxy sent.
type ProxyError struct {
	// Status is the proxy's answer; 0 if there was none.
	Status int
	what   string
	err    error
}

// Error says what failed, and what to do.
func (e *ProxyError) Error() string { return e.what }

// Unwrap is what kept the proxy from answering; nil if it has answered.
func (e *ProxyError) Unwrap() error { return e.err }

// Refused reports whether asking again is useless until somebody acts: the proxy does not
// admit this host or this upstream.
func (e *ProxyError) Refused() bool { return e.Status >= 300 && e.Status < 500 }

// tunnel connects to address through the proxy (RFC 9110 section 9.3.6). The proxy looks
// the name up, and TLS proves afterwards that the other end is the upstream.
func (p *through) tunnel(ctx context.Context, stage time.Duration, address string) (net.Conn, error) {
	conn, err := p.reach(ctx, stage)
	if err != nil {
		return nil, &ProxyError{what: "the proxy cannot be reached: " + Phrase(err), err: err}
	}
	if err := p.connect(ctx, conn, stage, address); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// reach connects to the proxy itself.
func (p *through) reach(ctx context.Context, stage time.Duration) (net.Conn, error) {
	to := net.Dialer{Timeout: stage}
	conn, err := to.DialContext(ctx, "tcp", p.dial)
	if err != nil || !p.secure {
		return conn, err
	}
	ctx, cancel := context.WithTimeout(ctx, stage)
	defer cancel()
	secure := tls.Client(conn, &tls.Config{MinVersion: tls.VersionTLS12, ServerName: p.host, RootCAs: p.authorities})
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return secure, nil
}

// connect asks the proxy to connect to address. It ends with ctx, and at the latest with
// the stage.
func (p *through) connect(ctx context.Context, conn net.Conn, stage time.Duration, address string) error {
	ctx, cancel := context.WithTimeout(ctx, stage)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	status, err := ask(conn, &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: address}, Host: address, Header: p.header()})
	switch {
	case !stop() && err == nil:
		err = ctx.Err()
		fallthrough
	case err != nil:
		return &ProxyError{what: "the proxy does not answer: " + Phrase(err), err: err}
	case status < 200 || status > 299:
		return &ProxyError{Status: status, what: refusal(status)}
	}
	return nil
}

var errEager = errors.New("the proxy sends more than an answer")

// ask sends a request to connect and returns the status of the answer.
func ask(conn net.Conn, request *http.Request) (status int, err error) {
	if err := request.Write(conn); err != nil {
		return 0, err
	}
	in := bufio.NewReader(io.LimitReader(conn, maxConnectHeader))
	answer, err := http.ReadResponse(in, request) //nolint:bodyclose // it would wait for a body, which nobody reads
	if err != nil {
		return 0, err
	}
	if answer.StatusCode/100 == 2 && in.Buffered() > 0 { // a TLS server waits for our first message
		return 0, errEager
	}
	return answer.StatusCode, nil
}

// refusal says what a proxy means with a status, and what to do.
func refusal(status int) string {
	number := strconv.Itoa(status)
	switch {
	case status == http.StatusProxyAuthRequired:
		return "the proxy wants user and password, or others (" + number + "): write them into upstream_proxy or HTTPS_PROXY"
	case status >= 500:
		return "the proxy does not reach the upstream (" + number + ")"
	case status >= 400:
		return "the proxy refuses to connect to the upstream (" + number + "): have it admit its host and port"
	}
	return "the proxy answers CONNECT with " + number + ": is it a proxy?"
}
