package transport

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
)

func TestNetworkErrorsAreToldInOurOwnWords(t *testing.T) {
	wrap := func(err error) error {
		return &url.Error{Op: "Get", URL: "https://canary.example/canary", Err: &net.OpError{Op: "dial", Net: "tcp", Err: err}}
	}
	tests := []struct {
		err  error
		want string
	}{
		{wrap(syscall.ECONNREFUSED), "connection refused"},
		{wrap(os.NewSyscallError("read", syscall.ECONNRESET)), "connection reset"},
		{wrap(&net.DNSError{Err: "canary", Name: "canary.example", IsNotFound: true}), "host name is unknown"},
		{wrap(&net.DNSError{Err: "canary", Name: "canary.example", IsTimeout: true}), "took too long"},
		{wrap(&net.DNSError{Err: "canary", Name: "canary.example"}), "could not be looked up"},
		{wrap(os.ErrDeadlineExceeded), "no answer in time"},
		{wrap(errNotLoopback), "leads to another host"},
		{wrap(errNotPrivate), "leads out of the private network"},
		{wrap(&ProxyError{what: "the proxy does not answer", err: errors.New("canary")}), "the proxy does not answer"},
		{wrap(x509.CertificateInvalidError{Reason: x509.Expired, Detail: "canary"}), "expired"},
		{wrap(x509.CertificateInvalidError{Reason: x509.NameMismatch, Detail: "canary"}), "not valid"},
		{wrap(errors.New("canary")), "the exchange failed"},
		{fmt.Errorf("canary: %w", context.Canceled), "the exchange failed"},
	}
	for err, needs := range map[error]bool{
		wrap(errNotLoopback): true, wrap(errNotPrivate): true, wrap(errEnvironment): true, wrap(&ProxyError{Status: 407}): true, wrap(&ProxyError{Status: 302}): true,
		wrap(&ProxyError{Status: 502}): false, wrap(&ProxyError{}): false, wrap(errEager): false, wrap(syscall.ECONNREFUSED): false, errors.New("canary"): false,
	} {
		if NeedsOperator(err) != needs {
			t.Errorf("%v: needs the operator: %v", err, !needs)
		}
	}
	for _, test := range tests {
		got := Phrase(test.err)
		if !strings.Contains(got, test.want) || strings.Contains(got, "canary") {
			t.Errorf("%v: %q, want %q", test.err, got, test.want)
		}
	}
}
