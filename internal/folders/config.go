package folders

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// CheckConfig refuses the open file f, found at path, if another user than root or uid can
// have changed or replaced it: it belongs to that user, its group or all may write to it, or
// such a user could change a folder or a link on the way to it. A sticky folder, as /tmp, is
// safe. The error says what to do.
//
// A file that is mounted read-only by itself or with its folder, as into a container, is not
// refused: whoever has mounted it has chosen it, and nobody here can change it. Its owner is
// a user of the host, who may be unknown here.
func CheckConfig(path string, f *os.File, uid int) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	for range maxLinks {
		dir, err := filepath.EvalSymlinks(filepath.Dir(path))
		if err != nil {
			return err
		}
		at := filepath.Join(dir, filepath.Base(path))
		if mountedReadOnly(dir, at) {
			return nil
		}
		if _, err := CheckForSocket(filepath.Dir(path), uid); err != nil {
			return err
		}
		if strings.HasPrefix(dir, "/proc/") { // of a process: what it has open
			return checkContent(path, info, uid)
		}
		there, err := os.Lstat(at)
		switch {
		case err != nil:
			return err
		case there.Mode()&fs.ModeSymlink != 0:
			if path, err = target(at, there, uid); err != nil {
				return err
			}
		case !os.SameFile(there, info):
			return fmt.Errorf("%w: %s was replaced while it was read; try again", ErrUnsafe, at)
		default:
			return checkContent(at, info, uid)
		}
	}
	return fmt.Errorf("%s: too many symbolic links", path)
}

// target returns where a symbolic link leads to. at is its path without other links.
func target(at string, info fs.FileInfo, uid int) (string, error) {
	if err := CheckOwner(at, info, uid); err != nil {
		return "", err
	}
	to, err := os.Readlink(at)
	if err != nil || filepath.IsAbs(to) {
		return to, err
	}
	return filepath.Dir(at) + "/" + to, nil
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

// mountedReadOnly reports whether one of the paths is where something is mounted read-only.
// Only Linux says.
func mountedReadOnly(paths ...string) bool {
	text, err := os.ReadFile("/proc/self/mountinfo")
	return err == nil && readOnlyMount(string(text), paths...)
}

// readOnlyMount is mountedReadOnly for a text as in proc_pid_mountinfo(5). Of several mounts
// at one place the last is in force.
func readOnlyMount(mounts string, paths ...string) bool {
	readOnly := map[string]bool{}
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	for line := range strings.Lines(mounts) {
		if fields := strings.Fields(line); len(fields) > 5 {
			readOnly[unescape.Replace(fields[4])] = slices.Contains(strings.Split(fields[5], ","), "ro")
		}
	}
	return slices.ContainsFunc(paths, func(p string) bool { return readOnly[p] })
}

// ReadConfig reads the file at path, of at most that many bytes, if CheckConfig accepts it
// for the user of this process. Its errors name the file.
func ReadConfig(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := CheckConfig(path, f, os.Geteuid()); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	switch {
	case err != nil:
		return nil, err
	case int64(len(text)) > most:
		return nil, fmt.Errorf("%s is larger than %d bytes", path, most)
	}
	return text, nil
}
