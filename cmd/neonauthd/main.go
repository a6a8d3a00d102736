// Neonauthd verifies access tokens of Neon Auth once per host: it keeps key sets
// and profiles in memory and answers lookups over a Unix socket.
package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/neonauthd/neonauthd/cmd/neonauthd/internal/demo"
	"github.com/neonauthd/neonauthd/internal/program"
	"github.com/neonauthd/neonauthd/internal/program/command"
)

func main() {
	ctx, stop := command.Signals()
	defer stop()
	os.Exit(command.Run(ctx, root()))
}

// root is the program's command line.
func root() *cobra.Command {
	var flags serveFlags
	root := &cobra.Command{
		Use:   "neonauthd",
		Short: "Verify access tokens of Neon Auth, once per host",
		Long: `neonauthd keeps key sets and profiles of Neon Auth in memory and answers lookups
about access tokens over a Unix socket. Without a command it serves the projects
of its configuration file until it is told to stop (SIGTERM), and reads the file
again on SIGHUP.`,
		Example: `  neonauthd demo                         try it; nothing else has to be installed
  neonauthd --config FILE --check        check a configuration
  neonauthd --config FILE                serve`,
		Args: command.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return flags.run(cmd) },
	}
	command.Path(root.Flags(), &flags.config, "config", defaultConfig, "configuration `FILE`")
	root.Flags().BoolVar(&flags.check, "check", false, "check the configuration, also against the upstreams, then exit")
	command.Path(root.Flags(), &flags.socket, "socket", "", "serve on this `PATH` instead of the configured one")
	root.AddCommand(demo.Command(serveDemo), demo.StandinCommand(serveDemo), fleetKeyCommand(), folderCommand())
	command.Set(root, program.Version("neonauthd", release, commit))
	return root
}
