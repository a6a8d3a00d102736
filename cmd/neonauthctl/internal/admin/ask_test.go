package admin

import (
	"encoding/json"
	"testing"

	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/advice"
	"github.com/neonauthd/neonauthd/internal/credential"
	"github.com/neonauthd/neonauthd/protocol"
)

// TestAnExplanationSendsToTheCheckThatFailed, where the code alone would send to the upstream.
func TestAnExplanationSendsToTheCheckThatFailed(t *testing.T) {
	for check, want := range map[string]string{
		"clock": advice.Unavailable(protocol.TextClockUnset), "fleet": advice.Unavailable(protocol.TextUnheard), "profile": advice.Unknown(protocol.CodeUnavailable),
	} {
		object := []byte(`{"outcome":"unknown","reason":"unavailable","checks":[{"check":"time","result":"pass"},{"check":"` + check + `","result":"fail"}]}`)
		var said explained
		if err := json.Unmarshal(object, &said); err != nil {
			t.Fatal(err)
		}
		text, err := withAdvice(object, said, credential.Finding{})
		var got struct{ Next string }
		if err != nil || json.Unmarshal(text, &got) != nil || got.Next != want {
			t.Errorf("%s: %q, %v", check, got.Next, err)
		}
	}
}
