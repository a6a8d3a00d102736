package folders

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

// TestAConfigurationIsWhatWeOrRootHaveWritten goes through modes, owners, folders and links.
func TestAConfigurationIsWhatWeOrRootHaveWritten(t *testing.T) {
	mode := func(m os.FileMode) func(string) error { return func(p string) error { return os.Chmod(p, m) } }
	folder := func(m os.FileMode) func(string) error {
		return func(p string) error { return os.Chmod(filepath.Dir(p), m) }
	}
	give := func(p string) error { return os.Lchown(p, 12345, -1) }
	moved := func(p string) string { return filepath.Join(filepath.Dir(filepath.Dir(p)), "other", "c.toml") }
	link := func(p string) error { // to a file in another folder
		return errors.Join(os.Mkdir(filepath.Dir(moved(p)), 0o755), os.Rename(p, moved(p)), os.Symlink("../other/c.toml", p))
	}
	for name, c := range map[string]struct {
		spoil  func(path string) error
		refuse string // empty: it is read
		root   bool
	}{
		"0600":                       {mode(0o600), "", false},
		"0640, as for a group":       {mode(0o640), "", false},
		"0644":                       {mode(0o644), "", false},
		"0660":                       {mode(0o660), "c.toml is writable by others; chmod go-w", false},
		"0666":                       {mode(0o666), "c.toml is writable by others; chmod go-w", false},
		"another user's":             {give, "c.toml belongs to another user (12345); chown it to root or to user", true},
		"a folder for a group":       {folder(0o775), "etc is writable by others", false},
		"a folder for all":           {folder(0o777), "etc is writable by others", false},
		"a sticky folder, as /tmp":   {folder(0o777 | os.ModeSticky), "", false},
		"another user's folder":      {func(p string) error { return give(filepath.Dir(p)) }, "belongs to another user", true},
		"a link":                     {link, "", false},
		"a link to a file for all":   {func(p string) error { return errors.Join(link(p), os.Chmod(moved(p), 0o666)) }, "writable by others", false},
		"a link to a folder for all": {func(p string) error { return errors.Join(link(p), folder(0o777)(moved(p))) }, "other is writable by others", false},
		"another user's link":        {func(p string) error { return errors.Join(link(p), give(p)) }, "belongs to another user", true},
		"a link to itself":           {func(p string) error { return errors.Join(os.Remove(p), os.Symlink("c.toml", p)) }, "too many", false},
		"larger than any":            {func(p string) error { return os.WriteFile(p, make([]byte, 11), 0o600) }, "c.toml is larger than 10 bytes", false},
		"none":                       {os.Remove, "no such file", false},
	} {
		t.Run(name, func(t *testing.T) {
			if c.root {
				need.Root(t, "give a file to another user")
			}
			path := filepath.Join(t.TempDir(), "etc", "c.toml")
			if err := errors.Join(os.Mkdir(filepath.Dir(path), 0o755), os.WriteFile(path, []byte("0123456789"), 0o600), c.spoil(path)); err != nil {
				t.Fatal(err)
			}
			text, err := ReadConfig(path, 10)
			if c.refuse == "" && (err != nil || string(text) != "0123456789") {
				t.Errorf("%q, %v", text, err)
			}
			if c.refuse != "" && (err == nil || !strings.Contains(err.Error(), c.refuse)) {
				t.Errorf("%q, %v; want %s", text, err, c.refuse)
			}
		})
	}
}

// TestAConfigurationMayComeFromAPipe, as a shell makes it for <(...).
func TestAConfigurationMayComeFromAPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.WriteString("text")
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if text, err := ReadConfig(fmt.Sprintf("/dev/fd/%d", r.Fd()), 10); err != nil || string(text) != "text" {
		t.Errorf("%q, %v", text, err)
	}
}

// TestAFileThatIsMountedReadOnlyIsTaken: in a container it belongs to a user of the host. The
// folder of a ConfigMap is writable by all by its mode.
func TestAFileThatIsMountedReadOnlyIsTaken(t *testing.T) {
	const mounts = `22 1 8:1 / / ro,relatime shared:1 - ext4 /dev/sda1 rw
30 22 8:1 /home/me/n.toml /etc/neonauthd/neonauthd.toml ro,relatime - ext4 /dev/sda1 rw
31 22 8:1 /home/me/my\040files /etc/my\040files ro,nosuid - ext4 /dev/sda1 rw
32 22 8:1 /x /etc/written rw,relatime - ext4 /dev/sda1 rw
33 22 8:1 /x /etc/covered ro - ext4 /dev/sda1 ro
34 22 8:1 /x /etc/covered rw - ext4 /dev/sda1 ro
`
	for path, want := range map[string]bool{
		"/etc/neonauthd/neonauthd.toml": true, "/etc/my files": true,
		"/etc/written": false, "/etc/covered": false, "/etc/neonauthd": false,
		"/etc": false, // all of the root is, as for a unit with ProtectSystem=strict
	} {
		if got := readOnlyMount(mounts, path); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
}
