package admin

import (
	"encoding/json"
	"strings"
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

// TestAnExplanationSendsToTheIssuerOfAKeyThatCannotBeUsed, also where a lookup would have the
// key set fetched first.
func TestAnExplanationSendsToTheIssuerOfAKeyThatCannotBeUsed(t *testing.T) {
	const (
		now     = `"reason":"misconfigured"`
		fetched = `"reason":"keys-pending","same_keys":{"outcome":"unknown","reason":"misconfigured","http":503,"failures":0}`
		pending = `"reason":"keys-pending"`
	)
	for _, c := range []struct{ failed, said, want string }{
		{"key", now, advice.Misconfigured(protocol.TextUnusableKey)},
		{"key", fetched, advice.Misconfigured(protocol.TextUnusableKey)},
		{"key", pending, advice.Unknown(protocol.CodeKeysPending)},
		{"signature", now, manyKeys},
		{"signature", fetched, manyKeys},
		{"signature", pending, advice.Unknown(protocol.CodeKeysPending)},
	} {
		object := []byte(`{"outcome":"unknown","checks":[{"check":"` + c.failed + `","result":"fail"}],` + c.said + `}`)
		var is explained
		if err := json.Unmarshal(object, &is); err != nil {
			t.Fatal(err)
		}
		text, err := withAdvice(object, is, credential.Finding{})
		var got struct{ Next string }
		if err != nil || json.Unmarshal(text, &got) != nil || got.Next != c.want {
			t.Errorf("%v: %q, %v", c, got.Next, err)
		}
	}
}

// TestAnExplanationNamesTheFetchThatFailsFirst: after a rotation the token is good, and nothing
// about it has to be mended.
func TestAnExplanationNamesTheFetchThatFailsFirst(t *testing.T) {
	for failures, want := range map[string]string{
		"":              "a lookup fetches the key set first; if it has the same keys, the token is rejected as unknown-key (HTTP 401): the token is of another environment",
		`,"failures":0`: "a lookup fetches the key set first;",
		`,"failures":4`: "the key set cannot be fetched (failures in a row: 4), so a new key is not known here: neonauthctl keys shows why;",
	} {
		object := []byte(`{"outcome":"unknown","reason":"keys-pending","checks":[],"same_keys":{"outcome":"rejected","reason":"unknown-key","http":401` + failures + `}}`)
		var said explained
		if err := json.Unmarshal(object, &said); err != nil {
			t.Fatal(err)
		}
		text, err := withAdvice(object, said, credential.Finding{})
		var got struct{ Next string }
		if err != nil || json.Unmarshal(text, &got) != nil || !strings.HasPrefix(got.Next, want) {
			t.Errorf("%s: %q, %v", failures, got.Next, err)
		}
	}
}
