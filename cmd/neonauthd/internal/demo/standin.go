package demo

import (
	"fmt"
	"net"

	"github.com/spf13/cobra"

	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/program"
	"github.com/neonauthd/neonauthd/internal/program/command"
)

// StandinCommand returns the command "standin". It serves the stand-in upstream
// for people who develop an application, alone or with a daemon that serve runs.
func StandinCommand(serve Serve) *cobra.Command {
	o := Options{Screen: StandinScreen, AllPresets: true, Serve: serve}
	var daemon bool
	cmd := &cobra.Command{
		Use:   "standin",
		Short: "Serve an embedded Neon Auth to develop applications with; never for production",
		Long:  "Serves an embedded upstream that gives tokens of any user to everybody. Never use it in production.\n\n" + standin.Usage(),
		Args:  command.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if daemon {
				return o.run(cmd)
			}
			if o.Dir != "" {
				return program.Usage("--dir is where a daemon has its sockets: add --daemon")
			}
			ln, err := net.Listen("tcp", o.Listen)
			if err != nil {
				return err
			}
			base := "http://" + ln.Addr().String()
			fmt.Fprintf(cmd.OutOrStdout(), "stand-in upstream at %s; Ctrl-C ends it\n\n%s", base, standin.Usage())
			return standin.New(standin.Options{BaseURL: base, Seed: o.Seed}).Run(cmd.Context(), ln)
		},
	}
	listenFlag(cmd, &o.Listen, "127.0.0.1:4000", "loopback `HOST:PORT` to serve on")
	cmd.Flags().BoolVar(&daemon, "daemon", false, "also serve a daemon that asks it, with the users of the demo")
	o.addFlags(cmd)
	return cmd
}
