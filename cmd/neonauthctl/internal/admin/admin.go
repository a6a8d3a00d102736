// Package admin has the commands that administer the daemon through its admin
// socket.
package admin

import (
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
	s.ProjectFlag(keys)
	reload := &cobra.Command{
		Use:   "reload",
		Short: "Make the daemon read its configuration again",
		Long: `Reload makes the daemon read its configuration again and apply it whole or not at all.
Caches, connections and lookups under way survive.`,
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
		cmd.Long = strings.TrimSpace(cmd.Long + "\n\nIt asks the admin socket.")
		if cmd.Long == "It asks the admin socket." {
			cmd.Long = cmd.Short + ". It asks the admin socket."
		}
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
		Short: "Show every check of one token with its result",
		Long: `Explain reads a token from standard input or --token-file and shows each check that
the daemon makes of it, with its result. It changes nothing in the daemon.

Exit codes: 0 the token is accepted, 1 rejected, 2 called wrongly, 3 could not tell.`,
		Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := token.One()
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
		Short: "Have tokens rejected from now on",
		Long: `Revoke has tokens rejected from now on: one token (read from standard input or
--token-file), those of a session, those of a user issued up to now, or those
signed by a key (by its id or RFC 7638 thumbprint). It is in force when the command returns,
and survives a restart of the daemon.`,
		ValidArgs: kinds,
		Args:      oneOf(1, kinds...),
		RunE: func(cmd *cobra.Command, args []string) error {
			return cover(s, cmd, verb, args, &token, reason)
		},
	}
	if verb == protocol.UNREVOKE {
		cmd.Use = strings.Replace(cmd.Use, "revoke", "unrevoke", 1) + " | sessionless ID"
		cmd.Short = "Take a revocation back"
		cmd.Long = "Unrevoke takes back a revocation of the same project, kind and id. Of kind\nsessionless are those of a logout, see LOGOUT in neonauthd-protocol(7).\n\nExit codes: 0 taken back, 1 there was none, 2 called wrongly, 3 could not tell."
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
		Short: "Forget what is cached",
		Long: `Purge forgets cached verdicts and profiles: all of them, those of a user, or those of
one token (read from standard input or --token-file). Key sets and revocations stay.`,
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
