// Package packaging_test reads what the packages install the way a new operator and a package manager do.
package packaging_test

import (
	"context"
	"encoding"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/configcheck"
)

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if len(text) == 0 {
		t.Fatalf("%s is empty", name)
	}
	return string(text)
}

// A block is a run of lines without an empty one.
func blocks(text string) []string { return strings.Split(text, "\n\n") }

// uncommented turns the settings of a text on, as an operator does: those lines that begin with "#" and no space.
func uncommented(text string) string {
	return regexp.MustCompile(`(?m)^#(\S)`).ReplaceAllString(text, "$1")
}

// configured returns the shipped file with everything on, and of the projects only the one of a preset.
func configured(t *testing.T, preset string) string {
	t.Helper()
	var kept []string
	found := false
	for _, block := range blocks(read(t, "neonauthd.toml")) {
		if strings.Contains(block, "#[[project]]") {
			if !strings.Contains(block, `#preset = "`+preset+`"`) {
				continue
			}
			found = true
		}
		kept = append(kept, block)
	}
	if !found {
		t.Fatalf("the shipped configuration shows no project of preset %s", preset)
	}
	return uncommented(strings.Join(kept, "\n\n"))
}

func TestTheShippedConfigurationLacksAProjectAndNothingElse(t *testing.T) {
	_, err := config.Parse([]byte(read(t, "neonauthd.toml")))
	if err == nil || strings.Count(err.Error(), "\n") > 0 || !strings.Contains(err.Error(), "[[project]]") {
		t.Errorf("as shipped it should lack a project only, but: %v", err)
	}
}

func TestEveryShownSettingIsAccepted(t *testing.T) {
	for _, preset := range []string{"stack", "neon", "oidc"} {
		t.Run(preset, func(t *testing.T) {
			cfg, err := config.Parse([]byte(configured(t, preset)))
			if err != nil {
				t.Fatal(err)
			}
			if len(cfg.Projects) != 1 || cfg.Projects[0].Preset != preset || len(cfg.Callers) != 1 {
				t.Errorf("projects %+v, callers %+v: want one each", cfg.Projects, cfg.Callers)
			}
		})
	}
}

func TestWhatIsCommentedOutIsTheDefault(t *testing.T) {
	for preset, needs := range map[string]string{
		"stack": `project_id = "00000000-0000-4000-8000-000000000000"`,
		"neon":  `base_url = "https://ep-example-123456.neonauth.us-east-1.aws.neon.tech/neondb/auth"`,
		"oidc":  "base_url = \"https://login.example.com\"\naudiences = [\"my-app\"]",
	} {
		cfg, err := config.Parse([]byte(configured(t, preset)))
		if err != nil {
			t.Fatal(err)
		}
		bare, err := config.Parse([]byte("[[project]]\nname = \"main\"\npreset = \"" + preset + "\"\n" + needs + "\n"))
		if err != nil {
			t.Fatal(err)
		}
		cfg.Callers = nil                    // an example, not a default
		cfg.Projects[0].Introspection = nil  // the same
		cfg.StateDirWritten = false          // what is written there is the default
		cfg.Projects[0].SecretServerKey = "" // without it the one shown is taken too, if it is there
		if on, off := derived(t, cfg), derived(t, bare); on != off {
			t.Errorf("%s, with all settings on:\n%s\nwith none:\n%s", preset, on, off)
		}
		bare.Projects[0].BaseURL = cfg.Projects[0].BaseURL // which stack derives, as seen above
		// As text: an empty list is none.
		if on, off := fmt.Sprintf("%+v", cfg), fmt.Sprintf("%+v", bare); on != off {
			t.Errorf("%s, with all settings on:\n%s\nwith none:\n%s", preset, on, off)
		}
	}
}

// derived is what the daemon makes of a configuration, without asking an upstream.
func derived(t *testing.T, cfg config.Config) string {
	t.Helper()
	ended, end := context.WithCancel(t.Context())
	end()
	var out strings.Builder
	if _, err := configcheck.Run(ended, &out, cfg, configcheck.Options{}); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// alternatives are settings that stand beside another one, because only one of them can be set.
func alternatives() []string { return []string{"user", "group", "gid"} }

func TestEverySettingIsShown(t *testing.T) {
	text := read(t, "neonauthd.toml")
	for _, name := range alternatives() {
		if regexp.MustCompile(`(?m)^#uid = .*[ :]` + name + ` = `).MatchString(text) {
			text += "\n#" + name + " = "
		}
	}
	if braces := regexp.MustCompile(`(?m)^#introspection = \{ (.*) \}`).FindStringSubmatch(text); braces != nil {
		text += "\n#" + strings.ReplaceAll(braces[1], ", ", "\n#")
	}
	names := settings(reflect.TypeFor[config.Config]())
	if len(names) < 20 {
		t.Fatalf("found only the settings %q", names)
	}
	for _, name := range names {
		if !strings.Contains(text, "\n#"+name+" = ") {
			t.Errorf("the shipped configuration does not show %s", name)
		}
	}
}

// settings returns the names of all plain keys of a configuration type.
func settings(of reflect.Type) []string {
	var names []string
	for i := range of.NumField() {
		field := of.Field(i)
		inner := field.Type
		if inner.Kind() == reflect.Slice || inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		switch tag := field.Tag.Get("toml"); {
		case tag == "-":
		case inner.Kind() == reflect.Struct && !reflect.PointerTo(inner).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
			names = append(names, settings(inner)...)
		default:
			names = append(names, tag)
		}
	}
	return names
}
