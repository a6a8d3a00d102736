package statedir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
	"github.com/neonauthd/neonauthd/internal/folders"
)

func TestADirectoryIsMadePrivateWithItsVersion(t *testing.T) {
	path := filepath.Join(place(t), "below")
	open(t, path)
	info, err := os.Lstat(path)
	e2e.Must(t, err)
	if info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v", info.Mode())
	}
	for name, want := range map[string]string{"version": "neonauthd-state 2\n", "lock": fmt.Sprintln(os.Getpid())} {
		text, err := os.ReadFile(filepath.Join(path, name))
		if err != nil || string(text) != want {
			t.Errorf("%s: %q, %v, want %q", name, text, err, want)
		}
	}
}

// TestOneProcessAtATimeOwnsADirectory, however that process ends.
func TestOneProcessAtATimeOwnsADirectory(t *testing.T) {
	path := place(t)
	other := launch(t, "hold", path, os.Geteuid())
	if other.first != "open" {
		t.Fatal(other.first)
	}
	_, err := Open(path)
	if !errors.Is(err, ErrInUse) {
		t.Fatalf("a second one: %v", err)
	}
	for _, want := range []string{path, fmt.Sprintf("process %d", other.cmd.Process.Pid), "state_dir of its own"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not say %q", err, want)
		}
	}
	other.kill()
	d, err := Open(path)
	e2e.Must(t, err)
	if third := launch(t, "hold", path, os.Geteuid()); !strings.HasPrefix(third.first, "refused: ") {
		t.Errorf("while this one owns it: %s", third.first)
	}
	e2e.Must(t, d.Close())
	if last := launch(t, "hold", path, os.Geteuid()); last.first != "open" {
		t.Errorf("when it has been given up: %s", last.first)
	}
}

// TestALockThatWasRemovedIsNotedBeforeTheNextWrite: a second process can lock
// the file that replaces the lock, and from then on the first process must not
// write.
func TestALockThatWasRemovedIsNotedBeforeTheNextWrite(t *testing.T) {
	path := place(t)
	d := open(t, path)
	e2e.Must(t, os.Remove(filepath.Join(path, "lock")))
	e2e.Must(t, d.Replace("file", text("alone"))) // locked again
	if other := launch(t, "hold", path, os.Geteuid()); !strings.HasPrefix(other.first, "refused: ") {
		t.Errorf("another: %s", other.first)
	}
	e2e.Must(t, os.Remove(filepath.Join(path, "lock")))
	if other := launch(t, "hold", path, os.Geteuid()); other.first != "open" {
		t.Fatal(other.first)
	}
	if err := d.Replace("file", text("both")); !errors.Is(err, ErrInUse) {
		t.Errorf("two write: %v", err)
	}
	if err := d.Remove("file"); !errors.Is(err, ErrInUse) {
		t.Errorf("two remove: %v", err)
	}
	if got, err := os.ReadFile(filepath.Join(path, "file")); string(got) != "alone" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestAVersionThatCouldNotBeWrittenIsWrittenLater: without it the next start would not miss
// the files that this one has made.
func TestAVersionThatCouldNotBeWrittenIsWrittenLater(t *testing.T) {
	path := place(t)
	p := launch(t, "full", path, os.Geteuid())
	if want := "first: true; unwritten: file too large; second: <nil>; unwritten: <nil>"; p.first != want {
		t.Errorf("%s; want %s", p.first, want)
	}
	p.kill()
	if d := open(t, path); !d.Used() {
		t.Error("the next start takes the directory for a new one")
	}
}

// TestAVersionThatCannotBeWrittenKeepsNothingElseFromTheDisk, and is not forgotten.
func TestAVersionThatCannotBeWrittenKeepsNothingElseFromTheDisk(t *testing.T) {
	path := place(t)
	d := open(t, path)
	e2e.Must(t, os.Remove(filepath.Join(path, versionName)))
	e2e.Must(t, os.Mkdir(filepath.Join(path, versionName), 0o700)) // no file can take its place
	d.mu.Lock()
	d.unversioned = true
	d.mu.Unlock()
	e2e.Must(t, d.Replace("file", text("written")))
	if d.Unwritten() == nil {
		t.Error("nobody is told of the version")
	}
	e2e.Must(t, os.Remove(filepath.Join(path, versionName)))
	e2e.Must(t, d.Writable())
	if err := d.Unwritten(); err != nil {
		t.Errorf("when it is written: %v", err)
	}
}

// TestADirectoryThatWasGivenUpIsNotTakenAgain by a write that comes too late, as from a reload
// that waits for a disk while the daemon ends.
func TestADirectoryThatWasGivenUpIsNotTakenAgain(t *testing.T) {
	path := place(t)
	d, err := Open(path)
	e2e.Must(t, err)
	e2e.Must(t, d.Close())
	_, opened := d.OpenToWrite("file")
	for what, err := range map[string]error{"replace": d.Replace("file", text("late")), "remove": d.Remove("file"), "open": opened, "writable": d.Writable()} {
		if !errors.Is(err, errClosed) {
			t.Errorf("%s: %v", what, err)
		}
	}
	open(t, path)
	e2e.Must(t, d.Close())
}

// TestADirectoryThatIsReplacedIsTakenAnew at the next write.
func TestADirectoryThatIsReplacedIsTakenAnew(t *testing.T) {
	path := place(t)
	d := open(t, path)
	e2e.Must(t, d.Replace("file", text("first")))
	e2e.Must(t, os.Rename(path, path+"-away"))
	e2e.Must(t, d.Replace("file", text("second")))
	if got, err := read(d, "file"); got != "second" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	e2e.Must(t, os.RemoveAll(path))
	e2e.Must(t, os.WriteFile(path, nil, 0o600))
	if err := d.Replace("file", text("third")); err == nil || d.Writable() == nil {
		t.Error("no error where there is no folder")
	}
	e2e.Must(t, os.Remove(path))
	e2e.Must(t, d.Writable())
}

// TestADirectoryThatCannotBeWrittenToIsRead, and each change tries again to
// write. Root may write everywhere, so the test uses another user.
func TestADirectoryThatCannotBeWrittenToIsRead(t *testing.T) {
	need.Root(t, "becoming another user")
	const nobody = 65534
	shared := filepath.Join(os.TempDir(), fmt.Sprintf("statedir-%d", os.Getpid())) // a folder that other users can enter
	e2e.Must(t, os.Mkdir(shared, 0o755))
	t.Cleanup(func() { _ = os.RemoveAll(shared) })
	path := filepath.Join(shared, "state")
	e2e.Must(t, os.Mkdir(path, 0o755))
	e2e.Must(t, os.WriteFile(filepath.Join(path, "old"), []byte("kept"), 0o644))
	p := launch(t, "write", path, nobody)
	if !strings.Contains(p.first, `read: "kept", <nil>`) || strings.Contains(p.first, "write: <nil>") || strings.Contains(p.first, "writable: <nil>") {
		t.Errorf("it cannot be written to: %s", p.first)
	}
	e2e.Must(t, os.Chown(path, nobody, nobody))
	if p = launch(t, "write", path, nobody); !strings.Contains(p.first, "write: <nil>; writable: <nil>") {
		t.Errorf("it can: %s", p.first)
	}
	if _, err := Open(path); !errors.Is(err, folders.ErrUnsafe) {
		t.Errorf("another user's: %v", err)
	}
	e2e.Must(t, Inspect(path)) // root judges as the directory's owner
}

func TestADirectoryThatOthersCanChangeIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		spoil  func(path string) error
		unsafe bool
	}{
		"writable by its group": {func(path string) error { return os.Chmod(path, 0o770) }, true},
		"writable by all":       {func(path string) error { return os.Chmod(path, 0o777) }, true},
		"sticky":                {func(path string) error { return os.Chmod(path, 0o777|fs.ModeSticky) }, true},
		"its parent":            {func(path string) error { return os.Chmod(filepath.Dir(path), 0o777) }, true},
		"the lock":              {func(path string) error { return os.WriteFile(filepath.Join(path, "lock"), nil, 0o600) }, false},
		"the lock, writable by all": {func(path string) error {
			return errors.Join(os.WriteFile(filepath.Join(path, "lock"), nil, 0o600), os.Chmod(filepath.Join(path, "lock"), 0o666))
		}, true},
		"nothing": {func(string) error { return nil }, false},
	} {
		t.Run(name, func(t *testing.T) {
			path := place(t)
			e2e.Must(t, os.Mkdir(path, 0o700))
			e2e.Must(t, c.spoil(path))
			inspected := Inspect(path)
			d, err := Open(path)
			if errors.Is(err, folders.ErrUnsafe) != c.unsafe || errors.Is(inspected, folders.ErrUnsafe) != c.unsafe {
				t.Errorf("Open: %v; Inspect: %v", err, inspected)
			}
			if d != nil {
				e2e.Must(t, d.Close())
			}
		})
	}
	if err := Inspect(place(t)); err != nil {
		t.Errorf("missing: %v", err)
	}
}

func TestADirectoryOfANewerVersionIsRefused(t *testing.T) {
	for content, refused := range map[string]string{
		"":                       "is damaged",
		"neonauthd-state\n":      "is damaged",
		"neonauthd-state x\n":    "is damaged",
		"neonauthd-state 0\n":    "is damaged",
		"something else 2\n":     "is damaged",
		"neonauthd-state 3\n":    "of a newer neonauthd",
		"neonauthd-state 1000\n": "of a newer neonauthd",
		"neonauthd-state 1\n":    "",
		"neonauthd-state 2\n":    "",
		"neonauthd-state 2":      "",
	} {
		path := place(t)
		e2e.Must(t, os.Mkdir(path, 0o700))
		e2e.Must(t, os.WriteFile(filepath.Join(path, "version"), []byte(content), 0o600))
		d, err := Open(path)
		if (err == nil) != (refused == "") || err != nil && !strings.Contains(err.Error(), refused) {
			t.Errorf("%q: %v, want %q", content, err, refused)
		}
		if d != nil {
			e2e.Must(t, d.Close())
		}
	}
}

// TestWhatACrashLeftHalfWrittenIsRemoved, and nothing else.
func TestWhatACrashLeftHalfWrittenIsRemoved(t *testing.T) {
	path := place(t)
	e2e.Must(t, os.Mkdir(path, 0o700))
	remove := []string{".revocations.journal-123456789", ".keys-main.json-1", ".version-4294967295"}
	keep := []string{"keys-main-1.json", "revocations.journal", ".hidden", ".notes-2a", "a-1"}
	for _, name := range append(remove, keep...) {
		e2e.Must(t, os.WriteFile(filepath.Join(path, name), nil, 0o600))
	}
	e2e.Must(t, os.Mkdir(filepath.Join(path, ".folder-1"), 0o700))
	open(t, path)
	for _, name := range remove {
		if _, err := os.Lstat(filepath.Join(path, name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is left: %v", name, err)
		}
	}
	for _, name := range append(keep, ".folder-1") {
		if _, err := os.Lstat(filepath.Join(path, name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
