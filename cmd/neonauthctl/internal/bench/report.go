package bench

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/document"
	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/terminal"
)

func tallied(t *tally) document.Tally {
	return document.Tally{
		Seconds: t.elapsed.Seconds(), Requests: t.requests(), Rate: t.rate(),
		P50: t.latency.quantile(0.5).Seconds(), P99: t.latency.quantile(0.99).Seconds(),
		P999: t.latency.quantile(0.999).Seconds(), Max: t.latency.most.Seconds(),
		Accepted: t.accepted, Rejected: t.rejected, Unknown: t.unknown, Words: t.words,
	}
}

func (b *bench) document(r *results) document.Bench {
	d := document.Bench{
		Verb: string(b.verb()), Connections: b.connections, Depth: b.depth, Tagged: b.tagged,
		MissPercent: b.misses, BadPercent: b.bad,
		RequestBytes: r.daemon.meanRequest(), ReplyBytes: r.daemon.meanReply(), Daemon: tallied(r.daemon),
	}
	if r.baseline != nil {
		base := tallied(r.baseline)
		d.Baseline = &base
		ratio := over(&d.Daemon, &base)
		d.Ratio = &ratio
	}
	if r.compared != nil {
		c := tallied(r.compared)
		d.Compare = &document.Compare{Store: b.store.kind, Measured: c, Ratio: over(&d.Daemon, &c)}
	}
	return d
}

func over(d, other *document.Tally) document.Ratio {
	return document.Ratio{Rate: d.Rate / other.Rate, P50: d.P50 / other.P50, P99: d.P99 / other.P99}
}

// print prints the results as a table.
func (b *bench) print(r *results) {
	d := b.document(r)
	out := b.settings.Out
	fmt.Fprintf(out, "%s on %d connections, depth %d; %d%% hits, %d%% misses, %d%% bad; requests of %d bytes, replies of %d\n\n",
		d.Verb, d.Connections, d.Depth, 100-d.MissPercent-d.BadPercent, d.MissPercent, d.BadPercent, d.RequestBytes, d.ReplyBytes)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\trequests/s\tp50\tp99\tp99.9\tmax\t")
	row := func(name string, t *tally) {
		q := t.latency.quantile
		fmt.Fprintf(w, "%s\t%.0f\t%s\t%s\t%s\t%s\t\n", name, t.rate(), terminal.Short(q(0.5)), terminal.Short(q(0.99)), terminal.Short(q(0.999)), terminal.Short(t.latency.most))
	}
	ratio := func(r *document.Ratio) {
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
		fmt.Fprintf(out, "  %s: %d\n", terminal.Printable(word), d.Daemon.Words[word])
	}
}

// progress shows the progress of the run on a terminal.
type progress struct {
	out   io.Writer // nil: nobody looks
	total time.Duration
	spent time.Duration
}

func (b *bench) progress(subjects int) *progress {
	p := &progress{total: b.duration * time.Duration(subjects)}
	if !b.quiet && terminal.IsTerminal(b.settings.Err) {
		p.out = b.settings.Err
	}
	return p
}

// run is load.run with a progress line once a second.
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
