package lookup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/advice"
	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/cli"
	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/document"
	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/terminal"
	"github.com/neonauthd/neonauthd/protocol"
)

// logoutTimeout is the default timeout for a logout token, for which the daemon
// may have to fetch keys.
const logoutTimeout = 5 * time.Second

// LogoutCommand returns the command that sends a logout token to the daemon.
func LogoutCommand(s *cli.Settings) *cobra.Command {
	token := cli.TokenSource{Settings: s}
	cmd := &cobra.Command{
		Use:   "logout",
		Short: "End the session that a logout token names",
		Long: `Logout reads a logout token from standard input or --token-file and sends it to the
daemon, as neonauth-http does with the logout tokens of an issuer. If it is good, the
daemon revokes the session that it names or, if it names none, all earlier tokens of
its user.

Exit codes: 0 ended, now or before, 1 the logout token is refused, 2 called wrongly,
3 could not tell.`,
		Example: `  neonauthctl logout --project members < logout-token`,
		Args:    cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			given, err := token.One(cmd.Context())
			if err != nil {
				return err
			}
			return logout(cmd.Context(), s, given)
		},
	}
	s.ProjectFlag(cmd)
	token.Flag(cmd)
	return cmd
}

func logout(ctx context.Context, s *cli.Settings, token cli.Token) error {
	if !token.Askable() {
		return showRefusal(s, protocol.ReasonMalformed, cmp.Or(token.Next, advice.Logout(protocol.ReasonMalformed)), token.Is)
	}
	c := s.Asker()
	defer c.Close()
	c.Timeout = cmp.Or(c.Timeout, logoutTimeout)
	r, err := c.Ask(ctx, protocol.LOGOUT, token.Text)
	if err != nil {
		return s.FailAt(protocol.LOGOUT, err)
	}
	if r.Status == protocol.NO {
		reason := protocol.Reason(r.Word)
		return showRefusal(s, reason, advice.Logout(reason), "")
	}
	ended, _ := r.Fields.Get(protocol.FieldEnded)
	changed, _ := r.Fields.Get(protocol.FieldChanged)
	d := document.Logout{Outcome: "accepted", Ended: string(ended), Changed: string(changed) == "1"}
	what, known := map[string]string{
		protocol.EndedSession: "the session that it names",
		protocol.EndedSubject: "what its user has had until then",
	}[d.Ended]
	switch {
	case !known:
		return s.FailAt(protocol.LOGOUT, errors.New("neonauthd: the daemon's reply does not say what has ended"))
	case s.JSON:
		return s.PrintJSON(d)
	case d.Changed:
		fmt.Fprintf(s.Out, "ended: %s\n", what)
	default:
		fmt.Fprintf(s.Out, "was ended already: %s\n", what)
	}
	return nil
}

// showRefusal prints that a logout token is refused.
func showRefusal(s *cli.Settings, reason protocol.Reason, next, given string) error {
	if s.JSON {
		if err := s.PrintJSON(document.Rejected{Outcome: "rejected", Reason: string(reason), Given: given, Next: next}); err != nil {
			return err
		}
		return Exit(client.Rejected{Reason: reason})
	}
	fmt.Fprintf(s.Out, "refused: %s\n", terminal.Printable(string(reason)))
	var rows [][2]string
	if given != "" {
		rows = append(rows, [2]string{"given", given})
	}
	s.PrintRows(append(rows, [2]string{"next", next}))
	return Exit(client.Rejected{Reason: reason})
}
