package upstream

import (
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/protocol"
)

// TestTheLastFailureIsOfTheUpstreamAndNotOfACaller: failures that callers can cause, and
// requests that were not sent, would hide it.
func TestTheLastFailureIsOfTheUpstreamAndNotOfACaller(t *testing.T) {
	at := time.Unix(1764000000, 0)
	failing := &Error{Status: 503, outcome: failed}
	down := LastFailure{Of: "profile", At: at, Status: 503, Cause: "unavailable: status 503"}
	over := down
	over.Over = true
	for name, test := range map[string]struct {
		act  string
		e    *Error
		want LastFailure
	}{
		"another failure":           {actProfile, &Error{Meaning: Misconfigured, Status: 401, Code: "INVALID_SECRET_SERVER_KEY"}, LastFailure{Of: "profile", At: at, Meaning: Misconfigured, Status: 401, Cause: "misconfigured: status 401: INVALID_SECRET_SERVER_KEY"}},
		"a missing key":             {actProfile, &Error{Meaning: Misconfigured, Local: true, detail: "none"}, LastFailure{Of: "profile", At: at, Meaning: Misconfigured, Cause: "misconfigured: none"}},
		"the test of the settings":  {actSelfTest, nil, over},
		"an answer":                 {actProfile, nil, over},
		"a denial":                  {actProfile, &Error{Meaning: Denied, Denial: protocol.ReasonExpired, Status: 401}, over},
		"a caller that gave up":     {actProfile, &Error{detail: "the caller gave up", outcome: silent}, down},
		"an open circuit":           {actProfile, &Error{Local: true, detail: "the circuit is open", outcome: silent}, down},
		"no session credential":     {actProfile, &Error{Local: true, detail: ErrNotSession.Error(), err: ErrNotSession}, down},
		"an answer to another kind": {actAPIKey, nil, down},
		"a key set":                 {actKeys, nil, down},
	} {
		var l lastFailures
		l.note(actProfile, failing, at)
		l.note(test.act, test.e, at)
		if len(l.all) != 1 || l.all[0] != test.want {
			t.Errorf("%s: %+v, want %+v", name, l.all, test.want)
		}
	}
	var l lastFailures
	for _, act := range []string{actProfile, actAPIKey, actIntrospect, actMetadata, actKeys} {
		l.note(act, failing, at)
	}
	if len(l.all) != 4 { // the keyring keeps the last failure of the key set
		t.Errorf("%+v", l.all)
	}
}
