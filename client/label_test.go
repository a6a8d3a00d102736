package client

import (
	"fmt"
	"hash/maphash"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/protocol"
)

// TestALabelTellsAskersApartAndNothingElse: what goes over the wire
// distinguishes those for whom a program asks, and says nothing else about
// them.
func TestALabelTellsAskersApartAndNothingElse(t *testing.T) {
	seed, other := maphash.MakeSeed(), maphash.MakeSeed()
	line := func(seed maphash.Seed, asker string) string {
		q := question{verb: protocol.VERIFY, token: "a.b.c", seed: seed, wishes: wishesOf(protocol.VERIFY, "", []Option{OnBehalfOf(asker)})}
		return string(q.append(nil, 1, time.Second))
	}
	if strings.Contains(line(seed, ""), "for=") {
		t.Error("asking for nobody has a label")
	}
	seen := map[string]string{}
	for i := range 10_000 {
		asker := fmt.Sprint("192.0.2.", i)
		text := line(seed, asker)
		if !regexp.MustCompile(`^@1 VERIFY deadline=\d+ for=[0-9a-z]{1,13} a\.b\.c\n$`).MatchString(text) {
			t.Fatalf("%q", text)
		}
		if before, twice := seen[text]; twice {
			t.Fatalf("%s and %s have one label", before, asker)
		}
		seen[text] = asker
		if text != line(seed, asker) || text == line(other, asker) {
			t.Fatalf("%s has two labels, or the same in another client", asker)
		}
	}
	for _, odd := range []string{"\n", "a=b c", strings.Repeat("x", 100_000), "\xff"} {
		if text := line(seed, odd); len(text) > 100 || strings.Count(text, "\n") != 1 {
			t.Errorf("%.20q becomes %q", odd, text)
		}
	}
}
