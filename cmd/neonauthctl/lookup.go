package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/protocol"
)

// lookup is one verify or profile command.
type lookup struct {
	settings *settings
	token    tokenSource
	maxAge   time.Duration
	fallback bool
}

func lookupCommands(s *settings) []*cobra.Command {
	v := &lookup{settings: s, token: tokenSource{settings: s}}
	verify := &cobra.Command{
		Use:   "verify",
		Short: "Ask whether a token is good, by its signature and claims",
		Long: `Verify reads a token from standard input or --token-file and asks the daemon
whether it is good, judged from its signature and claims.

Exit codes: 0 accepted, 1 rejected, 2 called wrongly, 3 could not tell.`,
		Example: `  neonauthctl verify < token
  neonauthctl verify --json --token-file token`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return v.run(cmd.Context(), (*client.Client).Verify)
		},
	}
	p := &lookup{settings: s, token: tokenSource{settings: s}}
	profile := &cobra.Command{
		Use:   "profile",
		Short: "Ask for the profile of a token's user",
		Long: `Profile reads a token from standard input or --token-file, asks the daemon whether
it is good, and for the profile of its user.

Exit codes: 0 accepted, 1 rejected, 2 called wrongly, 3 could not tell.`,
		Example: `  neonauthctl profile < token
  neonauthctl profile --max-age 0s --token-file token`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var opts []client.Option
			if cmd.Flags().Changed("max-age") {
				opts = append(opts, client.MaxAge(p.maxAge))
			}
			if p.fallback {
				opts = append(opts, client.FallbackClaims())
			}
			return p.run(cmd.Context(), (*client.Client).Profile, opts...)
		},
	}
	profile.Flags().DurationVar(&p.maxAge, "max-age", 0, "the oldest profile that will do; 0s asks the upstream now (default as configured)")
	profile.Flags().BoolVar(&p.fallback, "fallback-claims", false, "take the claims when the profile cannot be had")
	for _, cmd := range []*cobra.Command{verify, profile} {
		s.projectFlag(cmd)
	}
	v.token.flag(verify)
	p.token.flag(profile)
	return []*cobra.Command{verify, profile}
}

type question func(*client.Client, context.Context, string, ...client.Option) client.Answer

func (l *lookup) run(ctx context.Context, ask question, opts ...client.Option) error {
	token, err := l.token.one()
	if err != nil {
		return err
	}
	c := l.settings.asker()
	defer c.Close()
	return l.settings.showAnswer(ask(c, ctx, token, opts...))
}

// showAnswer prints an answer and turns it into an exit code.
func (s *settings) showAnswer(answer client.Answer) error {
	if s.json {
		if err := s.printJSON(answerDocument(answer)); err != nil {
			return err
		}
	} else {
		s.printAnswer(answer)
	}
	return exitFor(answer)
}

// exitFor is the one place where an answer becomes an exit code.
func exitFor(answer client.Answer) error {
	switch answer.(type) {
	case client.Accepted:
		return nil
	case client.Rejected:
		return exit(exitNo)
	}
	return exit(exitUnknown)
}

func (s *settings) printAnswer(answer client.Answer) {
	switch a := answer.(type) {
	case client.Accepted:
		fmt.Fprintln(s.out, "accepted")
		s.printRows([][2]string{
			{"level", a.Level.String()},
			{"project", a.Project},
			{"subject", a.Subject},
			{"age", a.Age.String()},
			{"ttl", a.TTL.String()},
			{"expires", instant(a.Expires)},
			{"source", a.Source.String()},
		})
		fmt.Fprintf(s.out, "%s:\n", a.Level)
		s.printIndented(a.JSON)
	case client.Rejected:
		fmt.Fprintf(s.out, "rejected: %s\n", printable(string(a.Reason)))
	case client.Unknown:
		fmt.Fprintln(s.out, "unknown: nothing was learnt about the token")
		rows := [][2]string{
			{"code", orNone(string(a.Code))},
			{"retry after", orNone(spanOrNone(a.RetryAfter))},
			{"cause", a.Err.Error()},
		}
		if next := nextStep(a.Code); next != "" {
			rows = append(rows, [2]string{"next", next})
		}
		s.printRows(rows)
	}
}

// nextStep is what the person at the terminal can do when the daemon could not
// tell; "" where the cause says it.
func nextStep(code protocol.Code) string {
	switch code {
	case protocol.CodeMisconfigured:
		return "mend the configuration: the daemon's log (journalctl -u neonauthd) and neonauthd --check name the fault"
	case protocol.CodeUnavailable:
		return "look at the upstream: neonauthctl stats shows its circuit, budget and last answer"
	case protocol.CodeKeysPending:
		return "look at the keys: neonauthctl keys shows when they come"
	case protocol.CodeUnknownProject:
		return "neonauthctl hello lists the projects"
	default:
		return ""
	}
}
