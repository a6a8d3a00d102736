package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/admin"
	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/bench"
	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/cli"
	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/lookup"
	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/terminal"
	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/top"
	"github.com/neonauthd/neonauthd/internal/program"
	"github.com/neonauthd/neonauthd/internal/program/command"
)

// run does what args say and returns the exit code.
func run(ctx context.Context, args []string, t terminal.Terminal) int {
	root := newRoot(&cli.Settings{Terminal: t})
	root.SetArgs(args)
	root.SetIn(t.In)
	root.SetOut(t.Out)
	root.SetErr(t.Err)
	err := root.ExecuteContext(ctx)
	var code cli.Exit
	var wrong program.UsageError
	switch {
	case err == nil:
		return int(cli.ExitYes)
	case errors.As(err, &code):
		return int(code)
	case errors.As(err, &wrong):
		fmt.Fprintf(t.Err, "neonauthctl: %v\n", wrong)
		return program.ExitUsage
	}
	fmt.Fprintf(t.Err, "neonauthctl: %v\n", err)
	return int(cli.ExitUnknown)
}

func newRoot(s *cli.Settings) *cobra.Command {
	root := &cobra.Command{
		Use:   "neonauthctl",
		Short: "Ask and administer neonauthd",
		Long: `Neonauthctl asks neonauthd about tokens and administers it.

A token is read from standard input, or from a file with --token-file. It is
never taken from the command line, where every process of the host could read it.

Exit codes: 0 accepted or done, 1 rejected, 2 called wrongly, 3 could not tell.`,
		Example: `  neonauthctl verify < token
  neonauthctl profile --json --token-file token | jq .profile
  neonauthctl revoke subject 9f1c1f7e-2f0e-4c0a-a0ab-0d9a6f4a2f11`,
		Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_ = cmd.Help()
			return cli.ExitUsage
		},
	}
	s.Flags(root.PersistentFlags())
	root.AddCommand(lookup.Commands(s)...)
	root.AddCommand(lookup.LogoutCommand(s))
	root.AddCommand(daemonCommands(s)...)
	root.AddCommand(admin.Commands(s)...)
	root.AddCommand(bench.Commands(s)...)
	root.AddCommand(top.Command(s))
	command.Set(root, program.Version("neonauthctl", release, commit))
	return root
}
