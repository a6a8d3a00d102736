package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"text/template"
	"time"

	"github.com/spf13/cobra"

	"github.com/neonauthd/neonauthd/daemon"
	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/program/command"
)

func demoCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Try it: a daemon with an embedded upstream, a token, and commands to paste",
		Args:  command.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return demo(cmd.Context(), cmd.OutOrStdout())
		},
	}
}

// demo serves the stand-in upstream on loopback and a daemon on a private
// socket until ctx ends, and removes everything it made.
func demo(ctx context.Context, out io.Writer) (err error) {
	dir, err := os.MkdirTemp(os.Getenv("XDG_RUNTIME_DIR"), "neonauthd-demo-")
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	upstream := standin.New(standin.Options{BaseURL: "http://" + ln.Addr().String(), TokenLifetime: time.Hour})
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { _ = upstream.Run(ctx, ln); stop() })

	d := demonstration{Dir: dir, upstream: upstream}
	if err := d.prepare(); err != nil {
		stop()
		return fmt.Errorf("demo: %w", err)
	}
	cfg, err := config.Load(filepath.Join(dir, "neonauthd.toml"))
	if err != nil {
		stop()
		return fmt.Errorf("demo: %w", err)
	}
	opts := daemon.Options{
		Version: release, // and no logger: the project that is down would fill the screen
		Reload:  func() (config.Config, error) { return config.Load(filepath.Join(dir, "neonauthd.toml")) },
		Notify: func(state string) {
			if strings.HasPrefix(state, "READY=1") {
				d.tell(out)
			}
		},
	}
	return serve(ctx, cfg, opts)
}

// demonstration is what a demo shows.
type demonstration struct {
	Dir, Token string
	Ctl        string
	upstream   *standin.Standin
}

// prepare writes the demo's files: a configuration, a key, and tokens.
func (d *demonstration) prepare() error {
	ada := d.upstream.AddUser(standin.User{Name: "Ada Lovelace", Email: "ada@example.org", EmailVerified: true})
	d.Token = d.upstream.StackToken(standin.TokenSpec{Subject: ada.ID})
	d.Ctl = controlProgram()
	config := fmt.Sprintf("socket = %q\nadmin_socket = %q\nstate_dir = %q\n\n",
		filepath.Join(d.Dir, "neonauthd.sock"), filepath.Join(d.Dir, "admin.sock"), filepath.Join(d.Dir, "state"))
	config += strings.Replace(d.upstream.ConfigBlock(standin.Stack, "./server-key"), `name = "stack"`, `name = "main"`, 1)
	// A second project whose upstream nobody answers for: port 9 (discard).
	config += "[[project]]\nname = \"down\"\npreset = \"neon\"\nbase_url = \"http://127.0.0.1:9/neondb/auth\"\n"
	for name, text := range map[string]string{
		"neonauthd.toml": config,
		"server-key":     d.upstream.ServerKey(),
		"valid.jwt":      d.Token,
		"forged.jwt":     d.upstream.StackToken(standin.TokenSpec{Subject: ada.ID, Forged: true}),
	} {
		if err := os.WriteFile(filepath.Join(d.Dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

var demoText = template.Must(template.New("demo").Parse(`neonauthd demo: an upstream and a daemon are running; Ctrl-C ends both.

A valid token (also in {{.Dir}}/valid.jwt):
{{.Token}}

In another terminal, in this folder:

export NEONAUTHD_SOCKET={{.Dir}}/neonauthd.sock NEONAUTHD_ADMIN_SOCKET={{.Dir}}/admin.sock DEMO={{.Dir}}

# accepted (exit 0): the token is good, this is whose it is
{{.Ctl}} verify --token-file $DEMO/valid.jwt
# rejected (exit 1): there is proof that it is not; answer 401
{{.Ctl}} verify --token-file $DEMO/forged.jwt
# unknown (exit 3): the keys of this project cannot be had now; answer 503, never 401
{{.Ctl}} verify --project down --token-file $DEMO/valid.jwt
# the live profile behind the token, and the same questions by hand
{{.Ctl}} profile --token-file $DEMO/valid.jwt
printf 'VERIFY %s\n' "$(cat $DEMO/valid.jwt)" | socat -t 5 - UNIX-CONNECT:$NEONAUTHD_SOCKET
`))

func (d *demonstration) tell(out io.Writer) {
	if err := demoText.Execute(out, d); err != nil {
		fmt.Fprintln(out, err)
	}
}

// controlProgram is how neonauthctl is called from here: beside this program if
// it is installed there, else through go run as this one was.
func controlProgram() string {
	self, err := os.Executable()
	if err == nil {
		ctl := filepath.Join(filepath.Dir(self), "neonauthctl")
		if _, err := os.Stat(ctl); err == nil {
			return ctl
		}
		if !strings.Contains(self, "go-build") {
			return "neonauthctl"
		}
	}
	return "go run ./cmd/neonauthctl"
}
