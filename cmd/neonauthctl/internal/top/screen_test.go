package top

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

// seen is a look at the counters after n seconds.
func seen(t *testing.T, started, n int) *look {
	t.Helper()
	l := &look{at: time.Date(2026, 3, 1, 14, 2, n, 0, time.UTC), took: 312 * time.Microsecond, stats: new(stats)}
	if err := json.Unmarshal([]byte(statsObject(started, n)), l.stats); err != nil {
		t.Fatal(err)
	}
	return l
}

// shown is the frame as a person sees it: without what steers the terminal.
func shown(frame string) string {
	frame = strings.NewReplacer(homeCursor, "", clearLine, "", clearBelow, "", bold, "", normal, "", "\r", "").Replace(frame)
	lines := strings.Split(frame, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

const wantScreen = `neonauthd 1.2.3   up 1m30s   14:02:10, every 1s   answered in 312µs   q quits

lookups/s       1035   accepted     1000   rejected       30   unknown       5.0
cache hits %    99.0   upstream       40   cache         950   stale          10
by clients       250   watches         6   told          2.0
connections       34   new            12   refused         0   inflight        3
entries        41234   evicted         0   revoked         2   filled  %    25.0
memory       16.0MiB   of        64.0MiB   [#########..........................]

PROJECT   CIRCUIT   RETRY BUDGET CALLS/S FAIL/S HELD/S KEYS    AGE   NEXT FAILED
main      closed        -     19     3.0      0      0    2  1m30s  8m40s      0
shop?[2J  open      1m30s      7     2.0    1.0    0.5    0      -     3s      4

rejected/s  expired 20   bad-signature 10
unknown/s   unavailable 5.0`

func TestScreenShowsTheInterval(t *testing.T) {
	got := shown(frame(page(seen(t, 1, 0), seen(t, 1, 10), time.Second), 80, 24))
	if got != wantScreen {
		t.Errorf("the screen is\n%s\nwant\n%s", got, wantScreen)
	}
}

func TestScreenShowsGaugesBeforeTheFirstInterval(t *testing.T) {
	got := shown(frame(page(nil, seen(t, 1, 10), time.Second), 80, 24))
	for _, want := range []string{"lookups/s          -", "connections       34", "cache hits %       -", "open      1m30s      7       -"} {
		if !strings.Contains(got, want) {
			t.Errorf("the screen lacks %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "rejected/s") {
		t.Errorf("the screen has reasons of no interval:\n%s", got)
	}
}

func TestScreenTellsThatTheDaemonDoesNotAnswer(t *testing.T) {
	before := seen(t, 1, 10)
	failed := &look{at: before.at.Add(42 * time.Second), err: errors.New("connect to \x1b[31m: refused")}
	got := frame(page(before, failed, time.Second), 80, 24)
	if strings.Contains(got, "\x1b[31m") {
		t.Error("an error's text steers the terminal")
	}
	if text := shown(got); !strings.HasPrefix(text, "no answer for 42s: connect to ?[31m: refused\nneonauthd 1.2.3") {
		t.Errorf("the screen is\n%s", text)
	}
}

func TestFrameKeepsToTheTerminal(t *testing.T) {
	rows := page(seen(t, 1, 0), seen(t, 1, 10), time.Second)
	for _, size := range [][2]int{{1, 1}, {20, 5}, {80, 24}, {300, 100}} {
		lines := strings.Split(shown(frame(rows, size[0], size[1])), "\n")
		if len(lines) > size[1] {
			t.Errorf("%d lines on a terminal of %v", len(lines), size)
		}
		for _, line := range lines {
			if len([]rune(line)) > size[0] {
				t.Errorf("line %q on a terminal of %v", line, size)
			}
		}
	}
}

func TestRowsThatNeedAttentionAreLoud(t *testing.T) {
	quiet := func(p projectStats) *look {
		l := seen(t, 1, 1)
		l.stats.Projects = []projectStats{p}
		return l
	}
	good := projectStats{Name: "good", Keys: 1, Upstream: upstreamStats{Circuit: "closed"}}
	for name, change := range map[string]func(*projectStats){
		"nothing":        func(*projectStats) {},
		"no keys":        func(p *projectStats) { p.Keys = 0 },
		"failed fetches": func(p *projectStats) { p.KeysFailures = 1 },
		"open circuit":   func(p *projectStats) { p.Upstream.Circuit = "open" },
		"half a circuit": func(p *projectStats) { p.Upstream.Circuit = "half-open" },
		"asked to wait":  func(p *projectStats) { p.Upstream.RetryAfter = 3 },
	} {
		p := good
		change(&p)
		got := strings.Contains(frame(page(nil, quiet(p), time.Second), 80, 24), bold+"good")
		if want := name != "nothing"; got != want {
			t.Errorf("%s: loud is %v", name, got)
		}
	}
}

func TestUnitsArePlain(t *testing.T) {
	for seconds, want := range map[int64]string{0: "0s", 59: "59s", 605: "10m5s", 3600: "1h0m", 12000: "3h20m", 90000: "1d1h", 1e6: "11d13h"} {
		if got := span(seconds); got != want {
			t.Errorf("%d seconds are %q, want %q", seconds, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0.0KiB", 1536: "1.5KiB", 64 << 20: "64.0MiB", 3 << 30: "3.0GiB"} {
		if got := size(n); got != want {
			t.Errorf("%d bytes are %q, want %q", n, got, want)
		}
	}
	for perSecond, want := range map[float64]string{0: "0", 0.04: "0.0", 9.94: "9.9", 9.95: "10", 12345.6: "12346"} {
		if got := (rate{perSecond, true}).String(); got != want {
			t.Errorf("%v is %q, want %q", perSecond, got, want)
		}
	}
}
