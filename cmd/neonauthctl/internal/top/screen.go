package top

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/terminal"
)

// What the screen says to the terminal (ECMA-48; the alternate screen is
// xterm's, which every terminal of today has).
const (
	enterScreen = "\x1b[?1049h\x1b[?25l"
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	homeCursor  = "\x1b[H"
	clearLine   = "\x1b[K"
	clearBelow  = "\x1b[J"
	bold        = "\x1b[1m"
	normal      = "\x1b[m"
)

// screen shows the last interval over the whole terminal.
type screen struct {
	out      *os.File
	keyboard *keyboard // nil: standard input is no terminal
	interval time.Duration
}

// openScreen takes the terminal. "q" on it calls quit.
func openScreen(ctx context.Context, in, out *os.File, interval time.Duration, quit func()) (*screen, error) {
	s := &screen{out: out, interval: interval}
	if in != nil && terminal.IsTerminal(in) {
		k, err := openKeyboard(ctx, in, quit)
		if err != nil {
			return nil, fmt.Errorf("take the terminal: %w", err)
		}
		s.keyboard = k
	}
	if _, err := out.WriteString(enterScreen); err != nil {
		s.close()
		return nil, written(err)
	}
	return s, nil
}

func (s *screen) close() {
	// A terminal that takes nothing any more cannot be helped.
	_, _ = s.out.WriteString(leaveScreen)
	if s.keyboard != nil {
		s.keyboard.close()
	}
}

func (s *screen) first(now *look) error { return s.next(nil, now) }

func (s *screen) next(before, now *look) error {
	width, height := sizeOf(s.out)
	_, err := s.out.WriteString(frame(page(before, now, s.interval), width, height))
	return err
}

// row is a line of the page; a loud one asks for attention.
type row struct {
	text string
	loud bool
}

// frame is what puts the rows on a terminal of that size, without flicker.
func frame(rows []row, width, height int) string {
	var b strings.Builder
	b.WriteString(homeCursor)
	for n, r := range rows[:min(len(rows), height)] {
		if n > 0 {
			b.WriteString("\r\n")
		}
		text := terminal.Printable(r.text)
		if runes := []rune(text); len(runes) > width {
			text = string(runes[:width])
		}
		if r.loud {
			text = bold + text + normal
		}
		b.WriteString(text)
		b.WriteString(clearLine)
	}
	b.WriteString(clearBelow)
	return b.String()
}

// page writes what is known. Of a failed look it shows what was known before.
func page(before, now *look, every time.Duration) []row {
	if now.err != nil {
		rows := []row{{text: "no answer for " + span(int64(now.at.Sub(before.at).Seconds())) + ": " + now.err.Error(), loud: true}}
		return append(rows, page(nil, before, every)...)
	}
	i := between(before, now)
	s := i.now
	rows := []row{
		{text: fmt.Sprintf("neonauthd %s   up %s   %s, every %s   answered in %s   q quits",
			s.Version, span(s.Uptime), clock(now.at), every, terminal.Short(now.took)), loud: true},
		{},
	}
	rows = append(rows, i.figures()...)
	if s.Panics > 0 {
		rows = append(rows, row{text: fmt.Sprintf("panics %d: please report what the log says of them", s.Panics), loud: true})
	}
	rows = append(append(rows, row{}), i.projects()...)
	return append(append(rows, row{}), i.why()...)
}

func (i *interval) figures() []row {
	of := func(counter func(*stats) uint64) string { return i.rate(counter).String() }
	s := i.now
	ratio, known := fill(s)
	return []row{
		{text: fmt.Sprintf("lookups/s   %8s   accepted %8s   rejected %8s   unknown  %8s", of(lookups),
			of(func(s *stats) uint64 { return s.Outcomes.Accepted }),
			of(func(s *stats) uint64 { return s.Outcomes.Rejected }),
			of(func(s *stats) uint64 { return s.Outcomes.Unknown }))},
		{text: fmt.Sprintf("cache hits %% %7s   upstream %8s   cache    %8s   stale    %8s", percent(i.hitRatio()),
			of(func(s *stats) uint64 { return s.Sources.Upstream }),
			of(func(s *stats) uint64 { return s.Sources.Cache }),
			of(func(s *stats) uint64 { return s.Sources.Stale }))},
		{text: fmt.Sprintf("by clients  %8s   watches  %8d   told     %8s", of(func(s *stats) uint64 { return s.Sources.Client }),
			s.Watches.Open, of(func(s *stats) uint64 { return s.Watches.Told }))},
		{text: fmt.Sprintf("connections %8d   new      %8s   refused  %8s   inflight %8d", s.Connections.Open,
			of(func(s *stats) uint64 { return s.Connections.Accepted }),
			of(func(s *stats) uint64 { return s.Connections.Refused }), s.Connections.InFlight)},
		{text: fmt.Sprintf("entries     %8d   evicted  %8s   revoked  %8d   filled  %% %7s", s.Cache.Entries,
			of(func(s *stats) uint64 { return s.Cache.Evictions }), s.Revocations, percent(ratio, known))},
		{text: fmt.Sprintf("memory      %8s   of       %8s   [%s]", size(s.Cache.Bytes), size(s.Cache.MaxBytes), bar(ratio, 35))},
	}
}

// projects is a table with a row for each project, what matters most first: a
// narrow terminal cuts the rest.
func (i *interval) projects() []row {
	width := len("PROJECT")
	for _, p := range i.now.Projects {
		width = max(width, len(p.Name))
	}
	line := func(cells ...any) string {
		return fmt.Sprintf("%-*s  %-9s %5s %6s %7s %6s %6s %4s %6s %6s %6s", append([]any{width}, cells...)...)
	}
	rows := []row{{text: line("PROJECT", "CIRCUIT", "RETRY", "BUDGET", "CALLS/S", "FAIL/S", "HELD/S", "KEYS", "AGE", "NEXT", "FAILED"), loud: true}}
	for n := range i.now.Projects {
		p := &i.now.Projects[n]
		of := func(counter func(*upstreamStats) uint64) string { return i.upstream(p, counter).String() }
		retry, age := "-", "-"
		if p.Upstream.RetryAfter > 0 {
			retry = span(p.Upstream.RetryAfter)
		}
		if p.Keys > 0 {
			age = span(p.KeysAge)
		}
		rows = append(rows, row{loud: p.trouble(), text: line(p.Name, orDash(p.Upstream.Circuit), retry, fmt.Sprint(p.Upstream.Budget),
			of(func(u *upstreamStats) uint64 { return u.Calls }), of(func(u *upstreamStats) uint64 { return u.Failures }),
			of(func(u *upstreamStats) uint64 { return u.Refused }), fmt.Sprint(p.Keys), age, span(p.KeysNext), fmt.Sprint(p.KeysFailures))})
	}
	return rows
}

// why lists the reasons and codes of the interval, nothing when there were none.
func (i *interval) why() []row {
	var rows []row
	for _, of := range []struct {
		name  string
		words func(*stats) map[string]uint64
	}{
		{"rejected/s", func(s *stats) map[string]uint64 { return s.Reasons }},
		{"unknown/s", func(s *stats) map[string]uint64 { return s.Codes }},
	} {
		var cells []string
		for _, w := range i.words(of.words) {
			cells = append(cells, w.word+" "+w.rate.String())
		}
		if cells != nil {
			rows = append(rows, row{text: fmt.Sprintf("%-11s %s", of.name, strings.Join(cells, "   "))})
		}
	}
	return rows
}

func bar(ratio float64, width int) string {
	full := int(min(max(ratio, 0), 1)*float64(width) + 0.5)
	return strings.Repeat("#", full) + strings.Repeat(".", width-full)
}

// size writes bytes in the unit that leaves few digits.
func size(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1fGiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1fMiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1fKiB", float64(n)/(1<<10))
}
