package keyset

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/internal/e2e/need"
	"github.com/neonauthd/neonauthd/protocol"
)

// The texts of JSONTestSuite are put where foreign JSON comes in: header,
// payload, a claim, a key set, a key of it, and a member of a key. A text n_...
// must be refused, one y_... be taken, and one i_... get one verdict.

// refusedAsToken names the texts that are JSON, and that no token may have.
func refusedAsToken() map[string]string {
	return map[string]string{
		"y_object_duplicated_key.json":           "a name given twice: readers differ in which one they take",
		"y_object_duplicated_key_and_value.json": "a name given twice, though with one value",
		"y_object_escaped_null_in_key.json":      "a name with a control character",
	}
}

// jsonTexts returns the suite's texts in the order of their names.
func jsonTexts(t *testing.T) (names []string, texts map[string][]byte) {
	t.Helper()
	texts = need.Vectors(t, "jsontestsuite")
	names = slices.Sorted(maps.Keys(texts))
	if len(names) < 300 {
		t.Fatalf("only %d texts", len(names))
	}
	return names, texts
}

// verdictOfSuite says what has to happen to a text: it is taken ("y"), refused
// ("n"), or either ("i").
func verdictOfSuite(name string, exceptions map[string]string) string {
	if exceptions[name] != "" {
		return "n"
	}
	return name[:1]
}

func TestJSONTestSuiteAsHeaderAndPayload(t *testing.T) {
	names, texts := jsonTexts(t)
	m, s := minters()[EdDSA], everyKey(t)
	for _, name := range names {
		text := string(texts[name])
		_, isObject := objectOf(text)
		verdict := verdictOfSuite(name, refusedAsToken())
		// No text of the suite is a whole header or payload, so none is accepted;
		// the outcome shows whether the text was read.
		for place, c := range map[string]struct {
			token string
			read  protocol.Outcome // if it is an object
		}{
			"header":  {m.mint(text, testPayload(nil)), wrongAlgorithm},
			"payload": {m.mint(m.header(), text), missingClaim},
		} {
			_, reason := Verify(testPolicy(), s, []byte(c.token), testNow, nil)
			want := malformed
			if verdict == "y" && isObject {
				want = c.read
			}
			if verdict == "i" && (reason == c.read || reason == malformed) {
				continue
			}
			if reason != want {
				t.Errorf("%s as %s: %v, want %v", name, place, reason, want)
			}
		}
	}
}

func TestJSONTestSuiteAsClaimAndHeaderMember(t *testing.T) {
	names, texts := jsonTexts(t)
	m, s := minters()[EdDSA], everyKey(t)
	taken := 0
	for _, name := range names {
		text := string(texts[name])
		verdict := verdictOfSuite(name, refusedAsToken())
		for place, token := range map[string]string{
			"claim":         m.mint(m.header(), with(`"x":`+text)),
			"header member": m.mint(`{"alg":"EdDSA","kid":"kid-EdDSA","x":`+text+"}", testPayload(nil)),
		} {
			c, reason := Verify(testPolicy(), s, []byte(token), testNow, nil)
			checkClaims(t, c, reason)
			accepted := reason == accepted
			if accepted {
				taken++
				if !json.Valid([]byte(text)) || !json.Valid(c.JSON) || strings.ContainsAny(string(c.JSON), "\n\r\t\x00\x7f") {
					t.Errorf("%s as %s: accepted, and the JSON is %q", name, place, c.JSON)
				}
			}
			if !accepted && reason != malformed || verdict != "i" && accepted != (verdict == "y") {
				t.Errorf("%s as %s: %v", name, place, reason)
			}
			agree(t, testPolicy(), s, []byte(token), testNow)
		}
	}
	if taken < 150 {
		t.Errorf("only %d were taken", taken)
	}
}

func TestJSONTestSuiteInKeySets(t *testing.T) {
	names, texts := jsonTexts(t)
	m := minters()[ES256]
	key := string(mustJSON(m.jwk(nil)))
	token := []byte(m.mint(m.header(), testPayload(nil)))
	for _, name := range names {
		text := string(texts[name])
		verdict := verdictOfSuite(name, nil)
		if _, err := ParseSet([]byte(text), Algorithms()); err == nil {
			t.Errorf("%s is no key set", name)
		}
		for place, c := range map[string]struct {
			body       string
			exceptions map[string]string // texts that are JSON and make this key unusable
		}{
			"beside the keys": {`{"keys":[` + key + `],"x":` + text + `}`, nil},
			"before the keys": {`{"x":` + text + `,"keys":[` + key + `]}`, nil},
			"as another key":  {`{"keys":[` + key + `,` + text + `]}`, nil},
			"in the key":      {`{"keys":[` + key[:len(key)-1] + `,"note":` + text + `}]}`, refusedAsToken()},
		} {
			set, err := ParseSet([]byte(c.body), Algorithms())
			usable := err == nil
			if usable {
				if _, reason := Verify(testPolicy(), set, token, testNow, nil); reason != accepted {
					t.Errorf("%s %s: the good key does not verify: %v", name, place, reason)
				}
			}
			if want := verdictOfSuite(name, c.exceptions); verdict != "i" && usable != (want == "y") {
				t.Errorf("%s %s: %v", name, place, err)
			}
		}
	}
}

// objectOf tells whether a text is a JSON object, by the standard library.
func objectOf(text string) (object map[string]any, ok bool) {
	err := json.Unmarshal([]byte(text), &object)
	return object, err == nil && object != nil
}
