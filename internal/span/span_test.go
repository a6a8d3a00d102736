package span

import (
	"math"
	"testing"
	"time"
)

func TestDurationsAreReadAndWrittenAsPeopleDo(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"500ms": 500 * time.Millisecond, "60s": time.Minute, "5m": 5 * time.Minute, "48h": 2 * Day, "7d": 7 * Day, "1d12h": 36 * time.Hour,
		"1h30m": 90 * time.Minute, "0s": 0, "0d": 0, "-5s": -5 * time.Second, "1.5h": 90 * time.Minute,
	} {
		got, err := Parse(text)
		if err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
		if again, err := Parse(String(want)); want >= 0 && (err != nil || again != want) {
			t.Errorf("%q is written %q, which is read as %v, %v", text, String(want), again, err)
		}
	}
	for _, text := range []string{"", "5", "d", "1w", "5 s", "-1d", "1d24h", "1d-1h", "1.5d", "48 hours", "106752d", "99999999999d", "x"} {
		if got, err := Parse(text); err == nil {
			t.Errorf("%q is read as %v", text, got)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "0s", time.Minute: "1m", 90 * time.Second: "1m30s", time.Hour: "1h", Day: "24h", 36 * time.Hour: "36h", 60 * time.Hour: "2d12h", 10 * time.Minute: "10m",
		time.Hour + time.Second: "1h0m1s", 1500 * time.Millisecond: "1.5s", -time.Hour: "-1h", math.MinInt64: "-2562047h47m16.854775808s", math.MaxInt64: "106751d23h47m16.854775807s",
		20 * time.Hour: "20h", 100 * time.Millisecond: "100ms",
	} {
		if got := String(d); got != want {
			t.Errorf("%d: %q, want %q", d, got, want)
		}
	}
}
