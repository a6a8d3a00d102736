package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

// TestRootChecksAsTheDaemonWill: a file that belongs to the daemon's user is right, though it is
// not root's. To serve, root does not take it.
func TestRootChecksAsTheDaemonWill(t *testing.T) {
	need.Root(t, "give a file to another user")
	const user, another = 12345, 54321
	for name, c := range map[string]struct {
		state, folder, file int // owners; state 0: there is no state directory
		refuse              string
	}{
		"the daemon's file":                  {user, 0, user, ""},
		"the daemon's file and folder":       {user, user, user, ""},
		"root's file":                        {user, 0, 0, ""},
		"a third user's file":                {user, 0, another, "neonauthd.toml belongs to another user (54321); chown it to root or to user 12345, if"},
		"a file in a third user's folder":    {user, another, user, "belongs to another user (54321)"},
		"a file in its user's folder":        {0, user, user, ""},
		"before the daemon's first start":    {0, 0, user, "belongs to another user (12345); chown it to root, if"},
		"a third user's, without a daemon's": {0, user, another, "belongs to another user (54321); chown it to root or to user 12345, if"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := need.Folder(t)
			state, folder := filepath.Join(dir, "state"), filepath.Join(dir, "etc")
			file := filepath.Join(folder, "neonauthd.toml")
			text := "state_dir = \"" + state + "\"\n[[project]]\nname = \"main\"\npreset = \"neon\"\nbase_url = \"https://auth.example.com/neondb/auth\"\n"
			err := errors.Join(os.Mkdir(folder, 0o755), os.WriteFile(file, []byte(text), 0o600), os.Chown(file, c.file, -1), os.Chown(folder, c.folder, -1))
			if c.state != 0 {
				err = errors.Join(err, os.Mkdir(state, 0o700), os.Chown(state, c.state, -1))
			}
			if err != nil {
				t.Fatal(err)
			}
			_, err = LoadToCheck(file)
			if (err == nil) != (c.refuse == "") || err != nil && !strings.Contains(err.Error(), c.refuse) {
				t.Errorf("%v; want %q", err, c.refuse)
			}
			if _, err := Load(file); (err == nil) != (c.file == 0) {
				t.Errorf("to serve: %v", err)
			}
			mistaken := os.WriteFile(file, []byte(text+"colour = \"red\"\n"), 0o600)
			if _, wrong := LoadToCheck(file); mistaken != nil || c.refuse == "" && !strings.Contains(fmt.Sprint(wrong), "colour") {
				t.Errorf("with a mistake: %v (%v)", wrong, mistaken)
			}
		})
	}
}
