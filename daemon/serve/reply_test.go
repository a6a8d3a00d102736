package serve

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/protocol"
)

// TestNoVerdictIsNOWithoutProofNorOKWithoutEvidence tries everything that a
// verdict can hold, including outcomes that no code makes.
func TestNoVerdictIsNOWithoutProofNorOKWithoutEvidence(t *testing.T) {
	outcomes := []protocol.Outcome{{}, protocol.Accepted(), protocol.Rejected(""), protocol.Unknown("")}
	for _, reason := range protocol.Reasons() {
		outcomes = append(outcomes, protocol.Rejected(reason))
	}
	for _, code := range protocol.Codes() {
		outcomes = append(outcomes, protocol.Unknown(code))
	}
	good := newHarness(t, nil).accepted(resolve.LevelClaims, []byte("{}"))
	for _, outcome := range outcomes {
		for _, evidence := range []bool{false, true} {
			v := resolve.Verdict{Level: resolve.LevelClaims, Body: []byte("{}")}
			if evidence {
				v = *good
			}
			v.Outcome, v.RetryAfter = outcome, 1500*time.Millisecond
			line := string(appendVerdict(nil, []byte("t"), &v, nil))
			what := fmt.Sprintf("%s, evidence %v: %q", outcome, evidence, line)
			var r protocol.Reply
			if err := protocol.ParseReply([]byte(strings.TrimSuffix(line, "\n")), &r); err != nil || string(r.Tag) != "t" || !strings.HasSuffix(line, "\n") {
				t.Errorf("%s: %v", what, err)
			}
			if proof := outcome.Reason(); (r.Status == protocol.NO) != (proof != "") || proof != "" && string(r.Word) != string(proof) {
				t.Errorf("%s: NO without proof, or proof without NO", what)
			}
			if (r.Status == protocol.OK) != (outcome == protocol.Accepted() && evidence) {
				t.Errorf("%s: OK without evidence, or evidence without OK", what)
			}
			if r.Status == protocol.ERR && e2e.Field(line, "retry-after") != "2" {
				t.Errorf("%s: want retry-after rounded up", what)
			}
		}
	}
}

func TestTheReplyOfWhatForgetsToDecideIsUnknown(t *testing.T) {
	if line := string(appendVerdict(nil, nil, &resolve.Verdict{}, nil)); line != "ERR unavailable\n" {
		t.Errorf("the zero verdict is %q", line)
	}
}
