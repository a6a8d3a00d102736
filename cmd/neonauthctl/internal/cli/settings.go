// Package cli is the common part of all commands of neonauthctl: flags,
// clients, tokens and exit codes.
package cli

import (
	"context"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/advice"
	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/terminal"
	"github.com/neonauthd/neonauthd/internal/program/command"
	"github.com/neonauthd/neonauthd/protocol"
)

// AdminVariable names the environment variable with the admin socket's path.
const AdminVariable = "NEONAUTHD_ADMIN_SOCKET"

// adminTimeout is the default timeout of admin commands, which may have to wait
// for the disk: to save revocations or read the configuration.
const adminTimeout = 10 * time.Second

// Settings are the flags of every command, and its terminal.
type Settings struct {
	terminal.Terminal
	Socket, AdminSocket string        // "": the environment variable or the default
	Project             string        // "": the daemon's first
	Timeout             time.Duration // of one question; 0: the default for such a question
	JSON                bool          // print one JSON object instead of text

	asked advice.Socket // the socket of the last client
}

// Flags adds the flags of every command.
func (s *Settings) Flags(flags *pflag.FlagSet) {
	command.Path(flags, &s.Socket, "socket", "", "`path` of the daemon's socket (default --admin-socket, else $"+client.SocketVariable+", else "+protocol.DefaultSocket+")")
	command.Path(flags, &s.AdminSocket, "admin-socket", "", "`path` of the admin socket (default --socket, else $"+AdminVariable+", else "+protocol.DefaultAdminSocket+")")
	command.Duration(flags, &s.Timeout, "timeout", "", time.Millisecond, time.Hour, "time limit of one request (default 1s; for admin commands 10s, for top 2s, for logout 5s)")
	flags.BoolVar(&s.JSON, "json", false, "print one JSON object instead of text")
}

// NoArguments refuses arguments. The usual mistake is a token on the command
// line, unless the command takes none.
func NoArguments(cmd *cobra.Command, args []string) error {
	if cmd.HasParent() && !cmd.HasAvailableSubCommands() && cmd.Flags().Lookup(tokenFile) == nil {
		return command.NoArguments(cmd, args)
	}
	return command.NoArgumentsBut("a token is read from standard input or --token-file, and is never an argument")(cmd, args)
}

// Asker returns a client of the ordinary socket. It must be closed.
func (s *Settings) Asker() *client.Client {
	s.asked = place(named{"--socket", s.Socket}, named{"--admin-socket", s.AdminSocket}, client.SocketVariable, protocol.DefaultSocket)
	return &client.Client{Socket: s.asked.Path, Project: s.Project, Timeout: s.Timeout, Conns: 1, Keep: -1, Name: "neonauthctl"}
}

// named is a flag with its value; "" if it is not given.
type named struct{ flag, path string }

// place returns the path of a socket: from its own flag, the flag of the other socket, the variable, or the default. A
// user who names one socket means the daemon behind it, and the variable may name a socket of another daemon.
func place(own, other named, variable, otherwise string) advice.Socket {
	s := advice.Socket{Flag: own.flag}
	switch {
	case own.path != "":
		s.Path, s.From = own.path, "from "+own.flag
	case other.path != "":
		s.Path, s.From = other.path, "from "+other.flag
	case os.Getenv(variable) != "":
		s.Path, s.From = os.Getenv(variable), "from $"+variable
	default:
		s.Path, s.From = otherwise, "the default"
	}
	return s
}

// Admin returns a client of the admin socket. It must be closed.
func (s *Settings) Admin() *client.Client {
	s.asked = place(named{"--admin-socket", s.AdminSocket}, named{"--socket", s.Socket}, AdminVariable, protocol.DefaultAdminSocket)
	timeout := s.Timeout
	if timeout <= 0 {
		timeout = adminTimeout
	}
	return &client.Client{Socket: s.asked.Path, Project: s.Project, Timeout: timeout, Conns: 1, Keep: -1, Name: "neonauthctl"}
}

// ProjectFlag adds --project to a command about one project.
func (s *Settings) ProjectFlag(cmd *cobra.Command) { s.projectFlag(cmd, "its first") }

// OnlyProjectFlag adds --project to a command that lists all projects if none is named.
func (s *Settings) OnlyProjectFlag(cmd *cobra.Command) { s.projectFlag(cmd, "all of them") }

func (s *Settings) projectFlag(cmd *cobra.Command, otherwise string) {
	command.Text(cmd.Flags(), &s.Project, "project", "`name` of the project, as the daemon's configuration has it (default "+otherwise+")", func(name string) string {
		if !protocol.IsProject(name) {
			return "must be the name of a project: 1 to 32 letters, digits, \"-\", \"_\" or \".\""
		}
		return ""
	})
	command.Offer(cmd, "project", func() []string { return s.projects(cmd.Context()) })
}

// offerTimeout is how long a shell waits for the projects that it offers.
const offerTimeout = time.Second

// projects returns the projects that the caller may ask about; none if nobody answers.
func (s *Settings) projects(ctx context.Context) []string {
	if ctx == nil { // the command does not run, it is only completed
		ctx = context.Background()
	}
	ctx, cancel := context.WithTimeout(ctx, offerTimeout)
	defer cancel()
	c := s.Asker()
	defer c.Close()
	d, err := c.Hello(ctx)
	if err != nil {
		return nil
	}
	return d.Projects
}
