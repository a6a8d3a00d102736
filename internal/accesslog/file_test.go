package accesslog

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
	"github.com/neonauthd/neonauthd/internal/folders"
)

// TestALogIsNotLedToAnotherFile: a user who can write in the folder of the log, or put a
// file there, cannot choose which file this process writes to. Each case makes the folder
// "d" and its contents; the log is d/log.
func TestALogIsNotLedToAnotherFile(t *testing.T) {
	const stranger = 12345
	give := func(t *testing.T, path string) error {
		need.Root(t, "giving a file away")
		return os.Lchown(path, stranger, stranger)
	}
	write := func(path string, mode fs.FileMode) error {
		return errors.Join(os.WriteFile(path, nil, mode), os.Chmod(path, mode))
	}
	for name, c := range map[string]struct {
		build  func(t *testing.T, dir, log string) error
		unsafe string // words of the refusal; "": it is accepted
	}{
		"nothing":                {func(*testing.T, string, string) error { return nil }, ""},
		"a file of ours":         {func(_ *testing.T, _, log string) error { return write(log, 0o640) }, ""},
		"a pipe of ours":         {func(_ *testing.T, _, log string) error { return syscall.Mkfifo(log, 0o600) }, ""},
		"a folder all may write": {func(_ *testing.T, dir, _ string) error { return os.Chmod(dir, 0o777) }, "is writable by others"},
		"the same, and sticky":   {func(_ *testing.T, dir, _ string) error { return os.Chmod(dir, 0o777|fs.ModeSticky) }, "is writable by others"},
		"a folder its group may": {func(_ *testing.T, dir, _ string) error { return os.Chmod(dir, 0o775) }, "is writable by others"},
		"a folder before may":    {func(_ *testing.T, dir, _ string) error { return os.Chmod(filepath.Dir(dir), 0o777) }, "on the way to it"},
		"another user's folder":  {func(t *testing.T, dir, _ string) error { return give(t, dir) }, "belongs to another user (12345)"},
		"another user's file":    {func(t *testing.T, _, log string) error { return errors.Join(write(log, 0o640), give(t, log)) }, "belongs to another user (12345)"},
		"another user's pipe":    {func(t *testing.T, _, log string) error { return errors.Join(syscall.Mkfifo(log, 0o600), give(t, log)) }, "belongs to another user (12345)"},
		"a file all may write":   {func(_ *testing.T, _, log string) error { return write(log, 0o666) }, "is writable by others"},
		"a file its group may":   {func(_ *testing.T, _, log string) error { return write(log, 0o660) }, "is writable by others"},
		"a link to a file":       {func(_ *testing.T, dir, log string) error { return os.Symlink(filepath.Join(dir, "../victim"), log) }, "is a symbolic link"},
		"a link to nothing":      {func(_ *testing.T, dir, log string) error { return os.Symlink(filepath.Join(dir, "../new"), log) }, "is a symbolic link"},
		"another user's link": {func(t *testing.T, _, log string) error {
			return errors.Join(os.Symlink("../victim", log), give(t, log))
		}, "is a symbolic link"},
		"a link to what is no log": {func(_ *testing.T, _, log string) error { return os.Symlink("/dev/null", log) }, "is a symbolic link"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			parent := filepath.Join(t.TempDir(), "p")
			dir := filepath.Join(parent, "d")
			log, victim := filepath.Join(dir, "log"), filepath.Join(parent, "victim")
			e2e.Must(t, os.MkdirAll(dir, 0o755))
			e2e.Must(t, errors.Join(os.Chmod(parent, 0o755), os.Chmod(dir, 0o755), write(victim, 0o600)))
			l, said := newLog(t, "file:"+log) // when all is well
			e2e.Must(t, c.build(t, dir, log))
			started, checked, reloaded := newLogError("file:"+log), Unsafe("file:"+log), l.Unsafe()
			running(t, l, func() { l.Write(lineOf("P")) })
			if text, err := os.ReadFile(victim); len(text) > 0 || err != nil {
				t.Errorf("the victim has the line: %s %v", text, err)
			}
			if _, err := os.Lstat(filepath.Join(parent, "new")); err == nil {
				t.Error("a file was made elsewhere")
			}
			if c.unsafe == "" {
				if err := errors.Join(started, checked, reloaded); err != nil || l.Lost() > 0 && name != "a pipe of ours" { // nobody reads the pipe
					t.Errorf("%v, %s", err, said)
				}
				return
			}
			for when, err := range map[string]error{"at the start": started, "at a check": checked, "at a reload": reloaded} {
				if name == "another user's folder" && when == "at a check" { // root checks as that user
					continue
				}
				if !errors.Is(err, folders.ErrUnsafe) || !strings.Contains(err.Error(), c.unsafe) || !strings.HasPrefix(err.Error(), "access_log: ") {
					t.Errorf("%s: %v", when, err)
				}
			}
			why := c.unsafe
			if name == "another user's pipe" { // nobody reads the pipe, so opening it fails before the check
				why = "no such device or address"
			}
			if l.Lost() != 1 || !strings.Contains(said.String(), why) {
				t.Errorf("lost %d, said %s", l.Lost(), said)
			}
		})
	}
}

func newLogError(destination string) error {
	_, err := New(Options{Destination: destination})
	return err
}

// TestALinkOnTheWayIsFollowed if it belongs to this user or root: systemd makes such a
// link for LogsDirectory= of a unit with DynamicUser=.
func TestALinkOnTheWayIsFollowed(t *testing.T) {
	dir := t.TempDir()
	e2e.Must(t, os.MkdirAll(filepath.Join(dir, "private/d"), 0o755))
	e2e.Must(t, os.Symlink("private/d", filepath.Join(dir, "d")))
	l, said := newLog(t, "file:"+filepath.Join(dir, "d/log"))
	running(t, l, func() { l.Write(lineOf("P")) })
	if text, err := os.ReadFile(filepath.Join(dir, "private/d/log")); string(text) != written {
		t.Errorf("%s %v: %s", text, err, said)
	}
}

// TestAFileThatCannotBeOpenedAnewStaysOpen: the file was moved, its folder is not safe
// any more, and a reload comes. No line is lost or goes to another file, and the log says
// so. After the folder is safe again, the next line is in the new file.
func TestAFileThatCannotBeOpenedAnewStaysOpen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	e2e.Must(t, os.Mkdir(dir, 0o755))
	path, victim := filepath.Join(dir, "log"), filepath.Join(dir, "victim")
	e2e.Must(t, os.WriteFile(victim, nil, 0o600))
	l, said := newLog(t, "file:"+path)
	running(t, l, func() {
		l.Write(lineOf("1"))
		e2e.Until(t, "a line is written", func() bool { return l.Written() == 1 })
		e2e.Must(t, os.Rename(path, path+".1"))
		e2e.Must(t, os.Chmod(dir, 0o777))
		e2e.Must(t, os.Symlink(victim, path))
		l.Reopen()
		e2e.Until(t, "the operator is told", func() bool {
			return strings.Contains(said.String(), "access log not opened anew") && strings.Contains(said.String(), "is writable by others")
		})
		l.Write(lineOf("2"))
		e2e.Until(t, "another line is written", func() bool { return l.Written() == 2 })
		e2e.Must(t, os.Remove(path))
		e2e.Must(t, os.Chmod(dir, 0o755))
		l.Write(lineOf("3"))
		e2e.Until(t, "the third line is written", func() bool { return l.Written() == 3 })
		l.Write(lineOf("4"))
	})
	for name, want := range map[string]string{
		path + ".1": strings.Replace(written, "P", "1", 1) + strings.Replace(written, "P", "2", 1),
		path:        strings.Replace(written, "P", "3", 1) + strings.Replace(written, "P", "4", 1),
		victim:      "",
	} {
		if text, err := os.ReadFile(name); string(text) != want || err != nil {
			t.Errorf("%s: %q %v", name, text, err)
		}
	}
	if !strings.Contains(said.String(), "access log opened anew") || l.Lost() != 0 {
		t.Errorf("lost %d; said\n%s", l.Lost(), said)
	}
}
