package serve

import (
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/internal/exposition/expositiontest"
)

func TestAQuantileLiesInItsBucket(t *testing.T) {
	var none Latency
	if all, hits, misses := none.Recent(); all != (Spread{}) || hits != (Spread{}) || misses != (Spread{}) {
		t.Errorf("of no lookups: %v %v %v", all, hits, misses)
	}
	for name, test := range map[string]struct {
		times []time.Duration
		want  Spread
	}{
		"one in the first bucket": {[]time.Duration{1}, Spread{500, 990}},
		"one at a bound":          {[]time.Duration{time.Millisecond}, Spread{750 * time.Microsecond, 995 * time.Microsecond}},
		"above the last bound":    {[]time.Duration{time.Minute}, Spread{5 * time.Second, 5 * time.Second}},
		"of two":                  {[]time.Duration{3 * time.Microsecond, 15 * time.Millisecond}, Spread{5 * time.Microsecond, 19800 * time.Microsecond}},
	} {
		var l Latency
		for _, d := range test.times {
			l.misses.add(d)
		}
		if _, _, got := l.Recent(); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

// TestOfAllLookupsHitsCountForThoseThatAreNotTimed: each timed hit counts
// HitSample times.
func TestOfAllLookupsHitsCountForThoseThatAreNotTimed(t *testing.T) {
	var l Latency
	for range 10 {
		l.hits.add(time.Microsecond)
		l.misses.add(time.Second)
	}
	all, hits, misses := l.Recent()
	if all.P50 > time.Microsecond || all.P99 < 500*time.Millisecond || hits.P99 > time.Microsecond || misses.P50 < 500*time.Millisecond {
		t.Errorf("%v %v %v", all, hits, misses)
	}
}

func TestRecentForgetsAfterAMinute(t *testing.T) {
	var l Latency
	start := time.Now()
	l.Mark(start)
	l.misses.add(time.Second)
	for at := time.Duration(0); at <= 10*recentTime; at += recentTime / 12 {
		l.Mark(start.Add(at))
		_, _, misses := l.Recent()
		if there := misses != (Spread{}); there != (at < recentTime) {
			t.Fatalf("after %v it is %v", at, misses)
		}
		if len(l.marks) > 13 {
			t.Fatalf("%d marks are kept", len(l.marks))
		}
	}
}

func TestHistogramsAreAsPrometheusReadsThem(t *testing.T) {
	var l Latency
	l.hits.add(3 * time.Microsecond)
	l.hits.add(time.Hour)
	l.misses.add(1500 * time.Microsecond)
	var page strings.Builder
	page.WriteString("# HELP " + LatencyName + " x\n# TYPE " + LatencyName + " histogram\n")
	l.Write(&page)
	for _, line := range []string{
		`_bucket{memory="hit",le="1e-06"} 0`, `_bucket{memory="hit",le="5e-06"} 1`, `_bucket{memory="hit",le="5"} 1`, `_bucket{memory="hit",le="+Inf"} 2`,
		`_sum{memory="hit"} 3600.000003`, `_count{memory="hit"} 2`, `_bucket{memory="miss",le="0.001"} 0`, `_bucket{memory="miss",le="0.002"} 1`, `_sum{memory="miss"} 0.0015`,
	} {
		if !strings.Contains(page.String(), LatencyName+line+"\n") {
			t.Errorf("the page lacks %s:\n%s", line, page.String())
		}
	}
	expositiontest.PassesPromtool(t, page.String())
}
