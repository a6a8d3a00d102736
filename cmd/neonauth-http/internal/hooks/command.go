package hooks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/neonauthd/neonauthd/cmd/neonauth-http/internal/listen"
	"github.com/neonauthd/neonauthd/internal/program"
	"github.com/neonauthd/neonauthd/internal/program/command"
	"github.com/neonauthd/neonauthd/internal/sockets"
	"github.com/neonauthd/neonauthd/protocol"
)

// adminVariable names the environment variable with the path of the admin
// socket; neonauthctl reads the same one.
const adminVariable = "NEONAUTHD_ADMIN_SOCKET"

// Program is what the command gets from the program that it is part of.
type Program struct {
	// Release is the version in the log and the metrics.
	Release string
	// Now returns the time with which the time of a webhook is compared.
	Now func() time.Time
	// NewLogger returns the log that is written to w. It is called after the flags
	// are parsed.
	NewLogger func(w io.Writer) *slog.Logger
}

// flags are the sockets and files of "neonauth-http hooks".
type flags struct {
	listen, status string
	socket         string
	config         string
	check          bool
}

// Command returns the command "hooks".
func Command(p Program) *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use:   "hooks",
		Short: "Receive webhooks of Stack Auth and make the daemon follow them",
		Long: `Receives webhooks of Stack Auth, which Svix delivers, at /hooks/PROJECT. It makes
the daemon forget profiles that have changed, and revoke the tokens of users who are
deleted. It answers 204 when the daemon has done that, and otherwise makes the
sender try again. It uses the daemon's admin socket and holds the secrets with which
deliveries are signed, so it is a separate process and unit (neonauth-http-hooks).
It serves until it is told to stop (SIGTERM).

The configuration file has a [[project]] table for each project: its name in
neonauthd.toml, and the credentials or files with its secrets.`,
		Example: `  neonauth-http hooks --config hooks.toml --listen unix:/run/neonauth-http-hooks/hooks.sock
  neonauth-http hooks --config hooks.toml --check`,
		Args: command.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.run(cmd.Context(), &p, cmd.OutOrStdout(), p.NewLogger(cmd.ErrOrStderr()))
		},
	}
	command.Listen(cmd.Flags(), &f.listen, "listen", "127.0.0.1:4182", "`ADDRESS` for deliveries, from a web server: unix:PATH, or HOST:PORT on loopback")
	command.Listen(cmd.Flags(), &f.status, "status-listen", "127.0.0.1:4182", "`ADDRESS` for health and metrics, of the same kinds; empty: none")
	command.Path(cmd.Flags(), &f.socket, "admin-socket", "", "`PATH` of the daemon's admin socket (default $"+adminVariable+", else "+protocol.DefaultAdminSocket+")")
	command.Path(cmd.Flags(), &f.config, "config", "", "configuration `FILE` (required)")
	cmd.Flags().BoolVar(&f.check, "check", false, "check the configuration file and the secrets, then exit")
	return cmd
}

// run reads the configuration and serves until ctx ends.
func (f *flags) run(ctx context.Context, p *Program, out io.Writer, log *slog.Logger) error {
	if f.config == "" {
		return program.Usage("--config is missing: the file that names the projects and where their secrets are (see neonauth-http hooks --help)")
	}
	set, err := Load(f.config)
	switch {
	case f.check && Undelivered(err):
		fmt.Fprintf(out, "%v: not checked, only the service gets it; its log says at the start whether it is right\n", err)
		return nil
	case err != nil:
		return program.ConfigError{Err: err}
	case f.check:
		fmt.Fprintf(out, "ok            %s\nprojects      %s\n", f.config, strings.Join(set.Projects(), " "))
		return nil
	}
	program.OutliveLog()
	l, err := listen.Open(listen.Hooks(), listen.Addresses{Main: f.listen, Status: f.status})
	if err != nil {
		return err
	}
	deliveries, monitors := l.Main, l.Status
	if sockets.OnNetwork(deliveries) { // the flags refuse it, a socket unit does not
		log.Warn("an inherited socket can be reached from other hosts: deliveries hold what the upstream knows of users, and nothing encrypts them there; let a web server with TLS stand before it", "socket", sockets.Address(deliveries))
	}
	s := New(p.Release, f.adminSocket(), set, log, p.Now)
	log.Info("serving", "version", p.Release, "daemon", f.adminSocket(), "listen", sockets.Address(deliveries), "status", sockets.Address(monitors), "projects", set.Projects())
	defer ignoreHangups(log)()
	err = s.Serve(ctx, deliveries, monitors)
	log.Info("stopped")
	return errors.Join(err, s.Close())
}

func (f *flags) adminSocket() string {
	switch variable := os.Getenv(adminVariable); {
	case f.socket != "":
		return f.socket
	case variable != "":
		return variable
	default:
		return protocol.DefaultAdminSocket
	}
}

// ignoreHangups keeps SIGHUP from ending this program. SIGHUP makes our other
// programs read their files again, but systemd delivers credentials only at a
// start. The returned function ends it.
func ignoreHangups(log *slog.Logger) (end func()) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for range hup {
			log.Warn("nothing was read again: restart to have the configuration and the secrets read; the socket keeps deliveries meanwhile")
		}
	}()
	return func() {
		signal.Stop(hup)
		close(hup)
		<-ended
	}
}
