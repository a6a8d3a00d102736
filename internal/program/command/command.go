// Package command has the common parts of the command lines of this project's
// programs. A usual mistake is a token in a wrong place on the command line, and
// errors go to a screen or a log. So no error of this package repeats a part of
// the command line.
package command

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/neonauthd/neonauthd/internal/nearest"
	"github.com/neonauthd/neonauthd/internal/program"
)

// Set prepares a program's root command. Call it when all commands have been
// added.
func Set(root *cobra.Command, version string) {
	setVersion(root, version)
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetFlagErrorFunc(flagError)
	root.SetHelpCommand(helpCommand())
	root.PersistentPreRun = func(cmd *cobra.Command, _ []string) {
		if cmd.Name() == cobra.ShellCompRequestCmd {
			plainUsage(root)
		}
	}
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() != "completion" {
			continue
		}
		// Only a command that runs looks at its arguments.
		cmd.Args, cmd.RunE = NoArguments, func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		for _, shell := range cmd.Commands() {
			shell.Args = NoArguments
		}
	}
}

// setVersion gives root the flags --version and -v. Cobra's own flags print another form,
// unless they have a template; and a program that contains text/template keeps each
// method of each type that it links: 12 MB of neonauthd.
func setVersion(root *cobra.Command, version string) {
	asked := root.Flags().BoolP("version", "v", false, "version for "+root.Name())
	run, arguments := root.RunE, root.Args
	root.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case *asked:
			_, err := fmt.Fprintln(cmd.OutOrStdout(), version)
			return err
		case run == nil:
			return cmd.Help()
		}
		return run(cmd, args)
	}
	root.Args = func(cmd *cobra.Command, args []string) error {
		if *asked || arguments == nil {
			return nil
		}
		return arguments(cmd, args)
	}
}

// Run runs root and returns the exit status. An error goes to its standard
// error, after the program's name.
func Run(ctx context.Context, root *cobra.Command) int {
	err := root.ExecuteContext(ctx)
	if err != nil {
		fmt.Fprintf(root.ErrOrStderr(), "%s: %v\n", root.Name(), err)
	}
	return program.ExitStatus(err)
}

// Signals returns a context that SIGTERM or SIGINT ends; the second of them
// ends the process.
func Signals() (ctx context.Context, stop context.CancelFunc) {
	ctx, stop = signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// NoArguments refuses arguments, for commands that take none.
func NoArguments(cmd *cobra.Command, args []string) error { return refuse(cmd, args, "") }

// NoArgumentsBut is NoArguments with a hint of where the usual mistake belongs.
func NoArgumentsBut(hint string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error { return refuse(cmd, args, "; "+hint) }
}

func refuse(cmd *cobra.Command, args []string, hint string) error {
	switch {
	case len(args) == 0:
		return nil
	case cmd.HasParent() && !cmd.HasAvailableSubCommands():
		return program.Usage(cmd.CommandPath() + " takes no arguments" + hint + see(cmd))
	}
	return program.Usage("no such command" + cmp.Or(meant(cmd, args[0]), hint, configFile(cmd, args[0])) + see(cmd))
}

// configFile returns a hint if the argument looks like a file and the command has a flag for
// its configuration file, as for "neonauthd neonauthd.toml".
func configFile(cmd *cobra.Command, arg string) string {
	if cmd.Flags().Lookup("config") == nil || !strings.Contains(arg, "/") && !strings.HasSuffix(arg, ".toml") {
		return ""
	}
	return "; a configuration file goes behind --config"
}

// helpCommand is cobra's, but it refuses an unknown command, and does not repeat it.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [command]",
		Short: "Help about any command",
		Long:  "Help shows the help of a command, as its flag --help does.",
		ValidArgsFunction: func(cmd *cobra.Command, args []string, begun string) (names []string, _ cobra.ShellCompDirective) {
			of, err := find(cmd.Root(), args)
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			for _, c := range of.Commands() {
				if c.IsAvailableCommand() && strings.HasPrefix(c.Name(), begun) {
					names = append(names, cobra.CompletionWithDesc(c.Name(), c.Short))
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			of, err := find(cmd.Root(), args)
			if err != nil {
				return err
			}
			of.InitDefaultHelpFlag() // a command that does not run lacks it
			return of.Help()
		},
	}
}

// find returns the command with these names, one below the other.
func find(root *cobra.Command, names []string) (*cobra.Command, error) {
	cmd := root
	for _, name := range names {
		i := slices.IndexFunc(cmd.Commands(), func(c *cobra.Command) bool { return c.Name() == name })
		if i < 0 {
			return nil, program.Usage("no such command" + meant(cmd, name) + see(cmd))
		}
		cmd = cmd.Commands()[i]
	}
	return cmd, nil
}

// meant returns a question for one of cmd's commands, or "". It repeats nothing of
// typed.
func meant(cmd *cobra.Command, typed string) string {
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return nearest.Question(typed, names, "", "")
}

// OneOf returns an error if typed is not one of words. The error names a similar word.
func OneOf(cmd *cobra.Command, typed string, words []string) error {
	if slices.Contains(words, typed) {
		return nil
	}
	return program.Usage("not one of " + strings.Join(words, ", ") + nearest.Question(typed, words, "", "") + see(cmd))
}

func see(cmd *cobra.Command) string { return fmt.Sprintf(" (see %s --help)", cmd.CommandPath()) }
