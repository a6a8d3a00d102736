package terminal

import (
	"fmt"
	"strings"
	"testing"
)

// TestACheckThatPassedSaysWhatItWantsWhereThatFits: on the line that says what is there.
func TestACheckThatPassedSaysWhatItWantsWhereThatFits(t *testing.T) {
	fits := strings.Repeat("x", maxPassed-len("is: here, wants: "))
	for name, c := range map[string]struct{ result, is, wants, want string }{
		"passed":                          {"pass", "here", "there", "is: here, wants: there\n"},
		"passed, the longest that fits":   {"pass", "here", fits, "is: here, wants: " + fits + "\n"},
		"passed, longer by one character": {"pass", "here", fits + "x", "is: here\n"},
		"failed, however long":            {"fail", "here", fits + "x", "is: here\n                   wants: " + fits + "x\n"},
	} {
		var out strings.Builder
		printed := (&Terminal{Out: &out}).PrintTree(fmt.Appendf(nil, `{"checks":[{"check":"exp","result":%q,"detail":"d","is":%q,"wants":%q}]}`, c.result, c.is, c.wants))
		if _, after, _ := strings.Cut(out.String(), "d\n"); printed != nil || strings.TrimLeft(after, " ") != c.want {
			t.Errorf("%s: %q, want %q, %v", name, strings.TrimLeft(after, " "), c.want, printed)
		}
	}
}
