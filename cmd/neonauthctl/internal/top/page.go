package top

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/terminal"
)

// style is how wrong values are highlighted.
type style struct {
	colour bool // else by a mark
}

// hasColour reports whether the terminal has colours and the user wants them
// (https://no-color.org).
func hasColour() bool {
	kind := os.Getenv("TERM")
	return os.Getenv("NO_COLOR") == "" && !strings.HasPrefix(kind, "vt") && !strings.HasSuffix(kind, "-m") && !strings.HasSuffix(kind, "-mono")
}

// mark stands before a wrong value if there are no colours.
const mark = "!"

// text returns a value as it is shown.
func (s style) text(value string, wrong bool) string {
	if wrong && !s.colour {
		return mark + value
	}
	return value
}

// span is a piece of a row.
type span struct {
	text  string
	wrong bool // an operator should look at it
}

// row is a line of the page; a loud row is a heading.
type row struct {
	spans []span
	loud  bool
}

// frame returns the text that draws the rows on a terminal of this size,
// without flicker.
func frame(rows []row, width, height int, s style) string {
	var b strings.Builder
	b.WriteString(homeCursor)
	for n, r := range rows[:min(len(rows), height)] {
		if n > 0 {
			b.WriteString("\r\n")
		}
		left := width
		for _, piece := range r.spans {
			text := []rune(terminal.Printable(piece.text))
			text = text[:min(len(text), left)]
			left -= len(text)
			switch {
			case piece.wrong && s.colour:
				b.WriteString(red + string(text) + normal)
			case r.loud:
				b.WriteString(bold + string(text) + normal)
			default:
				b.WriteString(string(text))
			}
		}
		b.WriteString(clearLine)
	}
	b.WriteString(clearBelow)
	return b.String()
}

// page returns the rows. After a failed look they show what was known before.
func page(before, now *look, every time.Duration, s style) []row {
	if now.err != nil {
		text := s.text("no answer for "+ago(int64(now.at.Sub(before.at).Seconds()))+": "+now.err.Error(), true)
		return append([]row{{spans: []span{{text, true}}}}, page(nil, before, every, s)...)
	}
	i := between(before, now)
	rows := []row{
		{spans: []span{{text: fmt.Sprintf("neonauthd %s   up %s   %s, every %s   answered in %s   q quits",
			i.now.Version, ago(i.now.Uptime), clock(now.at), every, terminal.Short(now.took))}}, loud: true},
		{},
	}
	rows = append(rows, i.figures(s)...)
	rows = append(rows, i.faults(s)...)
	rows = append(append(rows, row{}), i.projects(s)...)
	rows = append(rows, i.causes(s)...)
	return append(append(rows, row{}), i.why(s)...)
}

// figure is a value with its name.
type figure struct {
	name, value string
	wrong       bool
}

// line returns a row with the figures beside each other.
func (s style) line(figures ...figure) row {
	var r row
	for n, f := range figures {
		form := "   %-9s%8s"
		if n == 0 {
			form = "%-12s%8s"
		}
		r.spans = append(r.spans, span{fmt.Sprintf(form, f.name, s.text(f.value, f.wrong)), f.wrong})
	}
	return r
}

func (i *interval) figures(s style) []row {
	good := func(name string, counter func(*stats) uint64) figure {
		return figure{name: name, value: i.rate(counter).String()}
	}
	bad := func(name string, counter func(*stats) uint64) figure {
		r := i.rate(counter)
		return figure{name, r.String(), r.perSecond > 0}
	}
	count := func(name string, n int64) figure { return figure{name: name, value: fmt.Sprint(n)} }
	took := func(name string, seconds float64) figure { return figure{name: name, value: short(seconds)} }
	now := i.now
	ratio, known := fill(now)
	memory := s.line(figure{name: "memory", value: size(now.Cache.Bytes)}, figure{name: "of", value: size(now.Cache.MaxBytes)})
	memory.spans = append(memory.spans, span{text: "   [" + bar(ratio, 35) + "]"})
	return []row{
		s.line(good("lookups/s", lookups),
			good("accepted", func(s *stats) uint64 { return s.Outcomes.Accepted }),
			good("rejected", func(s *stats) uint64 { return s.Outcomes.Rejected }),
			bad("unknown", func(s *stats) uint64 { return s.Outcomes.Unknown })),
		s.line(figure{name: "cache hits %", value: percent(i.hitRatio())},
			good("upstream", func(s *stats) uint64 { return s.Sources.Upstream }),
			good("cache", func(s *stats) uint64 { return s.Sources.Cache }),
			bad("stale", func(s *stats) uint64 { return s.Sources.Stale })),
		s.line(took("latency p50", now.Latency.P50), took("p99", now.Latency.P99),
			took("hit p99", now.Latency.HitP99), took("miss p99", now.Latency.MissP99)),
		s.line(good("by clients", func(s *stats) uint64 { return s.Sources.Client }),
			count("watches", now.Watches.Open), good("told", func(s *stats) uint64 { return s.Watches.Told })),
		s.line(count("connections", now.Connections.Open),
			good("new", func(s *stats) uint64 { return s.Connections.Accepted }),
			bad("refused", func(s *stats) uint64 { return s.Connections.Refused }),
			count("inflight", now.Connections.InFlight)),
		s.line(count("entries", now.Cache.Entries),
			good("evicted", func(s *stats) uint64 { return s.Cache.Evictions }),
			count("revoked", now.Revocations), figure{name: "filled  %", value: percent(ratio, known)}),
		memory,
	}
}

// faults returns rows about things that should never happen.
func (i *interval) faults(s style) []row {
	var rows []row
	add := func(n uint64, what string) {
		if n > 0 {
			rows = append(rows, row{spans: []span{{s.text(fmt.Sprintf(what, n), true), true}}})
		}
	}
	if i.now.Unsaved {
		rows = append(rows, row{spans: []span{{s.text("a revocation is not saved: mend the state directory and repeat it", true), true}}})
	}
	_, sentences := i.now.Fleet.trouble()
	for _, text := range sentences {
		rows = append(rows, row{spans: []span{{s.text(text, true), true}}})
	}
	add(i.now.Panics, "panics %d: please report what the log says of them")
	add(i.now.AccessLog.Lost, "access log: lines that could not be written: %d; the log says why")
	return rows
}

// projects returns a table with a row for each project. The most important
// columns come first, because a narrow terminal cuts the others off.
func (i *interval) projects(s style) []row {
	width := len("PROJECT")
	for _, p := range i.now.Projects {
		width = max(width, len(p.Name)+len(mark))
	}
	columns := []string{fmt.Sprintf("%%-%ds", width), " %-9s", " %6s", " %6s", " %7s", " %6s", " %6s", " %4s", " %6s", " %6s", " %6s"}
	line := func(cells ...span) row {
		var r row
		for n, c := range cells {
			r.spans = append(r.spans, span{fmt.Sprintf(columns[n], s.text(c.text, c.wrong)), c.wrong})
		}
		return r
	}
	var heading []span
	for _, name := range []string{"PROJECT", "CIRCUIT", "RETRY", "BUDGET", "CALLS/S", "FAIL/S", "HELD/S", "KEYS", "AGE", "NEXT", "FAILED"} {
		heading = append(heading, span{text: name})
	}
	rows := []row{{spans: line(heading...).spans, loud: true}}
	for n := range i.now.Projects {
		p := &i.now.Projects[n]
		calls := i.upstream(p, func(u *upstreamStats) uint64 { return u.Calls })
		failures := i.upstream(p, func(u *upstreamStats) uint64 { return u.Failures })
		held := i.upstream(p, func(u *upstreamStats) uint64 { return u.Refused })
		retry, age := "-", "-"
		if p.Upstream.RetryAfter > 0 {
			retry = ago(p.Upstream.RetryAfter)
		}
		if p.Keys > 0 {
			age = ago(p.KeysAge)
		}
		rows = append(rows, line(
			span{p.Name, len(i.trouble(p)) > 0},
			span{orDash(p.Upstream.Circuit), p.open()}, span{retry, p.Upstream.RetryAfter > 0}, span{fmt.Sprint(p.Upstream.Budget), p.Upstream.Budget <= 0},
			span{text: calls.String()}, span{failures.String(), failures.perSecond > 0}, span{held.String(), held.perSecond > 0},
			span{fmt.Sprint(p.Keys), p.Keys == 0}, span{text: age}, span{text: ago(p.KeysNext)}, span{fmt.Sprint(p.KeysFailures), p.KeysFailures > 0}))
	}
	return rows
}

// causes returns rows about the requests that an upstream does not answer now,
// and why.
func (i *interval) causes(s style) []row {
	var rows []row
	for n := range i.now.Projects {
		p := &i.now.Projects[n]
		for _, f := range p.Failures {
			if !f.Over {
				text := fmt.Sprintf("%s: no %s, %s ago: %s", p.Name, f.Of, ago(max(0, i.now.Started+i.now.Uptime-f.At)), f.Cause)
				rows = append(rows, row{spans: []span{{s.text(text, true), true}}})
			}
		}
	}
	return rows
}

// why returns rows with the reasons and codes of the interval; none if there
// were none.
func (i *interval) why(s style) []row {
	var rows []row
	for _, of := range []struct {
		name  string
		words func(*stats) map[string]uint64
		wrong bool
	}{
		{"rejected/s", func(s *stats) map[string]uint64 { return s.Reasons }, false},
		{"unknown/s", func(s *stats) map[string]uint64 { return s.Codes }, true},
	} {
		var cells []string
		for _, w := range i.words(of.words) {
			cells = append(cells, w.word+" "+w.rate.String())
		}
		if cells != nil {
			rows = append(rows, row{spans: []span{{text: fmt.Sprintf("%-11s ", of.name)}, {s.text(strings.Join(cells, "   "), of.wrong), of.wrong}}})
		}
	}
	return rows
}
