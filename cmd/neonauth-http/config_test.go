package main

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/internal/program"
)

func TestConfigurationIsAllOrNothing(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                     "",
		"realm = \"a b\"\ntimeout = \"2s\"":    "",
		"\ufeffrealm = \"a b\"":                "", // a byte order mark
		"\ufeffrelm = \"x\"":                   "line 1, column 1: there is no key relm",
		"realm = \"a b\"\n\ufeff":              "line 2",
		"relm = \"x\"":                         "line 1, column 1: there is no key relm",
		"realm = \"x\"\n\n[more]\nx = 1":       "there is no key more",
		"realm = ":                             "line 1",
		"realm = 'a\"b'":                       "realm:",
		"realm = \"é\"":                        "realm:",
		"timeout = \"0s\"":                     "timeout: not a duration from 1ms",
		"timeout = \"2m\"":                     "timeout: not a duration from 1ms",
		"timeout = 5":                          "line 1, column 11: timeout: has to be a duration in quotes",
		"realm = []":                           "line 1, column 9: realm: has to be a text in quotes",
		"token_from = \"authorization\"":       "token_from: has to be a list of texts",
		"token_from = [1]":                     "token_from: has to be a list of texts",
		"fields = 1":                           "fields: has to be a list of texts",
		"claims = [\"a\", {}]":                 "claims: has to be a list of texts",
		"restart_patience = \"x\"":             "restart_patience: not a duration",
		"token_from = []":                      "names no place",
		"token_from = [\"Authorization\"]":     "token_from: \"Authorization\" is not \"authorization\", \"sdk-header\", \"sdk-cookie\", \"session-cookie\", \"header:NAME\" or \"cookie:NAME\"",
		"token_from = [\"header:\"]":           "is not",
		"token_from = [\"header:a b\"]":        "is not",
		"token_from = [\"cookie:a;b\"]":        "is not",
		"token_from = [\"cookie:é\"]":          "is not",
		"fields = [\"X-Auth-Email\"]":          "fields: there is no \"X-Auth-Email\"; there are user-id, email, email-verified, name, team-id, session-id, level, age, claims",
		"fields = []\nclaims = []":             "",
		"token_from = [\"cookie:__Host-x.y\"]": "",
		"token_from = [\"session-cookie\"]":    "",
		"token_from = [\"cookie:__Secure-neon-auth.session_token\"]": "",
		"token_from = [\"header:authorization\"]":                    "token_from: \"header:Authorization\" is not a token alone: name the place \"authorization\" instead",
		"token_from = [\"cookie:__Host-x_y\"]":                       "",
		"claims = [\"role\"]\nfields=[\"age\"]":                      "",
	} {
		file := filepath.Join(t.TempDir(), "c.toml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := loadSettings(file)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), file)) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
		if err != nil && (strings.Contains(err.Error(), "struct") || strings.Contains(err.Error(), "main.")) {
			t.Errorf("%q: the error speaks of our code: %v", text, err)
		}
	}
	if _, err := loadSettings("/nowhere.toml"); err == nil {
		t.Error("a missing file is no configuration")
	}
}

func TestCommandLineIsRefusedInWords(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.toml")
	file := filepath.Join(dir, "file")
	for _, f := range []string{bad, file} {
		if err := os.WriteFile(f, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	open := filepath.Join(dir, "open")
	if err := errors.Join(os.Mkdir(open, 0o700), os.Chmod(open, 0o777)); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{nil, program.ExitUsage, "--listen is missing"},
		{[]string{"eyJtoken"}, program.ExitUsage, "no such command"},
		{[]string{"--nothing"}, program.ExitUsage, "no such flag"},
		{[]string{"--listen", "0.0.0.0:80"}, program.ExitUsage, "neither unix:PATH nor a loopback address"},
		{[]string{"--listen", "localhost:80"}, program.ExitUsage, "neither unix:PATH nor a loopback address"},
		{[]string{"--listen", "unix:" + filepath.Join(dir, "a"), "--status-listen", "[::]:80"}, program.ExitUsage, "--status-listen"},
		{[]string{"--listen", "unix:" + file}, program.ExitFailure, "not a socket is in its place; it was not touched"},
		{[]string{"--listen", "unix:" + filepath.Join(open, "a")}, program.ExitFailure, "writable by others, who could replace what is in it"},
		{[]string{"--listen", "unix:" + filepath.Join(dir, "a"), "--status-listen", "unix:" + filepath.Join(open, "a")}, program.ExitFailure, "--status-listen: "},
		{[]string{"--listen", "unix:" + filepath.Join(dir, "a"), "--config", bad}, program.ExitConfig, "bad.toml"},
		{[]string{"check-nginx"}, program.ExitUsage, "takes one file"},
		{[]string{"--version"}, 0, "neonauth-http dev"},
		{[]string{"--help"}, 0, "check-nginx"},
	} {
		var out bytes.Buffer
		if code := run(t.Context(), test.args, &out, &out); code != test.code || !strings.Contains(out.String(), test.want) || strings.Contains(out.String(), "eyJtoken") {
			t.Errorf("%q: exit status %d: %s", test.args, code, out.String())
		}
	}
}

// Requests cannot fill the log.
func TestComplaintsAreRare(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := newService(&client.Client{}, &settings{}, slog.New(slog.NewTextHandler(&out, nil)), time.Now)
	for range 1000 {
		s.complain(slog.LevelWarn, "one")
	}
	s.complain(slog.LevelError, "two")
	s.lines.TellAll(time.Now())
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 3 || !strings.Contains(lines[1], "level=ERROR msg=two") || !strings.Contains(lines[2], "level=WARN") || !strings.Contains(lines[2], "kind=one lines=999") {
		t.Errorf("%d lines: %s", len(lines), out.String())
	}
}
