// Package lookup asks about one token and prints the answer.
package lookup

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/advice"
	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/cli"
	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/document"
	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/terminal"
	"github.com/neonauthd/neonauthd/internal/credential"
	"github.com/neonauthd/neonauthd/internal/program/command"
	"github.com/neonauthd/neonauthd/protocol"
)

// lookup is one verify or profile command.
type lookup struct {
	settings *cli.Settings
	token    cli.TokenSource
	maxAge   time.Duration
	fallback bool
}

// Commands returns the commands verify and profile.
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
	command.Duration(profile.Flags(), &p.maxAge, "max-age", "", 0, protocol.MaxMaxAge*time.Second, "greatest age of the profile; 0s asks the upstream now (default as configured)")
	profile.Flags().BoolVar(&p.fallback, "fallback-claims", false, "accept the claims if the profile cannot be had")
	for _, cmd := range []*cobra.Command{verify, profile} {
		s.ProjectFlag(cmd)
	}
	v.token.Flag(verify)
	p.token.Flag(profile)
	return []*cobra.Command{verify, profile}
}

type question func(*client.Client, context.Context, string, ...client.Option) client.Answer

func (l *lookup) run(ctx context.Context, ask question, opts ...client.Option) error {
	token, err := l.token.One(ctx)
	if err != nil {
		return err
	}
	if !token.Askable() {
		return Show(l.settings, client.Rejected{Reason: protocol.ReasonMalformed}, token.Finding)
	}
	c := l.settings.Asker()
	defer c.Close()
	return Show(l.settings, ask(c, ctx, token.Text, opts...), token.Finding)
}

// Show prints an answer and returns its exit code. looks is printed if it can
// be the cause of a rejection.
func Show(s *cli.Settings, answer client.Answer, looks credential.Finding) error {
	if r, ok := answer.(client.Rejected); ok {
		looks = advice.Looks(r.Reason, looks)
	}
	if s.JSON {
		if err := s.PrintJSON(answerDocument(s, answer, looks)); err != nil {
			return err
		}
	} else {
		printAnswer(s, answer, looks)
	}
	return Exit(answer)
}

// Exit returns the exit code of an answer.
func Exit(answer client.Answer) error {
	switch answer.(type) {
	case client.Accepted:
		return nil
	case client.Rejected:
		return cli.ExitNo
	}
	return cli.ExitUnknown
}

func printAnswer(s *cli.Settings, answer client.Answer, looks credential.Finding) {
	switch a := answer.(type) {
	case client.Accepted:
		fmt.Fprintln(s.Out, "accepted")
		s.PrintRows([][2]string{
			{"level", a.Level.String()},
			{"project", a.Project},
			{"subject", a.Subject},
			{"principal", principal(a)},
			{"age", a.Age.String()},
			{"ttl", a.TTL.String()},
			{"expires", terminal.Instant(a.Expires)},
			{"source", a.Source.String()},
		})
		fmt.Fprintf(s.Out, "%s:\n", a.Level)
		s.PrintIndented(a.JSON)
	case client.Rejected:
		fmt.Fprintf(s.Out, "rejected: %s\n", terminal.Printable(string(a.Reason)))
		var rows [][2]string
		if looks.Is != "" {
			rows = append(rows, [2]string{"given", looks.Is})
		}
		s.PrintRows(append(rows, [2]string{"next", afterRejection(a, looks)}))
	case client.Unknown:
		fmt.Fprintln(s.Out, "unknown: nothing was learnt about the token")
		s.PrintRows([][2]string{
			{"code", terminal.OrNone(string(a.Code))},
			{"retry after", terminal.OrNone(spanOrNone(a.RetryAfter))},
			{"cause", cli.Cause(a.Err)},
			{"next", afterUnknown(s, a)},
		})
	}
}

// afterRejection returns what to do about a rejection. What the text looks like
// says more than the daemon's reason.
func afterRejection(a client.Rejected, looks credential.Finding) string {
	return cmp.Or(looks.Next, advice.Rejected(a.Reason))
}

// afterUnknown returns what to do when nothing was learnt.
func afterUnknown(s *cli.Settings, a client.Unknown) string {
	if a.Code == "" {
		return s.NoAnswer(a.Err)
	}
	return s.Unknown(a.Code, a.Err)
}

func answerDocument(s *cli.Settings, answer client.Answer, looks credential.Finding) any {
	switch a := answer.(type) {
	case client.Accepted:
		d := document.Accepted{
			Outcome: "accepted", Level: a.Level.String(), Project: a.Project, Subject: a.Subject, Principal: principal(a),
			Age: int64(a.Age.Seconds()), TTL: int64(a.TTL.Seconds()), Expires: a.Expires.Unix(), Source: a.Source.String(),
		}
		if a.Level == client.LevelProfile {
			d.Profile = a.JSON
		} else {
			d.Claims = a.JSON
		}
		return d
	case client.Rejected:
		return document.Rejected{Outcome: "rejected", Reason: string(a.Reason), Given: looks.Is, Next: afterRejection(a, looks)}
	case client.Unknown:
		return document.Unknown{Outcome: "unknown", Code: string(a.Code), RetryAfter: int64(a.RetryAfter.Seconds()), Error: cli.Cause(a.Err), Next: afterUnknown(s, a)}
	}
	return nil
}

// principal returns what the subject is the id of. An older daemon does not say it, and knows users only.
func principal(a client.Accepted) string { return cmp.Or(a.Principal, protocol.PrincipalUser) }

func spanOrNone(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}
