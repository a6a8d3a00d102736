package authrequest

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

func TestConfigurationIsAllOrNothing(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                     "",
		"realm = \"a b\"\ntimeout = \"2s\"":    "",
		"\ufeffrealm = \"a b\"":                "", // a byte order mark
		"\ufeffrelm = \"x\"":                   `line 1, column 1: unknown key "relm"; did you mean "realm"?`,
		"realm = \"a b\"\n\ufeff":              "line 2",
		"relm = \"x\"":                         `line 1, column 1: unknown key "relm"; did you mean "realm"?`,
		"realm = \"x\"\n\n[more]\nx = 1":       `unknown key "more"`,
		"realm = ":                             "line 1",
		"access_log = \"journal\"":             "",
		"log_format = \"text\"":                "",
		"log_format = \"json\"":                "",
		"log_format = \"jsn\"":                 "log_format: \"jsn\" is none of \"text\", \"json\"; did you mean \"json\"?",
		"log_format = 1":                       "log_format: must be a text in quotes",
		"access_log = \"file:/x\"":             "",
		"access_log = \"file:x\"":              "access_log: has to be \"journal\", \"file:/PATH\" or \"unix:/PATH\"",
		"realm = 'a\"b'":                       "realm:",
		"realm = \"é\"":                        "realm:",
		"timeout = \"0s\"":                     "timeout: must be a duration from 1ms to 1m",
		"timeout = \"2m\"":                     "timeout: must be a duration from 1ms to 1m",
		"timeout = 5":                          "timeout: must be in quotes: a duration",
		"realm = []":                           "line 1, column 9: realm: must be a text in quotes",
		"token_from = \"authorization\"":       "token_from: must be a list of texts",
		"token_from = [\"\"]":                  `token_from: "" is not "authorization"`,
		"fields = [\"\"]":                      `fields: there is no ""`,
		"claims = [\"sub\", \" \"]":            "claims: entry 2 is empty",
		"token_from = [1]":                     "token_from: must be a list of texts",
		"fields = 1":                           "fields: must be a list of texts",
		"claims = [\"a\", {}]":                 "claims: must be a list of texts",
		"restart_patience = \"x\"":             "restart_patience: must be a duration",
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
		"keep = 0":                                                   "",
		"keep = 65535":                                               "",
		"keep = 65536":                                               "",
		"keep = 65537":                                               "keep: must be a number from 0, which keeps nothing, to 65536",
		"keep = -1":                                                  "keep: must be a number from 0",
		"keep = \"1024\"":                                            "keep: must be",
		"keep = 1.5":                                                 "keep: must be",
	} {
		file := filepath.Join(need.Folder(t), "c.toml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load(file)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), file)) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
		if err != nil && (strings.Contains(err.Error(), "struct") || strings.Contains(err.Error(), "main.")) {
			t.Errorf("%q: the error speaks of our code: %v", text, err)
		}
	}
	for text, want := range map[string]int{"": DefaultKeep, "keep = 0": -1, "keep = 1": 1} {
		file := filepath.Join(need.Folder(t), "c.toml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if set, err := Load(file); err != nil || set.Keep() != want {
			t.Errorf("%q keeps %d, %v, want %d", text, set.Keep(), err, want)
		}
	}
	if _, err := Load("/nowhere.toml"); err == nil {
		t.Error("a missing file is no configuration")
	}
}

// TestTheShippedConfigurationShowsEverySetting, and each is accepted with its comment sign removed.
func TestTheShippedConfigurationShowsEverySetting(t *testing.T) {
	t.Parallel()
	shipped, err := os.ReadFile("../../../../packaging/neonauth-http.toml")
	if err != nil {
		t.Fatal(err)
	}
	sign := regexp.MustCompile(`(?m)^#(\S| claims = )`)
	path := filepath.Join(t.TempDir(), "neonauth-http.toml")
	if err := os.WriteFile(path, sign.ReplaceAll(shipped, []byte("$1")), 0o600); err != nil {
		t.Fatal(err)
	}
	if set, err := Load(path); err != nil || len(set.resources) != 1 {
		t.Errorf("with its settings on: %v", err)
	}
	for _, table := range []reflect.Type{reflect.TypeFor[file](), reflect.TypeFor[resourceTable]()} {
		for i := range table.NumField() {
			name := table.Field(i).Tag.Get("toml")
			if !regexp.MustCompile(`(?m)^#( |\[\[)?` + name + `( = |\]\])`).Match(shipped) {
				t.Errorf("it does not show %s", name)
			}
		}
	}
}

// Requests cannot fill the log.
func TestComplaintsAreRare(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := New("dev", &client.Client{}, &Settings{}, slog.New(slog.NewTextHandler(&out, nil)), time.Now)
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
