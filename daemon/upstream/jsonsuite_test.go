package upstream

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"testing"

	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

// TestJSONTestSuiteInProfiles puts the suite's texts where a profile comes in: a
// text n_... makes it unusable, one y_... does not, and one i_... either, each
// time alike.
func TestJSONTestSuiteInProfiles(t *testing.T) {
	texts := need.Vectors(t, "jsontestsuite")
	if len(texts) < 300 {
		t.Fatalf("only %d texts", len(texts))
	}
	refused := map[string]string{ // these are JSON, and no profile may have them
		"y_object_duplicated_key.json":           "a name given twice: readers differ in which one they take",
		"y_object_duplicated_key_and_value.json": "a name given twice, though with one value",
		"y_object_escaped_null_in_key.json":      "a name with a control character",
	}
	var body string
	c := open(t, stackConfig(serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, body)
	}).URL))
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		verdict := name[:1]
		if refused[name] != "" {
			verdict = "n"
		}
		if body = string(texts[name]); body != "" {
			if _, err := profile(c); err == nil {
				t.Errorf("%s is nobody's profile", name)
			}
		}
		body = fmt.Sprintf(`{"id":%q,"x":%s}`, stackUser, texts[name])
		got, err := profile(c)
		again, err2 := profile(c)
		if (err == nil) != (err2 == nil) || string(got.Body) != string(again.Body) {
			t.Errorf("%s: first %v, then %v", name, err, err2)
		}
		if verdict != "i" && (err == nil) != (verdict == "y") {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			if !json.Valid([]byte(body)) {
				t.Errorf("%s was taken, and is no JSON", name)
			}
			oneLine(t, got.Body)
			sameJSON(t, got.Body, []byte(body))
		}
	}
}
