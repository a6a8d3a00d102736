package wording

import (
	"slices"
	"testing"

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
		if text := failed(protocol.Rejected(reason), "a step"); (text == "") != slices.Contains(elsewhere, reason) {
			t.Errorf("%s: %q", reason, text)
		}
	}
}
