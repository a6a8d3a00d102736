package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/cli"
	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/document"
	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/terminal"
)

func daemonCommands(s *cli.Settings) []*cobra.Command {
	ping := &cobra.Command{
		Use:   "ping",
		Short: "Ask whether the daemon answers",
		Long: `Ping asks whether the daemon answers, and prints how long that took.

Exit codes: 0 it answers, 2 called wrongly, 3 it does not.`,
		Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return ping(s, cmd) },
	}
	hello := &cobra.Command{
		Use:   "hello",
		Short: "Show what the daemon says about itself",
		Long: `Hello prints the daemon's version, protocol version and limits, and the projects
that the caller may ask about.

Exit codes: 0 it answers, 2 called wrongly, 3 it does not.`,
		Args: cli.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return hello(s, cmd) },
	}
	return []*cobra.Command{ping, hello}
}

func ping(s *cli.Settings, cmd *cobra.Command) error {
	c := s.Asker()
	defer c.Close()
	start := time.Now()
	if err := c.Ping(cmd.Context()); err != nil {
		return s.Fail(err)
	}
	took := time.Since(start)
	if s.JSON {
		return s.PrintJSON(document.Ping{OK: true, Seconds: took.Seconds()})
	}
	fmt.Fprintf(s.Out, "the daemon answers after %s, connecting included\n", took.Round(time.Microsecond))
	return nil
}

func hello(s *cli.Settings, cmd *cobra.Command) error {
	c := s.Asker()
	defer c.Close()
	d, err := c.Hello(cmd.Context())
	if err != nil {
		return s.Fail(err)
	}
	if s.JSON {
		return s.PrintJSON(document.Hello{Version: d.Version, Protocol: d.Protocol, MaxLine: d.MaxLine, InFlight: d.InFlight, Projects: append([]string{}, d.Projects...)})
	}
	s.PrintRows([][2]string{
		{"version", d.Version},
		{"protocol", strconv.Itoa(d.Protocol)},
		{"longest line", strconv.Itoa(d.MaxLine) + " bytes"},
		{"in flight", strconv.Itoa(d.InFlight) + " requests a connection"},
		{"projects", terminal.OrNone(strings.Join(d.Projects, ", "))},
	})
	return nil
}
