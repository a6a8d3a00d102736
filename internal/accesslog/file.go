package accesslog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/neonauthd/neonauthd/internal/folders"
)

// fileMode is that of a log file which is made here, whatever the umask: the group
// may read it.
const fileMode = 0o640

// openFile opens a file to append to for the user uid, and makes it if it is not there.
// Who writes a log as root must not be led to another file: the folder has to be one
// that nobody else can change, and a link is not followed. What is no ordinary file, such
// as a pipe, is written to as it is.
func openFile(path string, uid int) (*os.File, error) {
	const flags = os.O_WRONLY | os.O_APPEND | syscall.O_NONBLOCK // a pipe without a reader must not hold up anybody
	if isInherited(path) {
		return os.OpenFile(path, flags, 0)
	}
	path, err := place(path, uid)
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, flags|os.O_CREATE|os.O_EXCL, fileMode)
	if err == nil {
		return file, file.Chmod(fileMode)
	}
	if !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	file, err = os.OpenFile(path, flags|syscall.O_NOFOLLOW, 0)
	if errors.Is(err, syscall.ELOOP) {
		return nil, errLink(path)
	}
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil {
		err = checkFile(path, info, uid)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// Unsafe is why a destination is refused, by this process or, if root asks, by one of the
// user whom the folder belongs to; nil if it is not. It changes nothing.
func Unsafe(destination string) error {
	path, _ := strings.CutPrefix(destination, "file:")
	return refusal(destination, folders.UserOf(filepath.Dir(filepath.Clean(path))))
}

func refusal(destination string, uid int) error {
	path, isFile := strings.CutPrefix(destination, "file:")
	if !isFile {
		return nil
	}
	if err := inspectFile(path, uid); errors.Is(err, folders.ErrUnsafe) {
		return fmt.Errorf("access_log: %w", err)
	}
	return nil // what is not there yet may come
}

// inspectFile says why openFile would refuse a path, and changes nothing.
func inspectFile(path string, uid int) error {
	if isInherited(path) {
		return nil
	}
	path, err := place(path, uid)
	if err != nil {
		return err
	}
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist): // it will be made
		return nil
	case err != nil:
		return err
	case info.Mode()&fs.ModeSymlink != 0:
		return errLink(path)
	}
	return checkFile(path, info, uid)
}

// isInherited reports whether a path names what this process was started with, which
// whoever started it has opened. The path is a link then.
func isInherited(path string) bool {
	return path == "/dev/stdout" || path == "/dev/stderr" || strings.HasPrefix(path, "/dev/fd/") || strings.HasPrefix(path, "/proc/self/fd/")
}

// place is where a path leads to, in a folder that others cannot change.
func place(path string, uid int) (string, error) {
	path = filepath.Clean(path)
	dir, err := folders.Check(filepath.Dir(path), uid)
	return filepath.Join(dir, filepath.Base(path)), err
}

func errLink(path string) error {
	return fmt.Errorf("%w: %s is a symbolic link, which is not followed; name the file that it leads to", folders.ErrUnsafe, path)
}

// checkFile refuses what others could have put in the file's place.
func checkFile(path string, info fs.FileInfo, uid int) error {
	if info.Mode().IsRegular() {
		return folders.CheckFile(path, info, uid)
	}
	return folders.CheckOwner(path, info, uid)
}
