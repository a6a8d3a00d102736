package demo

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/neonauthd/neonauthd/internal/program"
	"github.com/neonauthd/neonauthd/internal/program/command"
)

// Command returns the command "demo", whose daemon serve runs.
func Command(serve Serve) *cobra.Command {
	o := Options{Screen: Screen, Serve: serve}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Try neonauthd: a daemon with an embedded upstream, tokens, and commands to paste",
		Long: `Runs a daemon and an embedded upstream until Ctrl-C, and prints commands to paste
into another terminal. With --dir and --seed each start has the same sockets,
project, keys, users and ids, for tests of an application; "neonauthd demo token"
prints tokens. Never use it in production: every program on this host can get
tokens of any user from the upstream.`,
		Example: `  neonauthd demo
  neonauthd demo --dir /tmp/auth --seed ci &
  neonauthd demo token --dir /tmp/auth --user ada`,
		Args: command.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	o.addFlags(cmd)
	listenFlag(cmd, &o.Listen, "", "loopback `HOST:PORT` of the upstream (default: a port derived from the seed, or any)")
	cmd.AddCommand(tokenCommand())
	return cmd
}

// addFlags adds the flags of every command that runs a demo.
func (o *Options) addFlags(cmd *cobra.Command) {
	command.Path(cmd.Flags(), &o.Dir, "dir", "", "folder of the sockets and tokens (default: a private one, removed at the end)")
	command.Text(cmd.Flags(), &o.Seed, "seed", "`WORD` from which project, keys, users and ids are derived (default: new ones at each start)", seedFault)
}

// maxSeed is the longest seed.
const maxSeed = 256

func seedFault(word string) string {
	if word == "" || len(word) > maxSeed {
		return fmt.Sprintf("must be a word of 1 to %d bytes", maxSeed)
	}
	return credentialFault(word)
}

func userFault(name string) string {
	if fault := CheckUser(name); fault != "" {
		return fault
	}
	return credentialFault(name)
}

func credentialFault(text string) string {
	if err := command.CheckPath(text); err != nil {
		return "is for a word, and " + err.Error()
	}
	return ""
}

// listenFlag adds the flag for the upstream's address.
func listenFlag(cmd *cobra.Command, listen *string, otherwise, usage string) {
	*listen = otherwise
	command.Loopback(cmd.Flags(), listen, "listen", "127.0.0.1:4000", "this server mints tokens for anybody", usage)
}

// run serves an upstream and a daemon until it is told to stop.
func (o Options) run(cmd *cobra.Command) error {
	o.Out = cmd.OutOrStdout()
	o.Self, o.Control, o.HTTP = sibling("neonauthd"), sibling("neonauthctl"), sibling("neonauth-http")
	return Run(cmd.Context(), o)
}

// tokenCommand prints tokens of a running demo.
func tokenCommand() *cobra.Command {
	var dir string
	var spec Spec
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Print a token of a running demo",
		Long: `Prints a token of the demo that runs in the folder of --dir, else of $DEMO, else
of $NEONAUTHD_SOCKET. --user names the user: ada, grace, bob (whose address is not
verified), rita (who is restricted), or any other name. A user with another name is
added, with an id that is derived from the seed and the name.

Without --kind it is the access token of a session (project main). The other kinds:
  resource  access token that an OAuth client gets for a resource (project members)
  opaque    access token that only the upstream can judge (project members)
  refresh   refresh token of an OAuth client, which nobody accepts
  id        ID token, which nobody accepts
  logout    logout token, which ends the user's new session: neonauthctl logout
  proof     DPoP proof, which nobody accepts
  user-key  API key of the user (project main)
  team-key  API key of a team`,
		Example: `  neonauthd demo token --user ada
  neonauthd demo token --kind id | neonauthctl verify
  neonauthd demo token --expired | neonauthctl verify`,
		Args: command.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			token, err := Mint(cmd.Context(), runningFolder(dir), spec)
			if err != nil {
				return fmt.Errorf("demo token: %w", err)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), token)
			return err
		},
	}
	command.Path(cmd.Flags(), &dir, "dir", "", "folder of the demo (default: $DEMO, else that of $NEONAUTHD_SOCKET)")
	command.Text(cmd.Flags(), &spec.User, "user", "`NAME` or address of the user (default: ada)", userFault)
	cmd.Flags().BoolVar(&spec.Expired, "expired", false, "print a token that ended an hour ago")
	cmd.Flags().BoolVar(&spec.Forged, "forged", false, "print a token with a wrong signature")
	cmd.Flags().BoolVar(&spec.Restricted, "restricted", false, "print a token of a restricted user")
	command.Text(cmd.Flags(), &spec.Kind, "kind", "print a credential of another `KIND`", checkKind)
	command.Offer(cmd, "kind", kinds)
	cmd.PreRunE = func(*cobra.Command, []string) error {
		chosen := 0
		if spec.Kind != "" && (spec.Expired || spec.Forged || spec.Restricted) {
			return program.Usage("--kind goes with none of --expired, --forged and --restricted")
		}
		for _, is := range []bool{spec.Expired, spec.Forged, spec.Restricted} {
			if is {
				chosen++
			}
		}
		if chosen > 1 {
			return program.Usage("only one of --expired, --forged and --restricted can be had at once")
		}
		return nil
	}
	return cmd
}

// runningFolder returns the folder of the running demo; "" if neither a flag nor a
// variable names one.
func runningFolder(flag string) string {
	switch socket := os.Getenv("NEONAUTHD_SOCKET"); {
	case flag != "":
		return flag
	case os.Getenv("DEMO") != "":
		return os.Getenv("DEMO")
	case socket != "":
		return filepath.Dir(socket)
	}
	return ""
}

// goRun begins the command of a program that is not built yet.
const goRun = "go run "

// sibling returns how to call another program of ours: with go run if this
// program was started so, else beside this program if it is there.
func sibling(name string) string {
	self, err := os.Executable()
	switch {
	case err != nil:
		return name
	case strings.Contains(self, "go-build"):
		return goRun + "./cmd/" + name
	}
	path := filepath.Join(filepath.Dir(self), name)
	if _, err := os.Stat(path); err != nil {
		return name
	}
	return path
}
