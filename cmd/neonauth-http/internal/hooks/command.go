package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/neonauthd/neonauthd/cmd/neonauth-http/internal/authrequest"
	"github.com/neonauthd/neonauthd/cmd/neonauth-http/internal/hooks"
	"github.com/neonauthd/neonauthd/internal/program"
	"github.com/neonauthd/neonauthd/internal/program/command"
	"github.com/neonauthd/neonauthd/internal/sockets"
	"github.com/neonauthd/neonauthd/protocol"
)

// The names that the socket units of "neonauth-http hooks" give their descriptors.
const (
	hooksName       = "neonauth-http-hooks"
	hooksStatusName = "neonauth-http-hooks-status"
)

// adminVariable names the environment variable with the path of the admin
// socket; neonauthctl reads the same one.
const adminVariable = "NEONAUTHD_ADMIN_SOCKET"

// hookFlags are the sockets and files of "neonauth-http hooks".
type hookFlags struct {
	listen, status string
	socket         string
	config         string
	check          bool
	logFormat      string // "": text
}

func hooksCommand() *cobra.Command {
	var f hookFlags
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
			return f.run(cmd.Context(), cmd.OutOrStdout(), program.NewLogger(cmd.ErrOrStderr(), slog.LevelInfo, f.logFormat == authrequest.LogJSON))
		},
	}
	cmd.Flags().StringVar(&f.listen, "listen", "", "`ADDRESS` for deliveries, from a web server: unix:PATH, or HOST:PORT on loopback")
	cmd.Flags().StringVar(&f.status, "status-listen", "", "`ADDRESS` for health and metrics, of the same kinds; empty: none")
	command.Path(cmd.Flags(), &f.socket, "admin-socket", "", "`PATH` of the daemon's admin socket (default $"+adminVariable+", else "+protocol.DefaultAdminSocket+")")
	command.Path(cmd.Flags(), &f.config, "config", "", "configuration `FILE` (required)")
	cmd.Flags().BoolVar(&f.check, "check", false, "check the configuration file and the secrets, then exit")
	logFormat(cmd, &f.logFormat, authrequest.LogText)
	return cmd
}

// run reads the configuration and serves until ctx ends.
func (f *hookFlags) run(ctx context.Context, out io.Writer, log *slog.Logger) error {
	if f.config == "" {
		return program.Usage("--config is missing: the file that names the projects and where their secrets are (see neonauth-http hooks --help)")
	}
	set, err := hooks.Load(f.config)
	switch {
	case f.check && hooks.Undelivered(err):
		fmt.Fprintf(out, "%v: not checked, only the service gets it; its log says at the start whether it is right\n", err)
		return nil
	case err != nil:
		return program.ConfigError{Err: err}
	case f.check:
		return nil
	}
	l, err := openSockets([]string{hooksName, hooksStatusName}, f.listen, f.status, "")
	if err != nil {
		return err
	}
	if sockets.OnNetwork(l.auth) { // the flags refuse it, a socket unit does not
		log.Warn("an inherited socket can be reached from other hosts: deliveries hold what the upstream knows of users, and nothing encrypts them there; let a web server with TLS stand before it", "socket", address(l.auth))
	}
	s := hooks.New(release, f.adminSocket(), set, log, now)
	log.Info("serving", "version", release, "daemon", f.adminSocket(), "listen", address(l.auth), "status", address(l.status), "projects", set.Projects())
	defer ignoreHangups(log)()
	err = s.Serve(ctx, l.auth, l.status)
	log.Info("stopped")
	return errors.Join(err, s.Close())
}

func (f *hookFlags) adminSocket() string {
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
