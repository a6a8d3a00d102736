package main

import (
	"fmt"
	"net"

	"github.com/spf13/cobra"

	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/program"
	"github.com/neonauthd/neonauthd/internal/program/command"
)

// standinCommand serves the stand-in alone, for people who develop an
// application.
func standinCommand() *cobra.Command {
	var listen string
	cmd := &cobra.Command{
		Use:   "standin",
		Short: "Serve an embedded Neon Auth for developing applications; never for production",
		Long:  "Serves an embedded upstream that mints tokens for anybody who asks. Never for production.\n\n" + standin.Usage(),
		Args:  command.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			host, _, err := net.SplitHostPort(listen)
			if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
				return program.Usage("--listen must be a loopback address such as 127.0.0.1:4000: this server mints tokens for anybody")
			}
			ln, err := net.Listen("tcp", listen)
			if err != nil {
				return err
			}
			base := "http://" + ln.Addr().String()
			fmt.Fprintf(cmd.OutOrStdout(), "stand-in upstream at %s; Ctrl-C ends it\n\n%s", base, standin.Usage())
			return standin.New(standin.Options{BaseURL: base}).Run(cmd.Context(), ln)
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:4000", "loopback `HOST:PORT` to serve on")
	return cmd
}
