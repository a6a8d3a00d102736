package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/cmd/neonauth-http/internal/authrequest"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
	"github.com/neonauthd/neonauthd/internal/program"
)

func TestCommandLineIsRefusedInWords(t *testing.T) {
	t.Parallel()
	dir := need.Folder(t)
	bad := filepath.Join(dir, "bad.toml")
	file := filepath.Join(dir, "file")
	undelivered := filepath.Join(dir, "undelivered.toml")
	for f, text := range map[string]string{bad: "x", file: "x", undelivered: "[[project]]\nname = \"main\"\n"} {
		if err := os.WriteFile(f, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	open := filepath.Join(dir, "open")
	if err := errors.Join(os.Mkdir(open, 0o700), os.Chmod(open, 0o777)); err != nil {
		t.Fatal(err)
	}
	loose := filepath.Join(dir, "loose.toml")
	if err := errors.Join(os.WriteFile(loose, nil, 0o600), os.Chmod(loose, 0o666)); err != nil {
		t.Fatal(err)
	}
	good, hooks := filepath.Join(dir, "good.toml"), filepath.Join(dir, "hooks.toml")
	if err := errors.Join(
		os.WriteFile(good, []byte("access_log = \"file:/nope/x\"\n"), 0o600),
		os.WriteFile(hooks, []byte("[[project]]\nname = \"main\"\nsecrets = [\"./secret\"]\n"), 0o600),
		os.WriteFile(filepath.Join(dir, "secret"), []byte("whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{nil, program.ExitUsage, "--listen is missing"},
		{[]string{"eyJtoken"}, program.ExitUsage, "no such command (see"},
		{[]string{"neonauth-http.toml"}, program.ExitUsage, "no such command; a configuration file goes behind --config (see"},
		{[]string{"etc/file"}, program.ExitUsage, "no such command; a configuration file goes behind --config (see"},
		{[]string{"--nothing"}, program.ExitUsage, "no such flag"},
		{[]string{"--listen", "0.0.0.0:80"}, program.ExitUsage, "neither unix:PATH nor a loopback address"},
		{[]string{"--listen", "localhost:80"}, program.ExitUsage, "neither unix:PATH nor a loopback address"},
		{[]string{"--listen", "unix:" + filepath.Join(dir, "a"), "--status-listen", "[::]:80"}, program.ExitUsage, "--status-listen"},
		{[]string{"--listen", "unix:" + file}, program.ExitFailure, "not a socket is in its place; it was not touched"},
		{[]string{"--listen", "unix:" + filepath.Join(open, "a")}, program.ExitFailure, "writable by others, who could replace what is in it"},
		{[]string{"--listen", "unix:" + filepath.Join(dir, "a"), "--status-listen", "unix:" + filepath.Join(open, "a")}, program.ExitFailure, "--status-listen: "},
		{[]string{"--listen", "unix:" + filepath.Join(dir, "a"), "--config", bad}, program.ExitConfig, "bad.toml"},
		{[]string{"--listen", "unix:" + filepath.Join(dir, "a"), "--config", loose}, program.ExitConfig, "loose.toml is writable by others; chmod go-w"},
		{[]string{"hooks", "--config", loose}, program.ExitConfig, "loose.toml is writable by others; chmod go-w"},
		{[]string{"hooks", "--config", loose, "--check"}, program.ExitConfig, "loose.toml is writable by others; chmod go-w"},
		{[]string{"check-nginx"}, program.ExitUsage, "takes one file"},
		{[]string{"hooks"}, program.ExitUsage, "--config is missing"},
		{[]string{"--check"}, 0, "no file was read, because none is named: without --config FILE"},
		{[]string{"--check", "--config", good}, 0, "ok            " + good + "\naccess log    file:/nope/x\nwarn          access log: stat /nope: no such file or directory; lines are lost until it is there\n"},
		{[]string{"hooks", "--check", "--config", hooks}, 0, "ok            " + hooks + "\nprojects      main\n"},
		{[]string{"hooks", "--config", bad}, program.ExitConfig, "bad.toml"},
		{[]string{"hooks", "--config", undelivered, "--check"}, 0, `credential "webhook-secret": $CREDENTIALS_DIRECTORY is not set; run under systemd with LoadCredential=, or give a path: not checked`},
		{[]string{"hooks", "--config", undelivered}, program.ExitConfig, "CREDENTIALS_DIRECTORY"},
		{[]string{"--version"}, 0, "neonauth-http dev"},
		{[]string{"--help"}, 0, "check-nginx"},
	} {
		var out bytes.Buffer
		if code := run(t.Context(), test.args, &out, &out); code != test.code || !strings.Contains(out.String(), test.want) || strings.Contains(out.String(), "eyJtoken") {
			t.Errorf("%q: exit status %d: %s", test.args, code, out.String())
		}
	}
}

func TestTheWebServerHasHalfOfTheProcessors(t *testing.T) {
	for all, want := range map[int]int{1: 1, 2: 1, 3: 2, 4: 2, 64: 32} {
		if n := processors(all); n != want {
			t.Errorf("%d of %d, want %d", n, all, want)
		}
	}
}

// TestAReloadThatHangsHoldsUpNoStop, as on a disk that does not answer.
func TestAReloadThatHangsHoldsUpNoStop(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close() // until then the file does not end
	began, err := authrequest.Load("")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	s := authrequest.New("test", &client.Client{}, began, log, time.Now)
	f := flags{config: fmt.Sprintf("/dev/fd/%d", r.Fd()), began: began}
	ctx, stop := context.WithCancel(t.Context())
	time.AfterFunc(time.Millisecond, stop)
	f.reload(ctx, s, log)
	if !strings.Contains(out.String(), `was not reloaded, the old one holds" error="the program is stopping"`) {
		t.Errorf("the log has %s", out.String())
	}
}
