package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/internal/program"
	"github.com/neonauthd/neonauthd/protocol"
)

func daemonCommands(s *settings) []*cobra.Command {
	ping := &cobra.Command{
		Use:   "ping",
		Short: "Ask whether the daemon answers",
		Long: `Ping asks the daemon for a sign of life and prints how long it took.

Exit codes: 0 it answers, 2 called wrongly, 3 it does not.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.ping(cmd) },
	}
	hello := &cobra.Command{
		Use:   "hello",
		Short: "Show what the daemon says about itself",
		Long: `Hello prints the daemon's version, protocol version and limits, and the projects
that the caller may ask about.

Exit codes: 0 it answers, 2 called wrongly, 3 it does not.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.hello(cmd) },
	}
	return []*cobra.Command{ping, hello}
}

func (s *settings) ping(cmd *cobra.Command) error {
	c := s.asker()
	defer c.Close()
	start := time.Now()
	if err := c.Ping(cmd.Context()); err != nil {
		return s.fail(err)
	}
	took := time.Since(start)
	if s.json {
		return s.printJSON(pingDocument{OK: true, Seconds: took.Seconds()})
	}
	fmt.Fprintf(s.out, "the daemon answers after %s, connecting included\n", took.Round(time.Microsecond))
	return nil
}

func (s *settings) hello(cmd *cobra.Command) error {
	c := s.asker()
	defer c.Close()
	d, err := c.Hello(cmd.Context())
	if err != nil {
		return s.fail(err)
	}
	if s.json {
		return s.printJSON(helloDocument{Version: d.Version, Protocol: d.Protocol, MaxLine: d.MaxLine, InFlight: d.InFlight, Projects: append([]string{}, d.Projects...)})
	}
	s.printRows([][2]string{
		{"version", d.Version},
		{"protocol", strconv.Itoa(d.Protocol)},
		{"longest line", strconv.Itoa(d.MaxLine) + " bytes"},
		{"in flight", strconv.Itoa(d.InFlight) + " requests a connection"},
		{"projects", orNone(strings.Join(d.Projects, ", "))},
	})
	return nil
}

// fail reports why a command other than a lookup got no answer. That the
// daemon finds the request itself wrong is a mistake of usage.
func (s *settings) fail(err error) error {
	code := exit(exitUnknown)
	var reply *client.ReplyError
	if errors.As(err, &reply) && reply.Code == protocol.CodeBadRequest {
		code = program.ExitUsage
	}
	if s.json {
		if err := s.printJSON(failureOf(err)); err != nil {
			return err
		}
		return code
	}
	fmt.Fprintf(s.err, "neonauthctl: %v\n", err)
	return code
}
