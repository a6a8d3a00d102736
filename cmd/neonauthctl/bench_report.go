package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"
)

// benchDocument is what bench --json prints; output.md describes it.
type benchDocument struct {
	Verb         string         `json:"verb"`
	Connections  int            `json:"connections"`
	Depth        int            `json:"depth"`
	Tagged       bool           `json:"tagged"`
	MissPercent  int            `json:"miss_percent"`
	BadPercent   int            `json:"bad_percent"`
	RequestBytes int            `json:"request_bytes"`
	ReplyBytes   int            `json:"reply_bytes"`
	Daemon       tallyDocument  `json:"daemon"`
	Baseline     *tallyDocument `json:"baseline,omitempty"`
	Ratio        *ratioDocument `json:"ratio,omitempty"`

	Compare *compareDocument `json:"compare,omitempty"`
}

type compareDocument struct {
	Store    string        `json:"store"`
	Measured tallyDocument `json:"measured"`
	Ratio    ratioDocument `json:"ratio"`
}

type tallyDocument struct {
	Seconds  float64           `json:"seconds"`
	Requests uint64            `json:"requests"`
	Rate     float64           `json:"rate"`
	P50      float64           `json:"p50"`
	P99      float64           `json:"p99"`
	P999     float64           `json:"p999"`
	Max      float64           `json:"max"`
	Accepted uint64            `json:"accepted"`
	Rejected uint64            `json:"rejected"`
	Unknown  uint64            `json:"unknown"`
	Words    map[string]uint64 `json:"words"`
}

type ratioDocument struct {
	Rate float64 `json:"rate"`
	P50  float64 `json:"p50"`
	P99  float64 `json:"p99"`
}

func tallied(t *tally) tallyDocument {
	return tallyDocument{
		Seconds: t.elapsed.Seconds(), Requests: t.requests(), Rate: t.rate(),
		P50: t.latency.quantile(0.5).Seconds(), P99: t.latency.quantile(0.99).Seconds(),
		P999: t.latency.quantile(0.999).Seconds(), Max: t.latency.most.Seconds(),
		Accepted: t.accepted, Rejected: t.rejected, Unknown: t.unknown, Words: t.words,
	}
}

func (b *bench) document(r *results) benchDocument {
	d := benchDocument{
		Verb: string(b.verb()), Connections: b.connections, Depth: b.depth, Tagged: b.tagged,
		MissPercent: b.misses, BadPercent: b.bad,
		RequestBytes: r.daemon.meanRequest(), ReplyBytes: r.daemon.meanReply(), Daemon: tallied(r.daemon),
	}
	if r.baseline != nil {
		base := tallied(r.baseline)
		d.Baseline = &base
		ratio := d.Daemon.over(&base)
		d.Ratio = &ratio
	}
	if r.compared != nil {
		c := tallied(r.compared)
		d.Compare = &compareDocument{Store: b.store.kind, Measured: c, Ratio: d.Daemon.over(&c)}
	}
	return d
}

func (d *tallyDocument) over(other *tallyDocument) ratioDocument {
	return ratioDocument{Rate: d.Rate / other.Rate, P50: d.P50 / other.P50, P99: d.P99 / other.P99}
}

// print prints the results as a table.
func (b *bench) print(r *results) {
	d := b.document(r)
	out := b.settings.out
	fmt.Fprintf(out, "%s on %d connections, depth %d; %d%% hits, %d%% misses, %d%% bad; requests of %d bytes, replies of %d\n\n",
		d.Verb, d.Connections, d.Depth, 100-d.MissPercent-d.BadPercent, d.MissPercent, d.BadPercent, d.RequestBytes, d.ReplyBytes)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\trequests/s\tp50\tp99\tp99.9\tmax\t")
	row := func(name string, t *tally) {
		q := t.latency.quantile
		fmt.Fprintf(w, "%s\t%.0f\t%s\t%s\t%s\t%s\t\n", name, t.rate(), short(q(0.5)), short(q(0.99)), short(q(0.999)), short(t.latency.most))
	}
	ratio := func(r *ratioDocument) {
		fmt.Fprintf(w, "ratio\t%.2f\t%.2f\t%.2f\t\t\t\n", r.Rate, r.P50, r.P99)
	}
	row("daemon", r.daemon)
	if r.baseline != nil {
		row("baseline", r.baseline)
		ratio(d.Ratio)
	}
	if r.compared != nil {
		row(d.Compare.Store, r.compared)
		ratio(&d.Compare.Ratio)
	}
	_ = w.Flush()
	fmt.Fprintf(out, "\n%d accepted, %d rejected, %d unknown in %s\n", d.Daemon.Accepted, d.Daemon.Rejected, d.Daemon.Unknown, r.daemon.elapsed.Round(time.Millisecond))
	for _, word := range slices.Sorted(maps.Keys(d.Daemon.Words)) {
		fmt.Fprintf(out, "  %s: %d\n", printable(word), d.Daemon.Words[word])
	}
}

// short writes a duration with three digits or so.
func short(d time.Duration) string {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(100 * time.Nanosecond).String()
}

// progress shows on a terminal how the run goes.
type progress struct {
	out   io.Writer // nil: nobody looks
	total time.Duration
	spent time.Duration
}

func (b *bench) progress(subjects int) *progress {
	p := &progress{total: b.duration * time.Duration(subjects)}
	if !b.quiet && isTerminal(b.settings.err) {
		p.out = b.settings.err
	}
	return p
}

// run is load.run with a line that tells once a second how it goes.
func (p *progress) run(ctx context.Context, l *load, name string, d time.Duration) (*tally, error) {
	if p.out == nil {
		return l.run(ctx, d)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		start, before := time.Now(), l.done.Load()
		p.show(name, p.spent, 0)
		for {
			select {
			case <-stop:
				return
			case now := <-tick.C:
				took := now.Sub(start)
				p.show(name, p.spent+took, float64(l.done.Load()-before)/took.Seconds())
			}
		}
	}()
	t, err := l.run(ctx, d)
	close(stop)
	<-stopped
	p.spent += d
	return t, err
}

func (p *progress) show(name string, spent time.Duration, rate float64) {
	fmt.Fprintf(p.out, "\r\x1b[K%3.0f%% %s", 100*min(float64(spent)/float64(p.total), 1), name)
	if rate > 0 {
		fmt.Fprintf(p.out, " %.0f requests/s", rate)
	}
}

func (p *progress) end() {
	if p.out != nil {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}
