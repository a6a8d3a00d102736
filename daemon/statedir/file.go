package statedir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"github.com/neonauthd/neonauthd/internal/folders"
)

// Open opens a file for reading. The error is ErrNotExist if there is none. It
// is another error if neither this process nor root has written the file: it
// belongs to another user, others can write to it, or it is no ordinary file.
func (d *Dir) Open(name string) (*os.File, error) {
	for {
		root, err := d.read()
		if err != nil {
			return nil, err
		}
		// While the file was opened, another goroutine may have found that somebody has
		// replaced the folder, and closed root. The file in the new folder counts then.
		if f, err := d.open(root, name, os.O_RDONLY); err == nil || d.reads(root) {
			return f, err
		}
	}
}

// OpenSecret is Open for a file that is no secret any more if others may read it, which
// is an error too.
func (d *Dir) OpenSecret(name string) (*os.File, error) {
	f, err := d.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil {
		err = private(filepath.Join(d.path, name), info)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// private refuses a file that others may read.
func private(path string, info fs.FileInfo) error {
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("%s has mode %#o, and is a secret; make it 0600, or remove it to have a new one made if somebody may have read it", path, mode)
	}
	return nil
}

// OpenToWrite opens an existing file, to append to it or to change it in place.
// The caller has to sync it.
func (d *Dir) OpenToWrite(name string) (*os.File, error) {
	root, err := d.ours()
	if err != nil {
		return nil, err
	}
	return d.open(root, name, os.O_WRONLY)
}

func (d *Dir) open(root *os.Root, name string, flag int) (f *os.File, err error) {
	for range 10 { // bounded; each further round follows a replacement of the file, which is slow
		// Without O_NONBLOCK, opening a pipe that nobody writes to would block.
		f, err = root.OpenFile(name, flag|syscall.O_NONBLOCK, 0)
		if err != nil {
			return nil, err
		}
		if err = d.check(root, name, f); err == nil {
			return f, nil
		}
		if err = errors.Join(err, f.Close()); !errors.Is(err, errReplaced) {
			break
		}
	}
	return nil, err
}

// errReplaced says that a file was replaced while it was opened.
var errReplaced = errors.New("was replaced while it was opened")

// check refuses a file that neither this process nor root has written. The error is
// errReplaced if another file now has the name, and ErrNotExist if no file has it.
func (d *Dir) check(root *os.Root, name string, f *os.File) error {
	path := filepath.Join(d.path, name)
	info, err := f.Stat()
	if err != nil {
		return err
	}
	switch there, err := root.Lstat(name); {
	case err != nil:
		return err
	case !there.Mode().IsRegular():
		return fmt.Errorf("%s is no ordinary file", path)
	case !os.SameFile(info, there):
		return fmt.Errorf("%s %w", path, errReplaced)
	}
	return folders.CheckFile(path, info, d.uid)
}

// Replace replaces a file by what write writes, with mode 0600. Readers see the
// old file or the new one, and after a crash one of the two is there. When
// Replace returns, the new file is on disk.
func (d *Dir) Replace(name string, write func(io.Writer) error) error {
	root, err := d.ours()
	if err == nil {
		err = replace(root, name, write)
	}
	d.noteWrite(name, err)
	return err
}

func replace(root *os.Root, name string, write func(io.Writer) error) error {
	temporary := unfinished(name)
	f, err := root.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = root.Rename(temporary, name)
	}
	if err != nil {
		return errors.Join(err, root.Remove(temporary))
	}
	return syncFolder(root)
}

// Remove removes a file. It is no error if there is none.
func (d *Dir) Remove(name string) error {
	root, err := d.ours()
	if err != nil {
		return err
	}
	switch err := root.Remove(name); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	default:
		if err := syncFolder(root); err != nil {
			return err
		}
	}
	d.noteWrite(name, nil)
	return nil
}

// syncFolder makes a change of file names survive a loss of power.
func syncFolder(root *os.Root) error {
	f, err := root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// InPlace reports whether the open file is still the file called name and has
// that size, so that nobody has removed, replaced or cut it.
func (d *Dir) InPlace(f *os.File, name string, size int64) bool {
	root, err := d.ours()
	if err != nil || f == nil {
		return false
	}
	there, err := root.Lstat(name)
	return err == nil && there.Size() == size && isAt(root, name, f)
}

// unfinished returns a name for a temporary file that will replace name.
func unfinished(name string) string {
	return "." + name + "-" + strconv.FormatUint(uint64(rand.Uint32()), 10)
}

// isUnfinished reports whether name is a temporary file of this version or of an
// earlier one.
func isUnfinished(name string) bool {
	matched, _ := regexp.MatchString(`^\..+-[0-9]+$`, name) // the pattern has no error
	return matched
}

// removeUnfinished removes the temporary files of replacements that a crash
// interrupted.
func (d *Dir) removeUnfinished() error {
	entries, err := fs.ReadDir(d.root.FS(), ".")
	if err != nil {
		return fmt.Errorf("state directory: %w", err)
	}
	for _, e := range entries {
		if e.Type().IsRegular() && isUnfinished(e.Name()) {
			if err := d.root.Remove(e.Name()); err != nil {
				return unwritable{err}
			}
		}
	}
	return nil
}

// The version of the directory: of the names and forms of all its files. A
// directory without a version file is of version 1, or new.
const (
	versionName = "version"
	versionWord = "neonauthd-state"
	version     = 2
)

// checkVersion refuses a directory of a newer version, whose files this program
// may not know.
func (d *Dir) checkVersion() (found bool, err error) {
	f, err := d.open(d.root, versionName, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("state directory: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 64))
	if err != nil {
		return false, fmt.Errorf("state directory: %w", err)
	}
	number, ok := strings.CutPrefix(string(text), versionWord+" ")
	n, err := strconv.Atoi(strings.TrimSuffix(number, "\n"))
	switch {
	case !ok || err != nil || n < 1:
		return false, fmt.Errorf("state directory: %s/%s is damaged; put back a copy of the directory, or remove that file if no newer neonauthd has used it", d.path, versionName)
	case n > version:
		return false, fmt.Errorf("state directory %s is of a newer neonauthd (version %d, and this one knows %d); install that one again, or remove %s/%s if none has used the directory", d.path, n, version, d.path, versionName)
	}
	return n == version, nil
}

// writeVersion writes the version of this program. d.mu is held.
func (d *Dir) writeVersion() error {
	err := replace(d.root, versionName, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s %d\n", versionWord, version)
		return err
	})
	if err != nil {
		return unwritable{err}
	}
	d.unversioned = false
	return nil
}
