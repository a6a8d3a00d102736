package neonauthd_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

// TestCompletionsAreScripts makes the scripts that the packages install. If the
// shell is installed here, it reads the script.
func TestCompletionsAreScripts(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{"bash", "zsh", "fish"} {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			reader := need.Program(t, shell, shell)
			for _, name := range []string{"neonauthd", "neonauthctl"} {
				cmd := exec.Command(e2e.Program(name), "completion", shell)
				cmd.Env = e2e.Environment()
				script, err := cmd.Output()
				if err != nil || !bytes.Contains(script, []byte(name)) {
					t.Errorf("%s completion %s: %v, %d bytes", name, shell, err, len(script))
					continue
				}
				file := filepath.Join(t.TempDir(), name)
				if err := os.WriteFile(file, script, 0o600); err != nil {
					t.Fatal(err)
				}
				if out, err := exec.Command(reader, "-n", file).CombinedOutput(); err != nil {
					t.Errorf("%s cannot read the script of %s: %v\n%s", shell, name, err, out)
				}
			}
		})
	}
}

// TestCompletionsOfferWhatThereIs asks for completions as the scripts do.
func TestCompletionsOfferWhatThereIs(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"neonauthd d":           "demo",
		"neonauthd --c":         "--check --config",
		"neonauthctl ver":       "verify",
		"neonauthctl t":         "top",
		"neonauthctl revoke s":  "session subject",
		"neonauthctl level w":   "warn",
		"neonauthctl purge a":   "all",
		"neonauthctl bench --b": "--bad --baseline",

		"neonauthd demo token --kind o":      "opaque",
		"neonauth-http --log-format j":       "json",
		"neonauth-http hooks --log-format t": "text",
	} {
		words := strings.Fields(line)
		cmd := exec.Command(e2e.Program(words[0]), append([]string{"__completeNoDesc"}, words[1:]...)...)
		cmd.Env = e2e.Environment()
		out, err := cmd.Output()
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		offered := strings.Fields(string(out))
		if got := strings.Join(offered[:len(offered)-1], " "); got != want { // the last word is for the script
			t.Errorf("%s<Tab> offers %q, want %q", line, got, want)
		}
	}
}

// TestDescriptionsOfFlagsArePlain: backquotes mark the name of a value for the help, and mean
// something else to a shell.
func TestDescriptionsOfFlagsArePlain(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"neonauthctl verify --sock": "--socket\tpath of the daemon's socket",
		"neonauthd --conf":          "--config\tconfiguration FILE",
		"neonauth-http --stat":      "--status-listen\tADDRESS for health",
	} {
		words := strings.Fields(line)
		cmd := exec.Command(e2e.Program(words[0]), append([]string{"__complete"}, words[1:]...)...)
		cmd.Env = e2e.Environment()
		if out, err := cmd.Output(); err != nil || !strings.HasPrefix(string(out), want) || strings.Contains(string(out), "`") {
			t.Errorf("%s<Tab>: %v: %q", line, err, out)
		}
	}
}
