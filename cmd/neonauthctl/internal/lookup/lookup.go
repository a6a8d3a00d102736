// Package lookup asks about one token and tells what came of it.
package lookup

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/cli"
	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/document"
	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/terminal"
	"github.com/neonauthd/neonauthd/protocol"
)

// lookup is one verify or profile command.
type lookup struct {
	settings *cli.Settings
	token    cli.TokenSource
	maxAge   time.Duration
	fallback bool
}

// Commands are verify and profile.
func Commands(s *cli.Settings) []*cobra.Command {
	v := &lookup{settings: s, token: cli.TokenSource{Settings: s}}
	verify := &cobra.Command{
		Use:   "verify",
		Short: "Ask whether a token is good, by its signature and claims",
		Long: `Verify reads a token from standard input or --token-file and asks the daemon
whether it is good, judged from its signature and claims.

Exit codes: 0 accepted, 1 rejected, 2 called wrongly, 3 could not tell.`,
		Example: `  neonauthctl verify < token
  neonauthctl verify --json --token-file token`,
		Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return v.run(cmd.Context(), (*client.Client).Verify)
		},
	}
	p := &lookup{settings: s, token: cli.TokenSource{Settings: s}}
	profile := &cobra.Command{
		Use:   "profile",
		Short: "Ask for the profile of a token's user",
		Long: `Profile reads a token from standard input or --token-file, asks the daemon whether
it is good, and for the profile of its user.

Exit codes: 0 accepted, 1 rejected, 2 called wrongly, 3 could not tell.`,
		Example: `  neonauthctl profile < token
  neonauthctl profile --max-age 0s --token-file token`,
		Args: cli.NoArguments,
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
		s.ProjectFlag(cmd)
	}
	v.token.Flag(verify)
	p.token.Flag(profile)
	return []*cobra.Command{verify, profile}
}

type question func(*client.Client, context.Context, string, ...client.Option) client.Answer

func (l *lookup) run(ctx context.Context, ask question, opts ...client.Option) error {
	token, err := l.token.One()
	if err != nil {
		return err
	}
	c := l.settings.Asker()
	defer c.Close()
	return Show(l.settings, ask(c, ctx, token, opts...))
}

// Show prints an answer and turns it into an exit code.
func Show(s *cli.Settings, answer client.Answer) error {
	if s.JSON {
		if err := s.PrintJSON(answerDocument(answer)); err != nil {
			return err
		}
	} else {
		printAnswer(s, answer)
	}
	return Exit(answer)
}

// Exit is the one place where an answer becomes an exit code.
func Exit(answer client.Answer) error {
	switch answer.(type) {
	case client.Accepted:
		return nil
	case client.Rejected:
		return cli.ExitNo
	}
	return cli.ExitUnknown
}

func printAnswer(s *cli.Settings, answer client.Answer) {
	switch a := answer.(type) {
	case client.Accepted:
		fmt.Fprintln(s.Out, "accepted")
		s.PrintRows([][2]string{
			{"level", a.Level.String()},
			{"project", a.Project},
			{"subject", a.Subject},
			{"age", a.Age.String()},
			{"ttl", a.TTL.String()},
			{"expires", terminal.Instant(a.Expires)},
			{"source", a.Source.String()},
		})
		fmt.Fprintf(s.Out, "%s:\n", a.Level)
		s.PrintIndented(a.JSON)
	case client.Rejected:
		fmt.Fprintf(s.Out, "rejected: %s\n", terminal.Printable(string(a.Reason)))
	case client.Unknown:
		fmt.Fprintln(s.Out, "unknown: nothing was learnt about the token")
		rows := [][2]string{
			{"code", terminal.OrNone(string(a.Code))},
			{"retry after", terminal.OrNone(spanOrNone(a.RetryAfter))},
			{"cause", a.Err.Error()},
		}
		if next := nextStep(a.Code); next != "" {
			rows = append(rows, [2]string{"next", next})
		}
		s.PrintRows(rows)
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
	case protocol.CodeNeedsProfile:
		return "only the upstream can judge this credential: neonauthctl profile asks it"
	case protocol.CodeUnknownProject:
		return "neonauthctl hello lists the projects"
	default:
		return ""
	}
}

func answerDocument(answer client.Answer) any {
	switch a := answer.(type) {
	case client.Accepted:
		d := document.Accepted{
			Outcome: "accepted", Level: a.Level.String(), Project: a.Project, Subject: a.Subject,
			Age: int64(a.Age.Seconds()), TTL: int64(a.TTL.Seconds()), Expires: a.Expires.Unix(), Source: a.Source.String(),
		}
		if a.Level == client.LevelProfile {
			d.Profile = a.JSON
		} else {
			d.Claims = a.JSON
		}
		return d
	case client.Rejected:
		return document.Rejected{Outcome: "rejected", Reason: string(a.Reason)}
	case client.Unknown:
		return document.Unknown{Outcome: "unknown", Code: string(a.Code), RetryAfter: int64(a.RetryAfter.Seconds()), Error: a.Err.Error()}
	}
	return nil
}

func spanOrNone(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}
