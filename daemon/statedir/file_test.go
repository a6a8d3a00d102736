package statedir

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

func TestAFileIsReplacedWholeAndPrivate(t *testing.T) {
	d := open(t, place(t))
	path := filepath.Join(d.Path(), "file")
	for _, content := range []string{"a longer first text", "second"} {
		e2e.Must(t, d.Replace("file", text(content)))
		if got, err := os.ReadFile(path); err != nil || string(got) != content {
			t.Errorf("%q, %v", got, err)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	wrong := errors.New("half of it, then this")
	err = d.Replace("file", func(w io.Writer) error { return errors.Join(text("half")(w), wrong) })
	if got, _ := read(d, "file"); !errors.Is(err, wrong) || got != "second" {
		t.Errorf("a failure: %v, and the file is %q", err, got)
	}
	e2e.Must(t, os.Mkdir(filepath.Join(d.Path(), "folder"), 0o700))
	if err := d.Replace("folder", text("x")); err == nil {
		t.Error("a folder is replaced")
	}
	left, err := os.ReadDir(d.Path())
	e2e.Must(t, err)
	for _, e := range left {
		if strings.HasPrefix(e.Name(), ".") {
			t.Errorf("left over: %s", e.Name())
		}
	}
	e2e.Must(t, d.Remove("file"))
	e2e.Must(t, d.Remove("file"))
	if _, err := d.Open("file"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("removed: %v", err)
	}
	for _, name := range []string{"../file", "/etc/passwd", "a/b"} {
		if err := d.Replace(name, text("x")); err == nil {
			t.Errorf("%s is written", name)
		}
	}
}

// TestWhatCouldNotBeWrittenIsToldUntilItIs: a disk that was full for one file, and a folder
// that cannot be made.
func TestWhatCouldNotBeWrittenIsToldUntilItIs(t *testing.T) {
	d := open(t, place(t))
	full := func(io.Writer) error {
		return &fs.PathError{Op: "write", Path: "a temporary name", Err: syscall.ENOSPC}
	}
	for _, step := range []struct {
		what string
		do   func() error
		want error
	}{
		{"a new directory", func() error { return nil }, nil},
		{"a full disk", func() error { return d.Replace("keys", full) }, syscall.ENOSPC},
		{"another file", func() error { return d.Replace("other", text("x")) }, syscall.ENOSPC},
		{"the file itself", func() error { return d.Replace("keys", text("x")) }, nil},
		{"full again", func() error { return d.Replace("keys", full) }, syscall.ENOSPC},
		{"the file is removed", func() error { return d.Remove("keys") }, nil},
		{"full for a file that is not there", func() error { return d.Replace("keys", full) }, syscall.ENOSPC},
		{"which is given up", func() error { d.GiveUp("keys"); return nil }, nil},
		{"full once more", func() error { return d.Replace("keys", full) }, syscall.ENOSPC},
		{"which is removed all the same", func() error { return d.Remove("keys") }, nil},
	} {
		_ = step.do()
		if err := d.Unwritten(); !errors.Is(err, step.want) {
			t.Errorf("%s: %v", step.what, err)
		}
	}
	if err := open(t, "/proc/no-folder-can-be-made-here").Unwritten(); err == nil {
		t.Error("a folder that cannot be made is said to be written to")
	}
	if err := (*Dir)(nil).Unwritten(); err != nil {
		t.Error(err)
	}
	d.mu.Lock() // as somebody who waits for the disk
	defer d.mu.Unlock()
	if err, faults := d.Unwritten(), d.Faults(); err != nil || len(faults) > 0 {
		t.Errorf("%v, %v", err, faults)
	}
}

// TestOnlyFilesThatWeOrRootHaveWrittenAreOpened: somebody who could once write
// to the folder may have left other files.
func TestOnlyFilesThatWeOrRootHaveWrittenAreOpened(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "outside")
	e2e.Must(t, os.WriteFile(outside, []byte("x"), 0o600))
	for _, c := range []struct {
		name  string
		plant func(path string) error
		says  string // the refusal; empty: the file is opened
	}{
		{"ours", func(string) error { return nil }, ""},
		{"to be read by all", func(path string) error { return os.Chmod(path, 0o644) }, ""},
		{"writable by its group", func(path string) error { return os.Chmod(path, 0o660) }, "writable by others"},
		{"writable by all", func(path string) error { return os.Chmod(path, 0o602) }, "writable by others"},
		{"another user's", func(path string) error { return os.Chown(path, 12345, 12345) }, "belongs to another user (12345)"},
		{"a link inside", func(path string) error { return errors.Join(os.Rename(path, path+"2"), os.Symlink("file2", path)) }, "no ordinary file"},
		{"a link outside", func(path string) error { return errors.Join(os.Remove(path), os.Symlink(outside, path)) }, ""},
		{"a folder", func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) }, "no ordinary file"},
		{"a pipe", func(path string) error { return errors.Join(os.Remove(path), syscall.Mkfifo(path, 0o600)) }, "no ordinary file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.name == "another user's" {
				need.Root(t, "giving a file away")
			}
			d := open(t, place(t))
			e2e.Must(t, d.Replace("file", text("x")))
			e2e.Must(t, c.plant(filepath.Join(d.Path(), "file")))
			for what, open := range map[string]func(string) (*os.File, error){"read": d.Open, "write": d.OpenToWrite} {
				f, err := open("file")
				if f != nil {
					e2e.Must(t, f.Close())
				}
				good := c.says == "" && c.name != "a link outside"
				if (err == nil) != good || errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s: %v", what, err)
				}
				if what == "read" && c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
					t.Errorf("error %v does not say %q", err, c.says)
				}
			}
		})
	}
}

func TestAFileThatWasTouchedIsNotInPlace(t *testing.T) {
	d := open(t, place(t))
	path := filepath.Join(d.Path(), "file")
	for name, c := range map[string]struct {
		touch func() error
		want  bool
	}{
		"untouched": {func() error { return nil }, true},
		"removed":   {func() error { return os.Remove(path) }, false},
		"cut":       {func() error { return os.Truncate(path, 3) }, false},
		"grown":     {func() error { return os.Truncate(path, 5) }, false},
		"replaced":  {func() error { return errors.Join(os.Rename(path, path+"2"), os.WriteFile(path, []byte("text"), 0o600)) }, false},
		"a link":    {func() error { return errors.Join(os.Rename(path, path+"2"), os.Symlink("file2", path)) }, false},
	} {
		e2e.Must(t, d.Replace("file", text("text")))
		f, err := d.OpenToWrite("file")
		e2e.Must(t, err)
		e2e.Must(t, c.touch())
		if got := d.InPlace(f, "file", 4); got != c.want {
			t.Errorf("%s: in place %v", name, got)
		}
		e2e.Must(t, errors.Join(f.Close(), d.Remove("file"), d.Remove("file2")))
	}
	if d.InPlace(nil, "file", 0) {
		t.Error("no file is in place")
	}
}
