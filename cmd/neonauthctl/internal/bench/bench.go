// Package bench measures how many lookups a daemon answers, and how fast.
package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/cli"
	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/lookup"
	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/terminal"
	"github.com/neonauthd/neonauthd/internal/credential"
	"github.com/neonauthd/neonauthd/internal/program"
	"github.com/neonauthd/neonauthd/internal/program/command"
	"github.com/neonauthd/neonauthd/protocol"
)

// bench holds the options of a measurement.
type bench struct {
	settings    *cli.Settings
	token       cli.TokenSource
	profile     bool
	connections int
	depth       int
	duration    time.Duration
	misses, bad int // percent
	tagged      bool
	baseline    bool
	compare     string // a store and its socket, as given
	store       *store // of compare; nil: none
	quiet       bool
}

// rounds is how many turns each server gets when several are measured
// alternately. A machine that is busy for a while then slows all of them.
const rounds = 5

// Commands returns bench and the server of its baseline.
func Commands(s *cli.Settings) []*cobra.Command {
	b := &bench{settings: s, token: cli.TokenSource{Settings: s}}
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure the daemon's throughput and latency",
		Long: `Bench reads tokens, one a line, from standard input or --token-file and asks about
them in turn, in a closed loop: each of --connections keeps --depth requests in
flight, and sends the next ones when replies have come.

--misses is the share of lookups, in percent, with a token that the daemon has never
seen: header and claims of a given token under a random signature. The daemon has to
check it in full and says NO bad-signature. --bad is the share of those that are no
tokens at all. The others are asked about as they are and have to be accepted.

--baseline measures, in the same run and in turn with the daemon, a bare server that
answers every line with a fixed one, with requests and replies of the same sizes.
What the daemon does not lose against it is spent in the kernel and in this program.

--compare measures, in the same way, a memcached or a Redis that listens on a Unix
socket. It gets a value as long as the daemon's mean reply, under a key as long as the
digest of a token, is asked for it alone, and loses it at the end.

Latency is from just before a request is written until its reply was read.`,
		Example: `  neonauthctl bench --connections 8 --depth 1 --baseline < token
  neonauthctl bench --depth 64 --misses 1 --json --token-file tokens
  neonauthctl bench --compare memcached:/run/memcached.sock < token`,
		Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return b.run(cmd.Context()) },
	}
	flags := cmd.Flags()
	b.connections, b.depth, b.duration = 8, 1, 10*time.Second
	command.Number(flags, &b.connections, "connections", "c", 1, 4096, "connections")
	command.Number(flags, &b.depth, "depth", "d", 1, maxDepth, "requests in flight on each connection")
	command.Duration(flags, &b.duration, "duration", "t", 10*time.Millisecond, 24*time.Hour, "how long to measure, --baseline and --compare not included")
	flags.BoolVar(&b.profile, "profile", false, "ask for profiles instead of verifying")
	command.Number(flags, &b.misses, "misses", "", 0, 100, "share of lookups with a token never seen before, in `percent`")
	command.Number(flags, &b.bad, "bad", "", 0, 100, "share of lookups with something that is no token, in `percent`")
	flags.BoolVar(&b.tagged, "tagged", false, "tag the requests, so that replies may come in any order")
	flags.BoolVar(&b.baseline, "baseline", false, "measure a bare line-echo server too")
	flags.StringVar(&b.compare, "compare", "", "measure a store with the same payload too: memcached:`PATH` or redis:PATH")
	flags.BoolVarP(&b.quiet, "quiet", "q", false, "show no progress on a terminal")
	s.ProjectFlag(cmd)
	b.token.Flag(cmd)
	return []*cobra.Command{cmd, echoCommand(s)}
}

func (b *bench) check() error {
	if b.misses+b.bad > 100 {
		return program.Usage("--misses and --bad must be 0 to 100 percent together")
	}
	if b.compare == "" {
		return nil
	}
	b.store = parseStore(b.compare)
	if b.store == nil {
		return program.Usage("--compare must be memcached:PATH or redis:PATH")
	}
	return nil
}

func (b *bench) run(ctx context.Context) error {
	if err := b.check(); err != nil {
		return err
	}
	tokens, err := b.token.Lines(ctx)
	if err != nil {
		return err
	}
	if err := b.try(ctx, tokens[0]); err != nil {
		return err
	}
	m := b.mix(tokens)
	if b.misses > 0 && m.misses == nil {
		return program.Usage("--misses needs tokens with a signature of at least 16 characters")
	}
	r, err := b.measure(ctx, m)
	if errors.Is(err, context.Canceled) {
		return cli.ExitUnknown
	}
	if err != nil {
		return b.settings.Fail(err)
	}
	if b.settings.JSON {
		return b.settings.PrintJSON(b.document(r))
	}
	b.print(r)
	return nil
}

// try asks about one token before the measurement, and returns an error if it
// is not accepted. Figures about refusals alone would nearly always be a
// mistake.
func (b *bench) try(ctx context.Context, token string) error {
	if b.misses+b.bad == 100 {
		return nil
	}
	c := b.settings.Asker()
	defer c.Close()
	ask := c.Verify
	if b.profile {
		ask = c.Profile
	}
	answer := ask(ctx, token)
	if _, ok := answer.(client.Accepted); ok {
		return nil
	}
	if b.settings.JSON {
		return lookup.Show(b.settings, answer, credential.Finding{})
	}
	fmt.Fprintf(b.settings.Err, "neonauthctl: the first token has to be accepted: %s\n", terminal.Printable(answer.String()))
	return lookup.Exit(answer)
}

// results are the results of a run.
type results struct {
	daemon, baseline, compared *tally // the last two are nil when not asked for
}

// subject is one of the servers that are measured alternately.
type subject struct {
	name  string
	load  *load
	tally *tally
}

// measure measures the daemon and the other requested servers alternately.
func (b *bench) measure(ctx context.Context, m *mix) (*results, error) {
	c := b.settings.Asker()
	daemon, warm, err := b.subject(ctx, "daemon", c.Path(), m)
	if err != nil {
		return nil, err
	}
	defer daemon.load.close()
	r := &results{daemon: daemon.tally}
	all := []*subject{daemon}
	if b.baseline {
		echo, err := startEcho(ctx, warm.meanReply())
		if err != nil {
			return nil, err
		}
		defer echo.stop()
		bare, _, err := b.subject(ctx, "baseline", echo.path, m)
		if err != nil {
			return nil, err
		}
		defer bare.load.close()
		r.baseline = bare.tally
		all = append(all, bare)
	}
	if b.store != nil {
		held, err := b.store.put(ctx, warm.meanReply(), b.duration)
		if err != nil {
			return nil, b.store.advise(err)
		}
		defer held.drop()
		other, _, err := b.subject(ctx, b.store.kind, b.store.path, held.mix())
		if err != nil {
			return nil, b.store.advise(err)
		}
		defer other.load.close()
		r.compared = other.tally
		all = append(all, other)
	}
	return r, b.inTurn(ctx, all)
}

// subject opens the connections to one server and warms them up.
func (b *bench) subject(ctx context.Context, name, path string, m *mix) (*subject, *tally, error) {
	l, err := b.open(ctx, path, m)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	warm, err := l.run(ctx, max(b.duration/20, 5*time.Millisecond))
	if err != nil {
		l.close()
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	return &subject{name: name, load: l, tally: newTally()}, warm, nil
}

func (b *bench) inTurn(ctx context.Context, all []*subject) error {
	progress := b.progress(len(all))
	defer progress.end()
	n := rounds
	if len(all) == 1 {
		n = 1
	}
	for range n {
		for _, s := range all {
			t, err := progress.run(ctx, s.load, s.name, b.duration/time.Duration(n))
			if err != nil {
				err = fmt.Errorf("%s: %w", s.name, err)
				if b.store != nil && s.name == b.store.kind {
					err = b.store.advise(err)
				}
				return err
			}
			s.tally.add(t)
		}
	}
	return nil
}

func (b *bench) verb() protocol.Verb {
	if b.profile {
		return protocol.PROFILE
	}
	return protocol.VERIFY
}
