// Neonauth-http answers the authorisation requests of web servers (nginx,
// Caddy, HAProxy, Traefik, Envoy) from neonauthd. It holds no secret, keeps
// nothing, and decides by the token and by what the web server's configuration
// asks of it, never by a path, a method or a forwarded address.
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

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/internal/program"
	"github.com/neonauthd/neonauthd/protocol"
)

// Exit statuses.
const (
	exitFailure = 1  // it could not start, or failed while running; check-nginx: there are findings
	exitUsage   = 2  // the command line is wrong
	exitConfig  = 78 // the configuration file is wrong (EX_CONFIG); only an edit mends it
)

// usageError marks an error that the command line is to blame for.
type usageError struct{ error }

// configError marks an error that the configuration file is to blame for.
type configError struct{ error }

func (e usageError) Unwrap() error  { return e.error }
func (e configError) Unwrap() error { return e.error }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	// A second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run does what args say and returns the exit status.
func run(ctx context.Context, args []string, out, errs io.Writer) int {
	root := command()
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errs)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintln(errs, "neonauth-http:", err)
	var usage usageError
	var config configError
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &config):
		return exitConfig
	}
	return exitFailure
}

// flags are the places that the program touches; everything else stands in the
// configuration file.
type flags struct {
	listen, status string
	socket         string
	config         string
}

func command() *cobra.Command {
	var f flags
	root := &cobra.Command{
		Use:   "neonauth-http",
		Short: "Answer web servers' authorisation requests from neonauthd",
		Long: `neonauth-http answers the authorisation requests of nginx (auth_request), Caddy
(forward_auth), HAProxy, Traefik (forwardAuth) and Envoy (HTTP ext_authz): 2xx
with the user's identity in X-Auth-* headers, 401 or 403 with proof, 503 when it
could not be told. Without a command it serves until it is told to stop
(SIGTERM); SIGHUP reads the configuration file again.

On the first listener there are /nginx, /caddy, /haproxy, /traefik and /envoy
and nothing else; on the second /healthz, /readyz and /metrics. Sockets passed
by systemd (neonauth-http, neonauth-http-status) take the place of both flags.`,
		Example: `  neonauth-http --listen unix:/run/neonauth-http/http.sock
  neonauth-http --listen 127.0.0.1:4181 --status-listen 127.0.0.1:9465
  neonauth-http check-nginx /etc/nginx/nginx.conf`,
		Args:          noArguments,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.serve(cmd.Context(), program.NewLogger(cmd.ErrOrStderr(), slog.LevelInfo))
		},
	}
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w (see --help)", err)}
	})
	root.Flags().StringVar(&f.listen, "listen", "", "`ADDRESS` for web servers: unix:PATH, or HOST:PORT on loopback")
	root.Flags().StringVar(&f.status, "status-listen", "", "`ADDRESS` for health and metrics, of the same kinds; empty: none")
	root.Flags().StringVar(&f.socket, "socket", "", "`PATH` of the daemon's socket (default $"+client.SocketVariable+", else "+protocol.DefaultSocket+")")
	root.Flags().StringVar(&f.config, "config", "", "configuration `FILE`; without one the defaults hold")
	root.AddCommand(checkNginxCommand())
	return root
}

func noArguments(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{errors.New("no such command (see --help)")}
	}
	return nil
}
