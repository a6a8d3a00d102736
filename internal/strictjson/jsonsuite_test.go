package strictjson

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

// TestJSONTestSuite compares the rules with the suite's verdicts: n_ must be refused, y_
// must be accepted, and i_ may be either, but only what the standard library accepts.
func TestJSONTestSuite(t *testing.T) {
	texts := need.Vectors(t, "jsontestsuite")
	if len(texts) < 300 {
		t.Fatalf("only %d texts", len(texts))
	}
	doubtful := map[string]string{ // JSON that strict rules refuse
		"y_object_duplicated_key.json":           GivenTwice,
		"y_object_duplicated_key_and_value.json": GivenTwice,
		"y_object_escaped_null_in_key.json":      OddName,
	}
	for name, text := range texts {
		body := slices.Concat([]byte(`{"x":`), text, []byte(`}`))
		strictly := strict.Members(body, nil)
		loosely := Each(body, func([]byte, Value) {})
		elements := Elements(slices.Concat([]byte(`[`), text, []byte(`]`)), 0, func(Value) error { return nil })
		want := name[0] == 'y'
		if name[0] == 'i' {
			if strictly == nil && !json.Valid(body) {
				t.Errorf("%s is taken, and is no JSON", name)
			}
			continue
		}
		if why := doubtful[name]; why != "" {
			if strictly == nil || !strings.HasSuffix(strictly.Error(), why) {
				t.Errorf("%s: %v, want %s", name, strictly, why)
			}
		} else if (strictly == nil) != want {
			t.Errorf("%s: %v", name, strictly)
		}
		if loosely != want {
			t.Errorf("%s loosely: %v", name, loosely)
		}
		// Between brackets, several texts become a list of two elements or of none.
		if want && elements != nil {
			t.Errorf("%s as an element: %v", name, elements)
		}
	}
}
