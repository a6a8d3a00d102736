// Package cli is what every command of neonauthctl shares: its flags, whom it
// asks, where it has its token from, and what it ends with.
package cli

import (
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

// adminTimeout is what an admin command may take unless --timeout is given:
// saving revocations and reading the configuration touch the disk.
const adminTimeout = 10 * time.Second

// Settings are the flags that every command has, and where it reads and writes.
type Settings struct {
	terminal.Terminal
	Socket, AdminSocket string        // "": as the environment says, or the default
	Project             string        // "": the daemon's first
	Timeout             time.Duration // of one question; 0: as long as such a question usually may take
	JSON                bool          // print one JSON object instead of text

	asked advice.Socket // the one that the client made last asks
}

// Flags adds the flags that every command has.
func (s *Settings) Flags(flags *pflag.FlagSet) {
	command.Path(flags, &s.Socket, "socket", "", "`path` of the daemon's socket (default $"+client.SocketVariable+", else "+protocol.DefaultSocket+")")
	command.Path(flags, &s.AdminSocket, "admin-socket", "", "`path` of the admin socket (default $"+AdminVariable+", else "+protocol.DefaultAdminSocket+")")
	command.Duration(flags, &s.Timeout, "timeout", "", 0, "time that one question may take (default 1s, for admin commands 10s)")
	flags.BoolVar(&s.JSON, "json", false, "print one JSON object instead of text")
}

// NoArguments refuses arguments: the usual mistake is a token on the command
// line.
func NoArguments(cmd *cobra.Command, args []string) error {
	return command.NoArgumentsBut("a token is read from standard input or --token-file, and is never an argument")(cmd, args)
}

// Asker returns a client of the ordinary socket. It must be closed.
func (s *Settings) Asker() *client.Client {
	s.asked = place(s.Socket, "socket", client.SocketVariable, protocol.DefaultSocket)
	return &client.Client{Socket: s.asked.Path, Project: s.Project, Timeout: s.Timeout, Conns: 1, Keep: -1, Name: "neonauthctl"}
}

// place is where a socket is: as the flag says, the variable, or by default.
func place(flag, name, variable, otherwise string) advice.Socket {
	s := advice.Socket{Path: flag, From: "from --" + name, Flag: "--" + name}
	if s.Path == "" {
		s.Path, s.From = os.Getenv(variable), "from $"+variable
	}
	if s.Path == "" {
		s.Path, s.From = otherwise, "the default"
	}
	return s
}

// Admin returns a client of the admin socket. It must be closed.
func (s *Settings) Admin() *client.Client {
	s.asked = place(s.AdminSocket, "admin-socket", AdminVariable, protocol.DefaultAdminSocket)
	timeout := s.Timeout
	if timeout <= 0 {
		timeout = adminTimeout
	}
	return &client.Client{Socket: s.asked.Path, Project: s.Project, Timeout: timeout, Conns: 1, Keep: -1, Name: "neonauthctl"}
}

// ProjectFlag adds --project to a command that can ask about several.
func (s *Settings) ProjectFlag(cmd *cobra.Command) {
	command.Text(cmd.Flags(), &s.Project, "project", "`name` of the project, as the daemon's configuration has it (default its first)", func(name string) string {
		if name != "" && !protocol.IsProject(name) {
			return "must be the name of a project: 1 to 32 letters, digits, \"-\", \"_\" or \".\""
		}
		return ""
	})
}
