package wording

import (
	"slices"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/protocol"
)

func TestIssuersAreListedOnce(t *testing.T) {
	if text := issuers([]keyset.Audience{{Issuers: []string{"a", "b"}}, {Issuers: []string{"b", "c"}}}); text != "a, b, c" {
		t.Errorf("%s", text)
	}
}

// TestEachReasonOfATokenIsExplained: the reasons that are left out are found by other
// code.
func TestEachReasonOfATokenIsExplained(t *testing.T) {
	elsewhere := []protocol.Reason{protocol.ReasonUserNotFound, protocol.ReasonRevoked, protocol.ReasonRejectedUpstream}
	for _, reason := range protocol.Reasons() {
		if text := failed(protocol.Rejected(reason), keyset.StageGate); (text == "") != slices.Contains(elsewhere, reason) {
			t.Errorf("%s: %q", reason, text)
		}
	}
}

// TestEachCheckOfATokenHasItsName, and a sentence for when it has passed.
func TestEachCheckOfATokenHasItsName(t *testing.T) {
	var token keyset.Trace
	keyset.Verify(&keyset.Policy{}, &keyset.Set{}, nil, time.Time{}, &token)
	said := map[string]keyset.Stage{}
	for i, step := range token.Steps {
		name, text := step.Stage.String(), passed(step.Stage)
		if step.Stage != keyset.Stage(i) || name == "" || name == "unknown" || text == "" {
			t.Errorf("check %d: %q, %q", i, name, text)
		}
		for _, words := range []string{name, text} {
			if other, there := said[words]; there {
				t.Errorf("%q is said of check %d and of %d", words, other, i)
			}
			said[words] = step.Stage
		}
	}
	if n := len(token.Steps); n != int(keyset.StageScope)+1 || keyset.Stage(n).String() != "unknown" {
		t.Errorf("%d checks", n)
	}
}
