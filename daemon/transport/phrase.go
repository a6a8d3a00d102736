package transport

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
)

// Phrase describes an error of an exchange over this package's transport in words of our own. The error's own text will
// not do: it may hold the URL, names out of a certificate, or the very bytes the other side sent.
func Phrase(err error) string {
	var proxy *ProxyError
	if errors.As(err, &proxy) {
		return proxy.Error()
	}
	for _, ours := range []error{errNotLoopback, errNotPrivate, errEnvironment, errEager} {
		if errors.Is(err, ours) {
			return ours.Error()
		}
	}
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return "the answer was cut off"
	}
	if words := tlsPhrase(err); words != "" {
		return words
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		switch {
		case dns.IsNotFound:
			return "the host name is unknown"
		case dns.IsTimeout:
			return "looking up the host name took too long"
		}
		return "the host name could not be looked up"
	}
	var number syscall.Errno
	if errors.As(err, &number) {
		return number.Error()
	}
	var late net.Error
	if errors.As(err, &late) && late.Timeout() || errors.Is(err, os.ErrDeadlineExceeded) {
		return "no answer in time"
	}
	return "the exchange failed (no proper HTTP answer, or its header is too long)"
}

// NeedsOperator reports whether asking again is useless until somebody acts: the proxy does not admit this host or this
// upstream, or an address may not be connected to.
func NeedsOperator(err error) bool {
	var proxy *ProxyError
	return errors.As(err, &proxy) && proxy.Refused() || errors.Is(err, errNotLoopback) || errors.Is(err, errNotPrivate) || errors.Is(err, errEnvironment)
}

// tlsPhrase describes failures of TLS; empty for others.
func tlsPhrase(err error) string {
	var name x509.HostnameError
	var authority x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var verification *tls.CertificateVerificationError
	var op *net.OpError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &name):
		return "the certificate is for another host name"
	case errors.As(err, &authority):
		return "the certificate is signed by an unknown authority"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the certificate has expired, or is not valid yet"
	case errors.As(err, &invalid), errors.As(err, &verification):
		return "the certificate is not valid"
	case errors.As(err, &op) && (op.Op == "remote error" || op.Op == "local error"):
		return "no agreement on TLS (its version, most likely)"
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return "the other side does not speak TLS"
	}
	return ""
}
