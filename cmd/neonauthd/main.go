// Neonauthd verifies access tokens of Neon Auth once per host: it keeps key sets
// and profiles in memory and answers lookups over a Unix socket.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/neonauthd/neonauthd/daemon"
)

// Exit statuses.
const (
	exitFailure = 1  // it could not start, or failed while running
	exitUsage   = 2  // the command line is wrong
	exitConfig  = 78 // the configuration is wrong (EX_CONFIG, sysexits.h(3head)); the unit then restarts slowly
)

// usageError marks an error in the command line.
type usageError struct{ error }

// exitStatus is what err ends the process with.
func exitStatus(err error) int {
	var usage usageError
	var config daemon.ConfigError
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &config):
		return exitConfig
	}
	return exitFailure
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	// A second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "neonauthd:", err)
		os.Exit(exitStatus(err))
	}
}

// command is the program's command line.
func command() *cobra.Command {
	var flags serveFlags
	root := &cobra.Command{
		Use:   "neonauthd",
		Short: "Verify access tokens of Neon Auth, once per host",
		Long: `neonauthd keeps key sets and profiles of Neon Auth in memory and answers lookups
about access tokens over a Unix socket. Without a command it serves the projects
of its configuration file until it is told to stop (SIGTERM), and reads the file
again on SIGHUP.`,
		Example: `  neonauthd demo                         try it, with nothing else installed
  neonauthd --config FILE --check        say whether a configuration is right
  neonauthd --config FILE                serve`,
		Args:          noArguments,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return flags.run(cmd) },
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w (see --help)", err)}
	})
	root.Flags().StringVar(&flags.config, "config", defaultConfig, "configuration `FILE`")
	root.Flags().BoolVar(&flags.check, "check", false, "check the configuration and the upstreams' word on it, then exit")
	root.Flags().StringVar(&flags.socket, "socket", "", "serve on this `PATH` instead of the configured one")
	root.AddCommand(demoCommand(), standinCommand())
	return root
}

func noArguments(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		// Not repeated: it may be a token that somebody pasted.
		return usageError{errors.New("unknown command (see --help)")}
	}
	return nil
}
