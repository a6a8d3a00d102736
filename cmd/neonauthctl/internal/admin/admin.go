// Package admin has the commands that administer the daemon through its admin
// socket.
package admin

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/cli"
	"github.com/neonauthd/neonauthd/internal/program"
	"github.com/neonauthd/neonauthd/internal/program/command"
	"github.com/neonauthd/neonauthd/protocol"
)

// Commands returns the commands that use the admin socket, except top.
func Commands(s *cli.Settings) []*cobra.Command {
	stats := &cobra.Command{
		Use:   "stats",
		Short: "Show counters and gauges",
		Args:  cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return showObject(s, cmd, protocol.STATS)
		},
	}
	keys := &cobra.Command{
		Use:   "keys",
		Short: "Show the key sets in use",
		Args:  cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return showObject(s, cmd, protocol.KEYS)
		},
	}
	s.OnlyProjectFlag(keys)
	reload := &cobra.Command{
		Use:   "reload",
		Short: "Make the daemon read its configuration again",
		Long: `Reload makes the daemon read its configuration again. The daemon applies all of it or,
if anything is wrong, nothing. Connections and lookups in progress stay, and so do
caches, as far as the changes leave them true: see RELOADING in neonauthd.toml(5).`,
		Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return reload(s, cmd) },
	}
	level := &cobra.Command{
		Use:       "level [debug|info|warn|error]",
		Short:     "Show or set how much the daemon logs",
		ValidArgs: []string{"debug", "info", "warn", "error"},
		Args:      oneOf(0, "debug", "info", "warn", "error"),
		RunE:      func(cmd *cobra.Command, args []string) error { return level(s, cmd, args) },
	}
	cmds := []*cobra.Command{
		stats, keys, explainCommand(s),
		coverCommand(s, protocol.REVOKE), coverCommand(s, protocol.UNREVOKE), revocationsCommand(s), purgeCommand(s), reload, level, fleetCommand(s),
	}
	for _, cmd := range cmds {
		cmd.Long = cmp.Or(cmd.Long, cmd.Short+".") + "\n\nIt asks the admin socket."
	}
	return cmds
}

// oneOf requires at least so many arguments, of which the first is one of
// words. If none is required, only one is allowed. Its errors do not repeat the
// arguments.
func oneOf(least int, words ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		see := fmt.Sprintf("(see %s --help)", cmd.CommandPath())
		if len(args) < least {
			return program.Usage("say which: " + strings.Join(words, ", ") + " " + see)
		}
		if len(args) > 0 {
			if err := command.OneOf(cmd, args[0], words); err != nil {
				return err
			}
		}
		if len(args) > 1 && least == 0 {
			return program.Usage("too many arguments " + see)
		}
		return nil
	}
}

func explainCommand(s *cli.Settings) *cobra.Command {
	token := cli.TokenSource{Settings: s}
	cmd := &cobra.Command{
		Use:   "explain",
		Short: "Show each check of a token with its result",
		Long: `Explain reads a token from standard input or --token-file and shows each check that
the daemon makes, with its result. It changes nothing in the daemon.

Exit codes: 0 accepted, 1 rejected, 2 called wrongly, 3 could not tell.`,
		Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := token.One(cmd.Context())
			if err != nil {
				return err
			}
			return explain(s, cmd, text)
		},
	}
	s.ProjectFlag(cmd)
	token.Flag(cmd)
	return cmd
}

// coverCommand returns the command revoke or unrevoke.
func coverCommand(s *cli.Settings, verb protocol.Verb) *cobra.Command {
	token := cli.TokenSource{Settings: s}
	kinds := []string{"token", "session", "subject", "key"}
	if verb == protocol.UNREVOKE {
		kinds = append(kinds, "sessionless") // which a logout revokes
	}
	reason := ""
	cmd := &cobra.Command{
		Use:   "revoke token | session ID | subject ID | key ID",
		Short: "Make the daemon reject tokens from now on",
		Long: `Revoke makes the daemon reject tokens from now on: one token (read from standard
input or --token-file), the tokens of a session, the tokens of a user issued up to
now, or the tokens signed by a key (named by its id or RFC 7638 thumbprint). The
revocation is in force when the command returns, and survives a restart of the daemon.

Exit codes: 0 revoked, 2 called wrongly, 3 could not tell, or some hosts of the fleet
may not have it yet.`,
		ValidArgs: kinds,
		Args:      oneOf(1, kinds...),
		RunE: func(cmd *cobra.Command, args []string) error {
			return cover(s, cmd, verb, args, &token, reason)
		},
	}
	if verb == protocol.UNREVOKE {
		cmd.Use = strings.Replace(cmd.Use, "revoke", "unrevoke", 1) + " | sessionless ID"
		cmd.Short = "End a revocation"
		cmd.Long = "Unrevoke ends the revocation of the same project, kind and id. A logout makes\nrevocations of kind sessionless, see LOGOUT in neonauthd-protocol(7).\n\nExit codes: 0 ended, 1 there was none, 2 called wrongly, 3 could not tell."
	} else {
		command.Text(cmd.Flags(), &reason, "reason", "why, as a `text` for people, which neonauthctl revocations shows", reasonFault)
	}
	s.ProjectFlag(cmd)
	token.Flag(cmd)
	return cmd
}

func purgeCommand(s *cli.Settings) *cobra.Command {
	token := cli.TokenSource{Settings: s}
	kinds := []string{"all", "subject", "token"}
	cmd := &cobra.Command{
		Use:   "purge all | subject ID | token",
		Short: "Forget cached verdicts and profiles",
		Long: `Purge forgets cached verdicts and profiles: all of them, whichever project is named;
those of a user; or those of one token (read from standard input or --token-file). Key
sets and revocations stay.`,
		ValidArgs: kinds,
		Args:      oneOf(1, kinds...),
		RunE: func(cmd *cobra.Command, args []string) error {
			return cover(s, cmd, protocol.PURGE, args, &token, "")
		},
	}
	s.ProjectFlag(cmd)
	token.Flag(cmd)
	return cmd
}
