package upstream

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

	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/protocol"
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
		{wrap(x509.CertificateInvalidError{Reason: x509.Expired, Detail: "canary"}), "expired"},
		{wrap(x509.CertificateInvalidError{Reason: x509.NameMismatch, Detail: "canary"}), "not valid"},
		{wrap(errors.New("canary")), "the exchange failed"},
		{fmt.Errorf("canary: %w", context.Canceled), "the exchange failed"},
	}
	for _, test := range tests {
		got := phrase(test.err)
		if !strings.Contains(got, test.want) || strings.Contains(got, "canary") {
			t.Errorf("%v: %q, want %q", test.err, got, test.want)
		}
		if s := sentinel(test.err); s != nil && s != context.Canceled && s != context.DeadlineExceeded {
			t.Errorf("%v: unwraps to %v", test.err, s)
		}
	}
}

func TestErrorsReadAsSentences(t *testing.T) {
	for want, e := range map[string]*Error{
		"unavailable": {},
		"fetch profile: denied (expired): status 401: ACCESS_TOKEN_EXPIRED": {
			act: "fetch profile", Meaning: Denied, Denial: protocol.ReasonExpired, Status: 401, Code: "ACCESS_TOKEN_EXPIRED"},
		"fetch keyset: misconfigured: status 302: redirects are not followed": {
			act: "fetch keyset", Meaning: Misconfigured, Status: 302, detail: "redirects are not followed"},
	} {
		if e.Error() != want {
			t.Errorf("%q, want %q", e, want)
		}
	}
}

func TestNamesOfWhatIsCounted(t *testing.T) {
	for want, got := range map[string]fmt.Stringer{
		"unavailable": Unavailable, "denied": Denied, "misconfigured": Misconfigured, "answered": Answered,
		"closed": Closed, "half-open": HalfOpen, "open": Open,
		"stack": Stack, "neon": Neon, "oidc": OIDC, "unknown": Preset(9),
	} {
		if got.String() != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if Meaning(99).String() != "unavailable" {
		t.Error("an unknown meaning is not the harmless one")
	}
}

func TestNothingIsAskedWithoutTokenAndSubject(t *testing.T) {
	config := stackConfig(serve(t, reply(200, jsonType, `{"id":""}`)).URL)
	other := oidcConfig(config.BaseURL)
	for _, c := range []*Client{open(t, config), open(t, other)} {
		for _, q := range [][2]string{{token, ""}, {"", stackUser}, {"a b", stackUser}, {"a\r\nX-Stack-Access-Type: admin", stackUser}} {
			_, err := c.Profile(context.Background(), []byte(q[0]), q[1], fair.Asker{}, Interactive)
			if e := want(t, err, Unavailable, ""); !e.Local {
				t.Errorf("%q was sent", q)
			}
		}
	}
}
