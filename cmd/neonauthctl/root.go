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
	"github.com/neonauthd/neonauthd/protocol"
)

// The exit codes, which are part of the program's interface.
const (
	exitYes     = 0 // accepted; done
	exitNo      = 1 // rejected: the daemon holds proof
	exitUsage   = 2 // called wrongly
	exitUnknown = 3 // could not tell
)

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

// usage is a mistake in how the program was called.
type usage struct{ what string }

func (u usage) Error() string { return u.what }

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
	var wrong usage
	switch {
	case err == nil:
		return exitYes
	case errors.As(err, &code):
		return int(code)
	case errors.As(err, &wrong):
		fmt.Fprintf(t.err, "neonauthctl: %s\n", wrong.what)
		return exitUsage
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
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_ = cmd.Help()
			return exit(exitUsage)
		},
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetFlagErrorFunc(flagError)
	flags := root.PersistentFlags()
	flags.StringVar(&s.socket, "socket", "", "`path` of the daemon's socket (default $"+client.SocketVariable+", else "+protocol.DefaultSocket+")")
	flags.StringVar(&s.adminSocket, "admin-socket", "", "`path` of the admin socket (default $"+adminVariable+", else "+protocol.DefaultAdminSocket+")")
	flags.DurationVar(&s.timeout, "timeout", 0, "time that one question may take (default 1s, for admin commands 10s)")
	flags.BoolVar(&s.json, "json", false, "print one JSON object instead of text")
	root.AddCommand(lookupCommands(s)...)
	root.AddCommand(daemonCommands(s)...)
	root.AddCommand(adminCommands(s)...)
	root.AddCommand(benchCommands(s)...)
	root.AddCommand(topCommand(s))
	discreetCompletion(root)
	return root
}

// discreetCompletion keeps cobra's own commands from repeating arguments.
func discreetCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() != "completion" {
			continue
		}
		cmd.Args = noArguments
		for _, shell := range cmd.Commands() {
			shell.Args = noArguments
		}
	}
}

// noArguments refuses arguments without repeating them: the usual mistake is a
// token on the command line, and an error ends up in a log.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if cmd.HasParent() {
		return usage{fmt.Sprintf("%s takes no arguments; a token is read from standard input or --token-file (see %[1]s --help)", cmd.CommandPath())}
	}
	return usage{"no such command (see neonauthctl --help); a token is never an argument"}
}

// namedFlag finds the flag's name in pflag's "bad value" error.
var namedFlag = regexp.MustCompile(`for "(?:-., )?--([a-z-]+)" flag: `)

// flagError names the flag that is wrong and leaves out what stood behind it.
func flagError(cmd *cobra.Command, err error) error {
	see := fmt.Sprintf("(see %s --help)", cmd.CommandPath())
	var named interface{ GetSpecifiedName() string }
	if errors.As(err, &named) && cmd.Flags().Lookup(named.GetSpecifiedName()) != nil {
		return usage{"--" + named.GetSpecifiedName() + " needs a value " + see}
	}
	for _, match := range namedFlag.FindAllStringSubmatch(err.Error(), -1) {
		if cmd.Flags().Lookup(match[1]) != nil {
			return usage{"--" + match[1] + " cannot have this value " + see}
		}
	}
	return usage{"no such flag " + see}
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

// projectFlag adds --project to a command that can ask about several.
func (s *settings) projectFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.project, "project", "", "`name` of the project, as the daemon's configuration has it (default its first)")
}
