package folders

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// CheckConfig refuses the open file f, found at path, if another user than root or uid can
// have changed or replaced it: it belongs to that user, its group or all may write to it, or
// such a user could change a folder or a link on the way to it. A sticky folder, as /tmp, is
// safe. The error says what to do.
//
// A file that is mounted read-only by itself or with a folder above it, as into a container, is
// not refused if the way to that folder is safe: whoever has mounted it has chosen it, and
// nobody here can change it. Its owner is a user of the host, who may be unknown here.
func CheckConfig(path string, f *os.File, uid int) error {
	text, err := os.ReadFile("/proc/self/mountinfo") // only Linux has it
	if err != nil {
		text = nil
	}
	return checkConfig(path, f, uid, readMounts(string(text)))
}

func checkConfig(path string, f *os.File, uid int, all mounts) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	path, err = filepath.Abs(path)
	if err != nil {
		return err
	}
	mount := all.of(path)
	at, err := follow(path, walk{uid: uid, sticky: true, file: true, mount: mount, mounts: all})
	if err != nil {
		return err
	}
	if strings.HasPrefix(at, "/proc/") {
		return checkContent(path, info, uid)
	}
	there, err := os.Lstat(at)
	switch {
	case err != nil:
		return err
	case !os.SameFile(there, info):
		return fmt.Errorf("%w: %s was replaced while it was read; try again", ErrUnsafe, at)
	case all.within(mount, at):
		return nil
	}
	return checkContent(at, info, uid)
}

// checkContent refuses a file that others can write to. It need not be an ordinary file: a
// shell makes pipes.
func checkContent(path string, info fs.FileInfo, uid int) error {
	err := CheckOwner(path, info, uid)
	if err == nil && info.Mode()&fs.ModeDevice == 0 {
		err = checkMode(path, info)
	}
	return err
}

// ReadConfig reads the file at path, of at most that many bytes, if CheckConfig accepts it
// for the user of this process. Its errors name the file.
func ReadConfig(path string, most int64) ([]byte, error) {
	return ReadConfigFor(path, most, func([]byte) int { return os.Geteuid() })
}

// ReadConfigFor is ReadConfig for another user, whom userOf finds by the text. The text has not
// been judged then.
func ReadConfigFor(path string, most int64, userOf func(text []byte) (uid int)) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if unsafe := CheckConfig(path, f, userOf(text)); unsafe != nil {
		return nil, unsafe
	}
	switch {
	case err != nil:
		return nil, err
	case int64(len(text)) > most:
		return nil, fmt.Errorf("%s is larger than %d bytes", path, most)
	}
	return text, nil
}
