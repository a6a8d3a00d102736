package top

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/cli"
	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/terminal"
)

// plainLines prints one line for each interval, for files and pipes.
type plainLines struct{ *cli.Settings }

// plainColumns are widths that fit the usual values of the columns.
const plainColumns = "%-8s %9s %9s %9s %9s %6s %9s %9s %7s %9s %8s %7s %-9s %8s %6s %6s %8s %8s  %s\n"

func (p *plainLines) first(*look) error {
	return p.line("TIME", "LOOKUPS/S", "ACCEPTED", "REJECTED", "UNKNOWN", "HIT%", "UPSTREAM", "CACHE", "STALE", "CLIENT",
		"CALLS/S", "BUDGET", "CIRCUIT", "KEY-AGE", "FILL%", "CONNS", "P50", "P99", "WRONG")
}

func (p *plainLines) next(before, now *look) error {
	if now.err != nil {
		_, err := fmt.Fprintf(p.Err, "neonauthctl: %s no answer: %s\n", clock(now.at), terminal.Printable(now.err.Error()))
		return err
	}
	i := between(before, now)
	s := i.now
	all := summary(&i)
	return p.line(
		clock(now.at),
		i.rate(lookups).String(),
		i.rate(func(s *stats) uint64 { return s.Outcomes.Accepted }).String(),
		i.rate(func(s *stats) uint64 { return s.Outcomes.Rejected }).String(),
		i.rate(func(s *stats) uint64 { return s.Outcomes.Unknown }).String(),
		percent(i.hitRatio()),
		i.rate(func(s *stats) uint64 { return s.Sources.Upstream }).String(),
		i.rate(func(s *stats) uint64 { return s.Sources.Cache }).String(),
		i.rate(func(s *stats) uint64 { return s.Sources.Stale }).String(),
		i.rate(func(s *stats) uint64 { return s.Sources.Client }).String(),
		all.calls.String(), strconv.FormatInt(all.budget, 10), orDash(all.circuit), ago(all.keysAge),
		percent(fill(s)), strconv.FormatInt(s.Connections.Open, 10), short(s.Latency.P50), short(s.Latency.P99), orDash(strings.Join(i.wrong(), ",")),
	)
}

func (p *plainLines) close() {}

func (p *plainLines) line(cells ...any) error {
	line := fmt.Sprintf(plainColumns, cells...)
	_, err := p.Out.Write([]byte(line))
	return err
}

// worst combines several projects on one line: the sum of their calls, and
// otherwise the values of the project that is worst off.
type worst struct {
	calls   rate
	budget  int64
	circuit string
	keysAge int64
}

func summary(i *interval) worst {
	var w worst
	for n := range i.now.Projects {
		p := &i.now.Projects[n]
		calls := i.upstream(p, func(u *upstreamStats) uint64 { return u.Calls })
		w.calls = rate{perSecond: w.calls.perSecond + calls.perSecond, known: calls.known && (n == 0 || w.calls.known)}
		if n == 0 || p.Upstream.Budget < w.budget {
			w.budget = p.Upstream.Budget
		}
		if n == 0 || severity(p.Upstream.Circuit) > severity(w.circuit) {
			w.circuit = p.Upstream.Circuit
		}
		w.keysAge = max(w.keysAge, p.KeysAge)
	}
	w.circuit = terminal.Printable(w.circuit)
	return w
}

func severity(circuit string) int {
	switch circuit {
	case "closed":
		return 0
	case "half-open":
		return 1
	}
	return 2
}

// String formats small rates with a decimal, and an unknown rate as "-".
func (r rate) String() string {
	switch {
	case !r.known:
		return "-"
	case r.perSecond == 0:
		return "0"
	case r.perSecond < 9.95:
		return strconv.FormatFloat(r.perSecond, 'f', 1, 64)
	}
	return strconv.FormatFloat(r.perSecond, 'f', 0, 64)
}

func percent(ratio float64, known bool) string {
	if !known {
		return "-"
	}
	return strconv.FormatFloat(100*ratio, 'f', 1, 64)
}

// fill returns how full the cache is.
func fill(s *stats) (ratio float64, known bool) {
	if s.Cache.MaxBytes <= 0 {
		return 0, false
	}
	return float64(s.Cache.Bytes) / float64(s.Cache.MaxBytes), true
}

// ago formats seconds with at most two units: 45s, 9m5s, 3h20m, 12d4h.
func ago(seconds int64) string {
	d := time.Duration(seconds) * time.Second
	switch {
	case d < time.Hour:
		return d.String()
	case d < 24*time.Hour:
		return strings.TrimSuffix(d.Truncate(time.Minute).String(), "0s")
	}
	return fmt.Sprintf("%dd%dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
}

// short formats the time of a lookup, "-" for none.
func short(seconds float64) string {
	if seconds <= 0 {
		return "-"
	}
	d := time.Duration(seconds * float64(time.Second))
	for _, unit := range []time.Duration{time.Second, time.Millisecond, time.Microsecond} {
		if d >= unit {
			return d.Round(unit / 10).String()
		}
	}
	return d.String()
}

func clock(t time.Time) string { return t.Format(time.TimeOnly) }

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
