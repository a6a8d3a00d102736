package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/internal/program"
	"github.com/neonauthd/neonauthd/internal/program/command"
	"github.com/neonauthd/neonauthd/protocol"
)

// The exit codes, which are part of the program's interface.
const (
	exitYes     = 0 // accepted; done
	exitNo      = 1 // rejected: the daemon holds proof
	exitUnknown = 3 // could not tell
) // and program.ExitUsage: called wrongly

// adminVariable names the environment variable with the admin socket's path.
const adminVariable = "NEONAUTHD_ADMIN_SOCKET"

// adminTimeout is what an admin command may take unless --timeout is given:
// saving revocations and reading the configuration touch the disk.
const adminTimeout = 10 * time.Second

// terminal is where the program reads and writes.
type terminal struct {
	in       io.Reader
	out, err io.Writer
}

// exit is an error that has been reported already, or needs no report, and is
// now a code only.
type exit int

func (e exit) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// settings are the flags that every command has.
type settings struct {
	terminal
	socket, adminSocket string
	project             string
	timeout             time.Duration
	json                bool
}

// run does what args say and returns the exit code.
func run(ctx context.Context, args []string, t terminal) int {
	root := newRoot(&settings{terminal: t})
	root.SetArgs(args)
	root.SetIn(t.in)
	root.SetOut(t.out)
	root.SetErr(t.err)
	err := root.ExecuteContext(ctx)
	var code exit
	var wrong program.UsageError
	switch {
	case err == nil:
		return exitYes
	case errors.As(err, &code):
		return int(code)
	case errors.As(err, &wrong):
		fmt.Fprintf(t.err, "neonauthctl: %v\n", wrong)
		return program.ExitUsage
	}
	fmt.Fprintf(t.err, "neonauthctl: %v\n", err)
	return exitUnknown
}

func newRoot(s *settings) *cobra.Command {
	root := &cobra.Command{
		Use:   "neonauthctl",
		Short: "Ask and steer neonauthd",
		Long: `Neonauthctl asks neonauthd about tokens and steers it.

A token is read from standard input, or from a file with --token-file. It is
never taken from the command line, where every process of the host could read it.

Exit codes: 0 accepted or done, 1 rejected, 2 called wrongly, 3 could not tell.`,
		Example: `  neonauthctl verify < token
  neonauthctl profile --json --token-file token | jq .profile
  neonauthctl revoke subject 9f1c1f7e-2f0e-4c0a-a0ab-0d9a6f4a2f11`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_ = cmd.Help()
			return exit(program.ExitUsage)
		},
	}
	flags := root.PersistentFlags()
	command.Path(flags, &s.socket, "socket", "", "`path` of the daemon's socket (default $"+client.SocketVariable+", else "+protocol.DefaultSocket+")")
	command.Path(flags, &s.adminSocket, "admin-socket", "", "`path` of the admin socket (default $"+adminVariable+", else "+protocol.DefaultAdminSocket+")")
	flags.DurationVar(&s.timeout, "timeout", 0, "time that one question may take (default 1s, for admin commands 10s)")
	flags.BoolVar(&s.json, "json", false, "print one JSON object instead of text")
	root.AddCommand(lookupCommands(s)...)
	root.AddCommand(daemonCommands(s)...)
	root.AddCommand(adminCommands(s)...)
	root.AddCommand(benchCommands(s)...)
	root.AddCommand(topCommand(s))
	command.Set(root, program.Version("neonauthctl", release, commit))
	return root
}

// noArguments refuses arguments: the usual mistake is a token on the command
// line.
func noArguments(cmd *cobra.Command, args []string) error {
	return command.NoArgumentsBut("a token is read from standard input or --token-file, and is never an argument")(cmd, args)
}

// asker returns a client of the ordinary socket.
func (s *settings) asker() *client.Client {
	return &client.Client{Socket: s.socket, Project: s.project, Timeout: s.timeout, Conns: 1, Name: "neonauthctl"}
}

// admin returns a client of the admin socket.
func (s *settings) admin() *client.Client {
	path := s.adminSocket
	if path == "" {
		path = os.Getenv(adminVariable)
	}
	if path == "" {
		path = protocol.DefaultAdminSocket
	}
	timeout := s.timeout
	if timeout <= 0 {
		timeout = adminTimeout
	}
	return &client.Client{Socket: path, Project: s.project, Timeout: timeout, Conns: 1, Name: "neonauthctl"}
}

// projectName matches what the protocol allows as the name of a project, and none.
func projectName() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9._-]{0,32}$`) }

// projectFlag adds --project to a command that can ask about several.
func (s *settings) projectFlag(cmd *cobra.Command) {
	command.Text(cmd.Flags(), &s.project, "project", "`name` of the project, as the daemon's configuration has it (default its first)", func(name string) string {
		if !projectName().MatchString(name) {
			return "must be the name of a project: 1 to 32 letters, digits, \"-\", \"_\" or \".\""
		}
		return ""
	})
}
