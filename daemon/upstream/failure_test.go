package upstream

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/protocol"
)

func TestOnlyTheEndOfTimeIsUnwrapped(t *testing.T) {
	for err, want := range map[error]error{
		fmt.Errorf("canary: %w", context.Canceled):         context.Canceled,
		fmt.Errorf("canary: %w", context.DeadlineExceeded): context.DeadlineExceeded,
		errors.New("canary"):                               nil,
	} {
		if s := sentinel(err); s != want {
			t.Errorf("%v: unwraps to %v", err, s)
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
