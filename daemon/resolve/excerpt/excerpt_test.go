package excerpt

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// TestWhatIsShownIsBounded at n-1, n and n+1.
func TestWhatIsShownIsBounded(t *testing.T) {
	for n, more := range map[int]string{MaxListed - 1: "", MaxListed: "", MaxListed + 1: " and 1 more"} {
		text := List(slices.Repeat([]string{"x"}, n))
		if strings.Count(text, "x") != min(n, MaxListed) || !strings.HasSuffix(text, "x"+more) {
			t.Errorf("%d: %s", n, text)
		}
	}
	for n, more := range map[int]string{MaxValue - 1: "", MaxValue: "", MaxValue + 1: "..."} {
		if text := Of(strings.Repeat("x", n)); text != strings.Repeat("x", min(n, MaxValue))+more {
			t.Errorf("%d: %s", n, text)
		}
	}
}

func TestForeignTextIsShownInVisibleASCII(t *testing.T) {
	if text := Of("a\x1b[31m\n\u202eé\"\\"); text != `a\x1b[31m\n\u202e\u00e9\"\\` {
		t.Error(text)
	}
}

func TestDistancesAreBetweenWhatIsShown(t *testing.T) {
	now := time.Unix(1_800_000_000, 900_000_000)
	for ahead, want := range map[time.Duration]string{0: "now", 50 * time.Millisecond: "now", 100 * time.Millisecond: "in 1s", -time.Second: "1s ago", time.Hour: "in 1h", -48 * time.Hour: "2d ago"} {
		if text := Distance(now.Add(ahead), now); text != want {
			t.Errorf("%s: %s, want %s", ahead, text, want)
		}
	}
}
