// Package top has the command top, which shows the work of a daemon while it happens.
package top

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/cli"
	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/terminal"
	"github.com/neonauthd/neonauthd/internal/program/command"
	"github.com/neonauthd/neonauthd/protocol"
)

// topTimeout is the default timeout of one request of top. It is shorter than
// that of other admin commands, because a screen must not stand still.
const topTimeout = 2 * time.Second

// watch is one run of top. It reads the daemon's counters repeatedly and shows
// their changes.
type watch struct {
	settings *cli.Settings
	interval time.Duration
	count    int // intervals; 0: until told to stop
	plain    bool

	now  func() time.Time
	tick func(time.Duration) (ticks <-chan time.Time, stop func())
}

// look is the result of one request to the daemon.
type look struct {
	at     time.Time
	took   time.Duration
	stats  *stats
	object []byte // the stats as the daemon sent them
	err    error  // nil exactly if there are stats
}

// view shows looks: a screen, lines, or JSON.
type view interface {
	// first shows the first look: no interval has passed yet.
	first(now *look) error
	// next shows the interval between two looks. The second look may have
	// failed.
	next(before, now *look) error
	// close restores the terminal.
	close()
}

// Command returns the command top.
func Command(s *cli.Settings) *cobra.Command {
	w := &watch{settings: s, interval: time.Second, now: time.Now, tick: ticker}
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Watch the daemon at work",
		Long: `Top shows each second what the daemon does: lookups by outcome, how many the cache
answered, calls to the upstreams and what is left of their budget, the age of keys,
connections, memory, and how long lookups of the last minute took. What is wrong is
red, or has a "!" before it where the terminal has no colours or NO_COLOR is set.
"q" or Ctrl-C ends it.

Where standard output is no terminal, and with --plain, it prints one line a second
instead, whose last column says what is wrong; with --json the object of stats, one a
line. Rates are per second, over the time since the line before. It asks the admin
socket, and sees what its counters show.`,
		Example: `  neonauthctl top
  neonauthctl top --count 60 > minute.txt`,
		Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return w.run(cmd.Context()) },
	}
	command.Duration(cmd.Flags(), &w.interval, "interval", "", 100*time.Millisecond, time.Hour, "time between two requests")
	command.Number(cmd.Flags(), &w.count, "count", "", 0, math.MaxInt32, "end after so many intervals (default: never)")
	cmd.Flags().BoolVar(&w.plain, "plain", false, "print lines also on a terminal")
	return cmd
}

func ticker(interval time.Duration) (<-chan time.Time, func()) {
	t := time.NewTicker(interval)
	return t.C, t.Stop
}

func (w *watch) run(ctx context.Context) error {
	c := w.settings.Admin()
	defer c.Close()
	if w.settings.Timeout <= 0 {
		c.Timeout = topTimeout
	}
	ticks, stop := w.tick(w.interval)
	defer stop()
	first := w.look(ctx, c)
	if over(ctx) {
		return nil
	}
	if first.err != nil {
		return w.settings.Fail(first.err)
	}
	ctx, quit := context.WithCancel(ctx)
	defer quit()
	v, err := w.open(ctx, quit)
	if err != nil {
		return err
	}
	defer v.close()
	return w.follow(ctx, c, v, first, ticks)
}

// follow looks at each tick until the run is over. If the last look failed, it
// returns its exit code.
func (w *watch) follow(ctx context.Context, c *client.Client, v view, before *look, ticks <-chan time.Time) error {
	if err := v.first(before); err != nil {
		return written(err)
	}
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-ticks:
		}
		now := w.look(ctx, c)
		if over(ctx) {
			return nil
		}
		if err := v.next(before, now); err != nil {
			return written(err)
		}
		if n == w.count {
			if now.err != nil {
				return cli.ExitUnknown
			}
			return nil
		}
		if now.err == nil {
			before = now
		}
	}
}

// over reports whether the user has ended the run, which is not a failure.
func over(ctx context.Context) bool { return ctx.Err() != nil }

func written(err error) error { return fmt.Errorf("write what was seen: %w", err) }

func (w *watch) look(ctx context.Context, c *client.Client) *look {
	start := w.now()
	r, err := c.Ask(ctx, protocol.STATS)
	l := &look{at: w.now(), err: err}
	l.took = l.at.Sub(start)
	switch {
	case err != nil:
	case r.Status != protocol.OK:
		l.err = errors.New("neonauthd: daemon answers NO, which this command does not expect")
	default:
		l.object = r.Rest
		l.stats = new(stats)
		if json.Unmarshal(r.Rest, l.stats) != nil {
			l.stats, l.err = nil, errors.New("neonauthd: the daemon's stats cannot be read")
		}
	}
	return l
}

// open chooses the view: lines if the output is not a terminal.
func (w *watch) open(ctx context.Context, quit func()) (view, error) {
	s := w.settings
	switch out, file := s.Out.(*os.File); {
	case s.JSON:
		return &jsonLines{s}, nil
	case !file || w.plain || !terminal.IsTerminal(s.Out) || os.Getenv("TERM") == "dumb":
		return &plainLines{s}, nil
	default:
		in, _ := s.In.(*os.File)
		return openScreen(ctx, in, out, w.interval, quit)
	}
}

// jsonLines prints the daemon's own objects.
type jsonLines struct{ *cli.Settings }

func (j *jsonLines) first(*look) error { return nil }

func (j *jsonLines) next(_, now *look) error {
	if now.err != nil {
		return j.PrintJSON(j.FailureAt(protocol.STATS, now.err))
	}
	return j.PrintJSON(json.RawMessage(now.object))
}

func (j *jsonLines) close() {}
