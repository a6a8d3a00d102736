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

// fileMode is the mode of a new log file, whatever the umask is. The group may read it.
const fileMode = 0o640

// openFile opens a file of the user uid to append to, and creates it if it does not exist.
// Nobody may lead a program that runs as root to another file. So only root and uid may be
// able to change the folder, and openFile does not follow a link. It takes a pipe or
// another special file as it is.
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

// endsWithinLine reports whether the last line of an open file was cut, by a full disk or the end of
// the process. known is false for a pipe or another special file, and for a file that this process
// may not read.
func endsWithinLine(file *os.File) (cut, known bool) {
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return false, false
	}
	if info.Size() == 0 {
		return false, true
	}
	reader, err := os.OpenFile(file.Name(), os.O_RDONLY|syscall.O_NONBLOCK, 0) // file is for writing only
	if err != nil {
		return false, false
	}
	defer reader.Close()
	var last [1]byte
	read, err := reader.Stat()
	if err != nil || !os.SameFile(info, read) {
		return false, false
	}
	if _, err := reader.ReadAt(last[:], info.Size()-1); err != nil {
		return false, false
	}
	return last[0] != '\n', true
}

// Unsafe returns the error with which this process would refuse a destination; nil if it
// would not. For root it judges as for a process of the user who owns the folder. It
// changes nothing.
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
	return nil // it can be created later
}

// inspectFile returns the error with which openFile would refuse a path. It changes nothing.
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

// isInherited reports whether a path names a file descriptor that this process was started
// with. Such a path is a link.
func isInherited(path string) bool {
	return path == "/dev/stdout" || path == "/dev/stderr" || strings.HasPrefix(path, "/dev/fd/") || strings.HasPrefix(path, "/proc/self/fd/")
}

// place returns the path with its folder resolved. It refuses a folder that others can
// change.
func place(path string, uid int) (string, error) {
	path = filepath.Clean(path)
	dir, err := folders.Check(filepath.Dir(path), uid)
	return filepath.Join(dir, filepath.Base(path)), err
}

func errLink(path string) error {
	return fmt.Errorf("%w: %s is a symbolic link, which is not followed; name the file that it leads to", folders.ErrUnsafe, path)
}

// checkFile refuses a file that other users could have put there.
func checkFile(path string, info fs.FileInfo, uid int) error {
	if info.Mode().IsRegular() {
		return folders.CheckFile(path, info, uid)
	}
	return folders.CheckOwner(path, info, uid)
}
