package keyring

import (
	"errors"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/upstream"
)

// TestTheRemedyFitsTheFailure: an upstream that has trouble does not make anybody doubt the
// configuration.
func TestTheRemedyFitsTheFailure(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"a 503":              {&upstream.Error{Status: 503}, "nothing to do here if its status page says so"},
		"a 429":              {&upstream.Error{Status: 429}, "nothing to do here if its status page says so"},
		"a 404":              {&upstream.Error{Meaning: upstream.Misconfigured, Status: 404}, "see that base_url and jwks_url are right"},
		"another thing":      {&upstream.Error{Status: 200}, "and what answers there"},
		"too many keys":      {keyset.ErrTooManyKeys, "publish fewer keys"},
		"no answer":          {&upstream.Error{}, "see that this host reaches the upstream"},
		"no key of use":      {&keyset.NoUsableKeyError{}, "algorithms what its keys are for"},
		"a body that is not": {errors.New("not a key set"), "see that jwks_url is right"},
	} {
		if _, remedy := tell(c.err); !strings.Contains(remedy, c.want) {
			t.Errorf("%s: %q", name, remedy)
		}
	}
}
