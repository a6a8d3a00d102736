package command

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/neonauthd/neonauthd/internal/program"
	"github.com/neonauthd/neonauthd/internal/program/command/commandtest"
)

// sample is a command line with one of each kind of flag.
func sample() *cobra.Command {
	var file, color string
	var listen, upstream string
	var many int
	timeout := time.Second
	root := &cobra.Command{
		Use:  "sample",
		Args: NoArguments,
		RunE: func(*cobra.Command, []string) error { return program.ConfigError{Err: errors.New("wrong file")} },
	}
	Path(root.PersistentFlags(), &file, "config", "/etc/sample", "a `FILE`")
	verify := &cobra.Command{
		Use:  "verify",
		Args: NoArgumentsBut("a token comes from standard input"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.Println("config", file, "color", color)
			if timeout != time.Second {
				cmd.Println("timeout", timeout)
			}
			return nil
		},
	}
	Text(verify.Flags(), &color, "color", "a `COLOR`", func(text string) string {
		if text != "red" {
			return "must be red"
		}
		return ""
	})
	verify.Flags().Bool("json", false, "")
	Duration(verify.Flags(), &timeout, "timeout", "", time.Millisecond, 30*24*time.Hour, "")
	Number(verify.Flags(), &many, "many", "", 1, 10, "")
	Listen(verify.Flags(), &listen, "listen", "127.0.0.1:1", "")
	Loopback(verify.Flags(), &upstream, "upstream", "127.0.0.1:2", "it is ours", "")
	verify.Flags().Int("count", 0, "")
	verify.Flags().Float64("rate", 0, "")
	root.AddCommand(verify)
	Set(root, "sample 1.2.3")
	return root
}

func TestTheCommandLineRepeatsNothing(t *testing.T) { commandtest.RepeatsNothing(t, sample) }

func TestWhatIsWrongIsSaidInOneLine(t *testing.T) {
	const credential = "this looks like a token or a key itself; have it replaced if others can see your command lines"
	for _, c := range []struct {
		args   string
		status int
		says   string
	}{
		{"", program.ExitConfig, "sample: wrong file\n"},
		{"--version", 0, "sample 1.2.3\n"},
		{"verify", 0, "config /etc/sample color \n"},
		{"verify --config x/y.toml --color red", 0, "config x/y.toml color red\n"},
		{"verify --timeout 7d", 0, "config /etc/sample color \ntimeout 168h0m0s\n"},
		{"verify --timeout 48h", 0, "config /etc/sample color \ntimeout 48h0m0s\n"},
		{"verify --config=", program.ExitUsage, "sample: --config must be a path, and is empty (see sample verify --help)\n"},
		{"verfy", program.ExitUsage, "sample: no such command; did you mean verify? (see sample --help)\n"},
		{"nothing-like-it", program.ExitUsage, "sample: no such command (see sample --help)\n"},
		{"completion bsh", program.ExitUsage, "sample: no such command; did you mean bash or zsh? (see sample completion --help)\n"},
		{"completion klingon", program.ExitUsage, "sample: no such command (see sample completion --help)\n"},
		{"help verfy", program.ExitUsage, "sample: no such command; did you mean verify? (see sample --help)\n"},
		{"help completion bsh", program.ExitUsage, "sample: no such command; did you mean bash or zsh? (see sample completion --help)\n"},
		{"help verify x", program.ExitUsage, "sample: no such command (see sample verify --help)\n"},
		{"verify x", program.ExitUsage, "sample: sample verify takes no arguments; a token comes from standard input (see sample verify --help)\n"},
		{"verify --timeuot 2s", program.ExitUsage, "sample: no such flag; did you mean --timeout? (see sample verify --help)\n"},
		{"verify --confg=x", program.ExitUsage, "sample: no such flag; did you mean --config? (see sample verify --help)\n"},
		{"verify -x", program.ExitUsage, "sample: no such flag (see sample verify --help)\n"},
		{"verify --json=yes-please", program.ExitUsage, "sample: --json takes no value (see sample verify --help)\n"},
		{"verify --timeout 5", program.ExitUsage, "sample: --timeout must be a duration such as 500ms, 2s, 5m or 7d (see sample verify --help)\n"},
		{"verify --timeout 0s", program.ExitUsage, "sample: --timeout must be from 1ms to 30d (see sample verify --help)\n"},
		{"verify --timeout -1s", program.ExitUsage, "sample: --timeout must be from 1ms to 30d (see sample verify --help)\n"},
		{"verify --timeout 31d", program.ExitUsage, "sample: --timeout must be from 1ms to 30d (see sample verify --help)\n"},
		{"verify --many 0", program.ExitUsage, "sample: --many must be a whole number from 1 to 10 (see sample verify --help)\n"},
		{"verify --many 99999999999999999999", program.ExitUsage, "sample: --many must be a whole number from 1 to 10 (see sample verify --help)\n"},
		{"verify --many 1 --many 10 --timeout 1ms --timeout 30d --timeout 1s", 0, "config /etc/sample color \n"},
		{"verify --listen= --listen 127.0.0.1:0 --listen [::1]:65535 --listen unix:x --upstream 127.0.0.1:1", 0, "config /etc/sample color \n"},
		{"verify --listen 127.0.0.1:65536", program.ExitUsage, "sample: --listen must have a port from 0 to 65535 (see sample verify --help)\n"},
		{"verify --listen 127.0.0.1:http", program.ExitUsage, "sample: --listen must have a port from 0 to 65535 (see sample verify --help)\n"},
		{"verify --listen 127.0.0.1:", program.ExitUsage, "sample: --listen must have a port from 0 to 65535 (see sample verify --help)\n"},
		{"verify --listen unix:", program.ExitUsage, "sample: --listen lacks the path behind unix: (see sample verify --help)\n"},
		{"verify --listen unix:eyJx", program.ExitUsage, "sample: --listen must have a path behind unix:, and " + credential + " (see sample verify --help)\n"},
		{"verify --listen 80", program.ExitUsage, "sample: --listen is neither unix:PATH nor a loopback address such as 127.0.0.1:1 (see sample verify --help)\n"},
		{"verify --upstream 0.0.0.0:80", program.ExitUsage, "sample: --upstream must be a loopback address such as 127.0.0.1:2: it is ours (see sample verify --help)\n"},
		{"verify --upstream 127.0.0.1:-1", program.ExitUsage, "sample: --upstream must have a port from 0 to 65535 (see sample verify --help)\n"},
		{"verify --count x", program.ExitUsage, "sample: --count must be a whole number (see sample verify --help)\n"},
		{"verify --rate x", program.ExitUsage, "sample: --rate cannot have this value (see sample verify --help)\n"},
		{"verify --color blue", program.ExitUsage, "sample: --color must be red (see sample verify --help)\n"},
		{"verify --color", program.ExitUsage, "sample: --color needs a value (see sample verify --help)\n"},
		{"verify --config eyJx", program.ExitUsage, "sample: --config must be a path, and " + credential + " (see sample verify --help)\n"},
	} {
		root := sample()
		var out bytes.Buffer
		root.SetArgs(strings.Fields(c.args))
		root.SetOut(&out)
		root.SetErr(&out)
		if status := Run(context.Background(), root); status != c.status || out.String() != c.says {
			t.Errorf("%s: status %d\n%swant %d\n%s", c.args, status, &out, c.status, c.says)
		}
	}
}

func TestWhatLooksLikeACredentialIsNoPath(t *testing.T) {
	for path, good := range map[string]bool{
		"": true, "-": true, "/run/neonauthd/neonauthd.sock": true, "token.jwt": true, "./eyJ": true, "a.b.c": true,
		strings.Repeat("n", maxName-1): true, strings.Repeat("n", maxName): true, strings.Repeat("n", maxName+1): false,
		"/" + strings.Repeat("long/", 200) + "path": true,
		"/tmp/" + strings.Repeat("n", maxName+1):    false,
		"eyJhbGciOiJFUzI1NiJ9.e30.x":                false,
		"Bearer x":                                  false,
		"ssk_x":                                     false,
		"sak_x":                                     false,
		"pck_x":                                     false,
		"napi_x":                                    false,
		"pk_test.pem":                               true,
		"stackauth_x":                               false,
		"hexclave_x":                                false,
		"Aax3xEc6DKjW8qpKBJo2Oa5AHP7zTjmx.H8Vyy16AgYCEuwo94O06OSEc7J5rWauCiyA12NkpFUc=":       false,
		"Aax3xEc6DKjW8qpKBJo2Oa5AHP7zTjmx.H8Vyy16AgYCEuwo94O06OSEc7J5r%2FauCiyA12NkpFUc%3D":   false,
		"/Aax3xEc6DKjW8qpKBJo2Oa5AHP7zTjmx.H8Vyy16AgYCEuwo94O06OSEc7J5rWauCiyA12NkpFUc=/file": true,
	} {
		if err := CheckPath(path); (err == nil) != good {
			t.Errorf("%q: %v", path, err)
		} else if err != nil && strings.Contains(err.Error(), path) {
			t.Errorf("%q is repeated: %v", path, err)
		}
	}
}
