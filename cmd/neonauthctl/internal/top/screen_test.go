package top

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

// seen returns a look at the counters after n seconds.
func seen(t *testing.T, started, n int) *look {
	t.Helper()
	l := &look{at: time.Date(2026, 3, 1, 14, 2, n, 0, time.UTC), took: 312 * time.Microsecond, stats: new(stats)}
	if err := json.Unmarshal([]byte(statsObject(started, n)), l.stats); err != nil {
		t.Fatal(err)
	}
	return l
}

// shown returns the frame as a person sees it, without control sequences.
func shown(frame string) string {
	frame = strings.NewReplacer(homeCursor, "", clearLine, "", clearBelow, "", bold, "", red, "", normal, "", "\r", "").Replace(frame)
	lines := strings.Split(frame, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

const wantScreen = `neonauthd 1.2.3   up 1m30s   14:02:10, every 1s   answered in 312µs   q quits

lookups/s       1035   accepted     1000   rejected       30   unknown      !5.0
cache hits %    99.0   upstream       40   cache         950   stale         !10
latency p50    4.2µs   p99        12.3ms   hit p99      20µs   miss p99     1.5s
by clients       250   watches         6   told          2.0
connections       34   new            12   refused         0   inflight        3
entries        41234   evicted         0   revoked         2   filled  %    25.0
memory       16.0MiB   of        64.0MiB   [#########..........................]

PROJECT   CIRCUIT    RETRY BUDGET CALLS/S FAIL/S HELD/S KEYS    AGE   NEXT FAILED
main      closed         -     19     3.0      0      0    2  1m30s  8m40s      0
!shop?[2J !open     !1m30s      7     2.0   !1.0   !0.5   !0      -     3s     !4

rejected/s  expired 20   bad-signature 10
unknown/s   !unavailable 5.0`

func TestScreenShowsTheInterval(t *testing.T) {
	got := shown(frame(page(seen(t, 1, 0), seen(t, 1, 10), time.Second, style{}), 85, 24, style{}))
	if got != wantScreen {
		t.Errorf("the screen is\n%s\nwant\n%s", got, wantScreen)
	}
}

func TestScreenShowsGaugesBeforeTheFirstInterval(t *testing.T) {
	got := shown(frame(page(nil, seen(t, 1, 10), time.Second, style{colour: true}), 80, 24, style{colour: true}))
	for _, want := range []string{"lookups/s          -", "connections       34", "cache hits %       -", "open       1m30s      7       -"} {
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
	got := frame(page(before, failed, time.Second, style{}), 80, 24, style{})
	if strings.Contains(got, "\x1b[31m") {
		t.Error("an error's text steers the terminal")
	}
	if text := shown(got); !strings.HasPrefix(text, "!no answer for 42s: connect to ?[31m: refused\nneonauthd 1.2.3") {
		t.Errorf("the screen is\n%s", text)
	}
}

func TestFrameKeepsToTheTerminal(t *testing.T) {
	for _, s := range []style{{}, {colour: true}} {
		rows := page(seen(t, 1, 0), seen(t, 1, 10), time.Second, s)
		for _, size := range [][2]int{{1, 1}, {20, 5}, {80, 24}, {300, 100}} {
			lines := strings.Split(shown(frame(rows, size[0], size[1], s)), "\n")
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
}

// TestWhatIsWrongStandsOut, by its colour or a mark, and nothing else does. Each kind of
// fault has its word in the lines of --plain.
func TestWhatIsWrongStandsOut(t *testing.T) {
	for name, test := range map[string]struct {
		change      func(*stats)
		value, word string
	}{
		"nothing":          {func(*stats) {}, "", ""},
		"no keys":          {func(s *stats) { s.Projects[0].Keys = 0 }, "0", "good:keys"},
		"failed fetches":   {func(s *stats) { s.Projects[0].KeysFailures = 7 }, "7", "good:failed"},
		"open circuit":     {func(s *stats) { s.Projects[0].Upstream.Circuit = "open" }, "open", "good:circuit"},
		"half a circuit":   {func(s *stats) { s.Projects[0].Upstream.Circuit = "half-open" }, "half-open", "good:circuit"},
		"asked to wait":    {func(s *stats) { s.Projects[0].Upstream.RetryAfter = 3 }, "3s", "good:retry"},
		"no budget":        {func(s *stats) { s.Projects[0].Upstream.Budget = 0 }, "0", "good:budget"},
		"failing profiles": {func(s *stats) { s.Projects[0].Upstream.Failures = 70 }, "7.0", "good:fail"},
		"held back":        {func(s *stats) { s.Projects[0].Upstream.Refused = 70 }, "7.0", "good:held"},
		"no profiles":      {func(s *stats) { s.Projects[0].Failures = []failure{{Of: "profile", Cause: "down"}} }, "good: no profile, 1s ago: down", "good:no-profile"},
		"introspection":    {func(s *stats) { s.Projects[0].Introspection.Circuit = "open" }, "good", "good:introspection"},
		"not linked":       {func(s *stats) { s.Projects[0].Introspection.Unlinked = true }, "good", "good:unlinked"},
		"unknown":          {func(s *stats) { s.Outcomes.Unknown = 70 }, "7.0", "unknown"},
		"stale":            {func(s *stats) { s.Sources.Stale = 70 }, "7.0", "stale"},
		"turned away":      {func(s *stats) { s.Connections.Refused = 70 }, "7.0", "refused"},
		"lost lines":       {func(s *stats) { s.AccessLog.Lost = 70 }, "access log: lines that could not be written: 70", "access-log"},
		"not saved":        {func(s *stats) { s.Unsaved = true }, "a revocation is not saved", "unsaved"},
		"a fleet":          {func(s *stats) { s.Fleet = &fleetStats{Connected: true} }, "", ""},
		"refusing":         {func(s *stats) { s.Fleet = &fleetStats{Refuses: true, Heard: 70} }, "fleet: not heard for 1m10s, so this host accepts nothing", "fleet:refuses"},
		"refusing since":   {func(s *stats) { s.Fleet = &fleetStats{Refuses: true, Heard: -1} }, "fleet: not heard yet, so this host accepts nothing", "fleet:refuses"},
		"blind":            {func(s *stats) { s.Fleet = &fleetStats{Heard: 7} }, "fleet: not heard for 7s: what other hosts", "fleet:blind"},
		"silent hosts":     {func(s *stats) { s.Fleet = &fleetStats{Connected: true, Silent: 2} }, "fleet: hosts that are not heard and may be accepting: 2", "fleet:silent"},
		"a short while":    {func(s *stats) { s.Fleet = &fleetStats{Connected: true, Disagree: mostDisagreement} }, "", ""},
		"disagreement":     {func(s *stats) { s.Fleet = &fleetStats{Connected: true, Disagree: 90} }, "fleet: a host has kept other revocations than this one for 1m30s", "fleet:disagrees"},
		"panics":           {func(s *stats) { s.Panics = 70 }, "panics 70", "panics"},
	} {
		look := func(n int) *look {
			l := seen(t, 1, n)
			l.stats = &stats{Started: 1, Projects: []projectStats{{Name: "good", Keys: 1, Upstream: upstreamStats{Circuit: "closed", Budget: 20}}}}
			return l
		}
		before, now := look(0), look(10)
		test.change(now.stats)
		i := between(before, now)
		if got := strings.Join(i.wrong(), ","); got != test.word {
			t.Errorf("%s: the words are %q, want %q", name, got, test.word)
		}
		coloured := frame(page(before, now, time.Second, style{colour: true}), 100, 30, style{colour: true})
		marked := frame(page(before, now, time.Second, style{}), 100, 30, style{})
		if wrong := test.word != ""; strings.Contains(coloured, red) != wrong || strings.Contains(marked, mark) != wrong {
			t.Errorf("%s: red %t, marked %t, want %t", name, strings.Contains(coloured, red), strings.Contains(marked, mark), wrong)
		}
		found := false
		for _, piece := range strings.Split(coloured, red)[1:] {
			text, _, _ := strings.Cut(piece, normal)
			found = found || strings.Contains(text, test.value)
		}
		if test.value != "" && (!found || !strings.Contains(marked, mark+test.value) || strings.Contains(marked, red) || strings.Contains(coloured, mark)) {
			t.Errorf("%s: %q does not stand out in\n%q\n%s", name, test.value, coloured, shown(marked))
		}
		if project := strings.HasPrefix(test.word, "good:"); strings.Contains(marked, mark+"good") != project {
			t.Errorf("%s: the project's name stands out: %t", name, !project)
		}
	}
}

// TestColourIsWhereItIsWanted: NO_COLOR overrides the terminal.
func TestColourIsWhereItIsWanted(t *testing.T) {
	for _, test := range []struct {
		term, noColor string
		want          bool
	}{
		{"xterm-256color", "", true}, {"screen", "", true}, {"linux", "", true}, {"", "", true},
		{"xterm-256color", "1", false}, {"xterm", "0", false}, {"vt100", "", false}, {"vt220", "", false}, {"xterm-mono", "", false}, {"linux-m", "", false},
	} {
		t.Setenv("TERM", test.term)
		t.Setenv("NO_COLOR", test.noColor)
		if got := hasColour(); got != test.want {
			t.Errorf("%+v: %t", test, got)
		}
	}
}

func TestUnitsArePlain(t *testing.T) {
	for seconds, want := range map[int64]string{0: "0s", 59: "59s", 605: "10m5s", 3600: "1h0m", 12000: "3h20m", 90000: "1d1h", 1e6: "11d13h"} {
		if got := ago(seconds); got != want {
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
