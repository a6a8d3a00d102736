package nearest

import (
	"slices"
	"strings"
	"testing"
)

func TestWhatWasMeantIsFound(t *testing.T) {
	words := []string{"verify", "profile", "revoke", "unrevoke", "revocations", "max_bytes", "--timeout", "key", "keys", "top"}
	for typed, want := range map[string]string{
		"verfy": "verify", "vreify": "verify", "veriyf": "verify", "VERIFY": "verify", "verify": "verify",
		"maxbytes": "max_bytes", "max-bytes": "max_bytes", "max_btyes": "max_bytes", "timeuot": "--timeout",
		"rev": "revoke revocations", "revocation": "revocations", "ky": "key", "keyss": "keys", "kez": "key",
		"x": "", "": "", "to": "top", "delete": "", "ab": "", "prof": "profile",
		strings.Repeat("verify", 11): "",
	} {
		if got := strings.Join(Of(typed, words), " "); got != want {
			t.Errorf("%q: %q, want %q", typed, got, want)
		}
	}
}

func TestOneDistanceIsOneMistake(t *testing.T) {
	for pair, want := range map[[2]string]int{
		{"", ""}: 0, {"", "ab"}: 2, {"ab", "ab"}: 0, {"ab", "ba"}: 1, {"abc", "ca"}: 3, {"abcd", "abd"}: 1, {"abd", "abcd"}: 1, {"abc", "axc"}: 1,
	} {
		if d := distance(pair[0], pair[1]); d != want || distance(pair[1], pair[0]) != want {
			t.Errorf("%q: %d, want %d", pair, d, want)
		}
	}
}

func TestTheQuestionRepeatsNothingThatWasTyped(t *testing.T) {
	words := []string{"json", "jsonl"}
	if q := Question("jsn", words, "--", ""); q != "; did you mean --json?" {
		t.Errorf("%q", q)
	}
	if q := Question("jso", words[:1], `"`, `"`); q != `; did you mean "json"?` {
		t.Errorf("%q", q)
	}
	if q := Question("canary", words, "", ""); q != "" {
		t.Errorf("%q", q)
	}
	if !slices.Equal(words, []string{"json", "jsonl"}) {
		t.Errorf("the words were changed: %q", words)
	}
}
