package folders

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// streamTimeout is how long ReadConfig waits for the end of a stream, as of a pipe that a shell
// has made. People may type into the program that writes it.
const streamTimeout = time.Minute

// CheckConfig refuses the open file f, found at path, if another user than root or uid can
// have changed or replaced it: it belongs to that user, its group or all may write to it, or
// such a user could change a folder or a link on the way to it. A sticky folder, as /tmp, is
// safe. The error says what to do.
//
// A file that is mounted read-only, by itself or with a folder above it, as into a container, is
// accepted if the way to that folder is safe: the user who has mounted it has chosen it, and no
// user here can change it. Its owner is a user of the host, who may be unknown here.
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
//
// It never waits for a named pipe, which it refuses. A pipe that this process has open already, as
// /dev/stdin or a shell's <(...), is read to its end, for at most a minute.
func ReadConfig(path string, most int64) ([]byte, error) {
	return ReadConfigFor(path, most, func([]byte) int { return os.Geteuid() })
}

// ReadConfigFor is ReadConfig for another user, whom userOf finds by the text. When userOf is
// called, the file has not been checked yet.
func ReadConfigFor(path string, most int64, userOf func(text []byte) (uid int)) ([]byte, error) {
	return readConfig(path, most, userOf, streamTimeout)
}

func readConfig(path string, most int64, userOf func(text []byte) (uid int), within time.Duration) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a named pipe without a writer must not hold us up
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case info.Mode()&fs.ModeNamedPipe != 0 && !isOpenStream(path):
		return nil, fmt.Errorf("%s is a named pipe, and must be an ordinary file", path)
	}
	_ = f.SetReadDeadline(time.Now().Add(within)) // an ordinary file takes none
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, fmt.Errorf("%s has not ended within %s: a pipe must be closed by whoever writes to it", path, within)
	}
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

// isOpenStream reports whether path leads to an open file of a process, as /dev/stdin and /dev/fd/3
// do.
func isOpenStream(path string) bool {
	at, err := follow(path, walk{uid: os.Geteuid(), sticky: true, file: true})
	return err == nil && (strings.HasPrefix(at, "/proc/") || strings.HasPrefix(at, "/dev/fd/")) // macOS has no /proc
}
