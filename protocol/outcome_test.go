package protocol_test

import (
	"testing"

	"github.com/neonauthd/neonauthd/protocol"
)

// TestNoOutcomeIsTwoThings checks every outcome: each is exactly one of accepted, rejected and unknown. The zero value
// is unknown, and so is an outcome without the reason or code that it needs.
func TestNoOutcomeIsTwoThings(t *testing.T) {
	all := map[protocol.Outcome]string{protocol.Accepted(): "OK"}
	for _, reason := range protocol.Reasons() {
		all[protocol.Rejected(reason)] = "NO " + string(reason)
	}
	for _, code := range protocol.Codes() {
		all[protocol.Unknown(code)] = "ERR " + string(code)
	}
	if n := 1 + len(protocol.Reasons()) + len(protocol.Codes()); len(all) != n {
		t.Errorf("%d outcomes of %d are different from each other", len(all), n)
	}
	for outcome, want := range all {
		if outcome.String() != want {
			t.Errorf("%s, want %s", outcome, want)
		}
		reason, code := outcome.Reason(), outcome.Code()
		switch outcome.Status() {
		case protocol.OK:
			if reason != "" || code != "" || outcome.Word() != "" {
				t.Errorf("%s has a word", outcome)
			}
		case protocol.NO:
			if reason == "" || code != "" || outcome.Word() != string(reason) || protocol.Rejected(reason) != outcome {
				t.Errorf("%s is not rejected for its reason alone", outcome)
			}
		case protocol.ERR:
			if code == "" || reason != "" || outcome.Word() != string(code) || protocol.Unknown(code) != outcome {
				t.Errorf("%s is not unknown for its code alone", outcome)
			}
		}
	}
	for name, outcome := range map[string]protocol.Outcome{"the zero value": {}, "no proof": protocol.Rejected(""), "no code": protocol.Unknown("")} {
		if outcome != protocol.Unknown(protocol.CodeUnavailable) || outcome.String() != "ERR unavailable" {
			t.Errorf("%s is %s", name, outcome)
		}
	}
}

// TestNothingUnknownIsARefusalInHTTP: a 401 logs the user out, so it needs proof.
func TestNothingUnknownIsARefusalInHTTP(t *testing.T) {
	if status := protocol.Accepted().HTTPStatus(); status != 200 {
		t.Errorf("accepted: %d", status)
	}
	for _, reason := range protocol.Reasons() {
		want := 401
		if reason == protocol.ReasonClassNotAllowed || reason == protocol.ReasonInsufficientScope {
			want = 403
		}
		if status := protocol.Rejected(reason).HTTPStatus(); status != want {
			t.Errorf("%s: %d, want %d", reason, status, want)
		}
	}
	for _, code := range protocol.Codes() {
		if status := protocol.Unknown(code).HTTPStatus(); status != 503 {
			t.Errorf("%s: %d, want 503", code, status)
		}
	}
}

func TestAStatusThatIsNoneIsUnknown(t *testing.T) {
	for status, want := range map[protocol.Status]string{protocol.OK: "accepted", protocol.NO: "rejected", protocol.ERR: "unknown", 9: "unknown"} {
		if got := status.Name(); got != want {
			t.Errorf("%s is %s, want %s", status, got, want)
		}
	}
}
