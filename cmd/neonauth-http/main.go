// Neonauth-http answers the authorisation requests of web servers (nginx,
// Caddy, HAProxy, Traefik, Envoy) by asking neonauthd. It holds no secret. It
// keeps accepted answers until the daemon reports that they have ended. It
// decides by the token and by what the web server's configuration requires,
// never by a path, a method or a forwarded address.
//
// "neonauth-http hooks" is a separate process with secrets and access to the
// daemon's admin socket: it receives webhooks and makes the daemon follow them.
package main

import (
	"context"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/cmd/neonauth-http/internal/authrequest"
	"github.com/neonauthd/neonauthd/cmd/neonauth-http/internal/hooks"
	"github.com/neonauthd/neonauthd/cmd/neonauth-http/internal/nginxcheck"
	"github.com/neonauthd/neonauthd/internal/program"
	"github.com/neonauthd/neonauthd/internal/program/command"
	"github.com/neonauthd/neonauthd/protocol"
)

func main() {
	ctx, stop := command.Signals()
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run does what args say and returns the exit status.
func run(ctx context.Context, args []string, out, errs io.Writer) int {
	root := root()
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errs)
	return command.Run(ctx, root)
}

// flags are the sockets and files of the program; all other settings are in the
// configuration file.
type flags struct {
	listen, status string
	logout         string
	socket         string
	config         string
	check          bool
	logFormat      string                // "": the configuration's
	began          *authrequest.Settings // the configuration at the start
}

func root() *cobra.Command {
	var f flags
	root := &cobra.Command{
		Use:   "neonauth-http",
		Short: "Answer web servers' authorisation requests from neonauthd",
		Long: `neonauth-http answers the authorisation requests of nginx (auth_request), Caddy
(forward_auth), HAProxy, Traefik (forwardAuth) and Envoy (HTTP ext_authz): 2xx
with the user's identity in X-Auth-* headers if the token is good, 401 or 403 if
there is proof against it, 503 if it could not tell. Without a command it serves
until it is told to stop (SIGTERM); SIGHUP reads the configuration file again.

--listen serves /nginx, /caddy, /haproxy, /traefik and /envoy and nothing else,
--status-listen serves /healthz, /readyz and /metrics, and --logout-listen serves
/logout/PROJECT, to which an issuer posts that a session has ended. Sockets that
systemd passes (neonauth-http, neonauth-http-status, neonauth-http-logout) replace
these flags.`,
		Example: `  neonauth-http --listen unix:/run/neonauth-http/http.sock
  neonauth-http --listen 127.0.0.1:4181 --status-listen 127.0.0.1:9465
  neonauth-http check-nginx /etc/nginx/nginx.conf`,
		Args: command.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.check {
				return f.checkConfig(cmd.OutOrStdout())
			}
			return f.serve(cmd.Context(), cmd.ErrOrStderr())
		},
	}
	command.Listen(root.Flags(), &f.listen, "listen", "127.0.0.1:4181", "`ADDRESS` for web servers: unix:PATH, or HOST:PORT on loopback")
	command.Listen(root.Flags(), &f.status, "status-listen", "127.0.0.1:4181", "`ADDRESS` for health and metrics, of the same kinds; empty: none")
	command.Listen(root.Flags(), &f.logout, "logout-listen", "127.0.0.1:4181", "`ADDRESS` for logout tokens, of the same kinds; empty: none")
	command.Path(root.Flags(), &f.socket, "socket", "", "`PATH` of the daemon's socket (default $"+client.SocketVariable+", else "+protocol.DefaultSocket+")")
	command.Path(root.Flags(), &f.config, "config", "", "configuration `FILE` (default: none, with default settings)")
	root.Flags().BoolVar(&f.check, "check", false, "check the configuration file, then exit")
	logFormat(root, &f.logFormat, "log_format of the configuration file")
	root.AddCommand(hooksCommand(), nginxcheck.Command(nginxcheck.Rules{Headers: authrequest.Headers(), Query: authrequest.Searched}))
	command.Set(root, program.Version("neonauth-http", release, commit))
	return root
}

// hooksCommand returns the command "hooks", which shares with the program how
// the log is written.
func hooksCommand() *cobra.Command {
	var format string
	cmd := hooks.Command(hooks.Program{
		Release: release, Now: now,
		NewLogger: func(w io.Writer) *slog.Logger {
			return program.NewLogger(w, slog.LevelInfo, format == authrequest.LogJSON)
		},
	})
	logFormat(cmd, &format, authrequest.LogText)
	return cmd
}

// logFormat adds the flag for the format of the log. otherwise names the
// default in the help.
func logFormat(cmd *cobra.Command, format *string, otherwise string) {
	command.Text(cmd.Flags(), format, "log-format", "`FORMAT` of the log: text or json (default "+otherwise+")", func(format string) string {
		if err := authrequest.CheckLogFormat(format); err != nil {
			return err.Error()
		}
		return ""
	})
	command.Offer(cmd, "log-format", func() []string { return []string{authrequest.LogText, authrequest.LogJSON} })
}
