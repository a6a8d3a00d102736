package folders

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

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
		"another user's":             {give, "c.toml belongs to another user (12345); chown it to root", true},
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

// TestAConfigurationIsNoNamedPipe: to open one waits for a writer, without end if there is none.
func TestAConfigurationIsNoNamedPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.toml")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	refused := func(when string) {
		t.Helper()
		if text, err := ReadConfig(path, 10); err == nil || !strings.Contains(err.Error(), "c.toml is a named pipe") {
			t.Errorf("%s: %q, %v", when, text, err)
		}
	}
	refused("without a writer")
	w, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	refused("with a writer")
}

func TestAPipeThatDoesNotEndIsGivenUp(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	text, err := readConfig(fmt.Sprintf("/dev/fd/%d", r.Fd()), 10, func([]byte) int { return os.Geteuid() }, time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "has not ended within 1ms") {
		t.Errorf("%q, %v", text, err)
	}
}

// TestAFileThatIsMountedReadOnlyIsTaken: in a container it belongs to a user of the host. The
// folder of a ConfigMap is writable by all by its mode.
func TestAFileThatIsMountedReadOnlyIsTaken(t *testing.T) {
	const text = `22 1 8:1 / / ro,relatime shared:1 - ext4 /dev/sda1 rw
30 22 8:1 /home/me/n.toml /etc/neonauthd/neonauthd.toml ro,relatime - ext4 /dev/sda1 rw
31 22 8:1 /home/me/my\040files /etc/my\040files ro,nosuid - ext4 /dev/sda1 rw
32 22 8:1 /x /etc/written rw,relatime - ext4 /dev/sda1 rw
33 22 8:1 /x /etc/covered ro - ext4 /dev/sda1 ro
34 22 8:1 /x /etc/covered rw - ext4 /dev/sda1 ro
35 31 8:1 /y /etc/my\040files/written rw - ext4 /dev/sda1 rw
36 22 8:1 /opt /opt ro - ext4 /dev/sda1 rw
37 22 8:2 / /home ro - ext4 /dev/sda2 rw
38 37 8:2 /me/x /home/me/x ro - ext4 /dev/sda2 rw
39 37 8:2 /me/x /home/me/y ro - ext4 /dev/sda2 rw
`
	for path, want := range map[string]string{
		"/etc/neonauthd/neonauthd.toml": "/etc/neonauthd/neonauthd.toml",
		"/etc/neonauthd/other.toml":     "", // all of the root is read-only, as for a unit with ProtectSystem=strict
		"/etc/my files/n.toml":          "/etc/my files",
		"/etc/my files/a/b/n.toml":      "/etc/my files",
		"/etc/my files/written/n.toml":  "",
		"/etc/my filesystem/n.toml":     "",
		"/etc/written/n.toml":           "",
		"/etc/covered/n.toml":           "",
		"/opt/n.toml":                   "", // on itself, as with ReadOnlyPaths=
		"/home/n.toml":                  "/home",
		"/home/me/n.toml":               "", // as with ProtectHome=read-only
		"/home/me/x/n.toml":             "",
		"/home/me/y/n.toml":             "/home/me/y",
	} {
		if got := readMounts(text).chosen(filepath.Dir(path), path); got != want {
			t.Errorf("%s: %q", path, got)
		}
	}
	if got := readMounts(text).chosen("/home", "/home/..data/n.toml"); got != "/home" { // as the folder of a Secret
		t.Errorf("a link in a folder that is a file system: %q", got)
	}
}

// resolved returns a path without links, as the table of mounts has it.
func resolved(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// TestTheWayToWhatIsMountedIsJudged: whoever can change a link on the way can let it lead to a
// file of his own while the program opens it, and to a mount afterwards.
func TestTheWayToWhatIsMountedIsJudged(t *testing.T) {
	for name, c := range map[string]struct {
		spoil  func(s *site)
		path   string
		refuse string // empty: it is taken
		root   bool
	}{
		"by its path":                  {func(*site) {}, "etc/m/sub/c.toml", "", false},
		"by a relative path":           {func(s *site) { s.t.Chdir(s.path("etc/m/sub")) }, "c.toml", "", false},
		"the file alone":               {func(*site) {}, "etc/file.toml", "", false},
		"the file alone, for a group":  {func(s *site) { s.folder("etc", 0o775) }, "etc/file.toml", "", false},
		"another user's file":          {func(s *site) { s.give("etc/m/sub/c.toml"); s.give("etc/m") }, "etc/m/sub/c.toml", "", true},
		"by a link":                    {func(s *site) { s.link("m/sub/c.toml", "etc/l") }, "etc/l", "", false},
		"by a link of another user":    {func(s *site) { s.link("m/sub/c.toml", "etc/l"); s.give("etc/l") }, "etc/l", "etc/l belongs to another user", true},
		"by a link in a folder of all": {func(s *site) { s.folder("all", 0o777); s.link("../etc/m", "all/l") }, "all/l/sub/c.toml", "all, on the way to it, is writable by all", false},
		"from a folder of all":         {func(s *site) { s.folder("etc", 0o777) }, "etc/m/sub/c.toml", "etc, on the way to it, is writable by all", false},
		"after another file was read": {func(s *site) {
			s.must(os.Rename(s.path("etc/m/sub/c.toml"), s.path("etc/m/c")))
			s.must(os.WriteFile(s.path("etc/m/sub/c.toml"), nil, 0o600))
		}, "etc/m/sub/c.toml", "was replaced", false},
	} {
		t.Run(name, func(t *testing.T) {
			if c.root {
				need.Root(t, "give a file to another user")
			}
			s := &site{t, filepath.Join(resolved(t, t.TempDir()), "s")}
			s.must(os.Mkdir(s.root, 0o700))
			s.folder("etc/m/sub", 0o777)
			s.folder("etc/m", 0o777)
			for _, name := range []string{"etc/m/sub/c.toml", "etc/file.toml"} {
				s.must(os.WriteFile(s.path(name), nil, 0o600))
				s.must(os.Chmod(s.path(name), 0o666))
			}
			open := "etc/m/sub/c.toml"
			if strings.Contains(c.path, "file.toml") {
				open = c.path
			}
			f, err := os.Open(s.path(open))
			s.must(err)
			defer f.Close()
			c.spoil(s)
			path := c.path
			if path != "c.toml" {
				path = s.path(path)
			}
			err = checkConfig(path, f, os.Geteuid(), readMounts(fmt.Sprintf("30 1 8:9 /x %s ro\n31 1 8:9 /y %s ro\n", s.path("etc/m"), s.path("etc/file.toml"))))
			if (err == nil) != (c.refuse == "") || err != nil && !strings.Contains(err.Error(), c.refuse) {
				t.Errorf("%v; want %q", err, c.refuse)
			}
		})
	}
}
