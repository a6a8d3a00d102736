package strictjson

import (
	"strings"
	"testing"
)

func TestNamesFoldAsEqualFoldDoes(t *testing.T) {
	names := []string{"sub", "SUB", "ſub", "kid", "KID", "\u212aid", "σ", "ς", "Σ", "straße", "STRASSE", "é", "É", "i", "İ", "ı", "I", "ǆ", "ǅ", "Ǆ", "θ", "ϑ", "ϴ", "", "a\xff"}
	for _, a := range names {
		for _, b := range names {
			same := string(appendFold(nil, []byte(a))) == string(appendFold(nil, []byte(b)))
			if same != strings.EqualFold(a, b) {
				t.Errorf("%q and %q: same %v, EqualFold %v", a, b, same, !same)
			}
		}
	}
}
