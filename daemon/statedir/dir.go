// Package statedir manages the state directory, whose files outlive the daemon. One
// process at a time owns the directory. Only the user of that process and root can
// change its files. Every file is replaced whole. The directory records the version
// of the format of its files.
package statedir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/neonauthd/neonauthd/internal/folders"
)

// ErrInUse says that another process owns the directory.
var ErrInUse = errors.New("in use by another neonauthd")

// Dir is a state directory. Its methods are safe for concurrent use, but only one
// goroutine at a time may write a file.
type Dir struct {
	path   string
	uid    int  // whose files may be in the directory, besides root's
	looked bool // Look made it: nothing is ever written

	mu          sync.Mutex
	root        *os.Root // nil: no folder could be opened
	lock        *os.File // nil: this process does not own the directory, and only reads it
	used        bool     // see Used
	unversioned bool     // the version could not be written yet; only with lock
	closed      bool     // nothing is written any more

	notes    sync.Mutex       // guards what follows; nobody waits for a disk with it
	faults   []Kind           // see Faults
	unusable error            // of Open or the last Writable; nil if a file was replaced since
	unsaved  map[string]error // why files could not be replaced at the last attempt, by name
}

// Open takes the directory at path for this process, until Close. It makes the
// folder, with mode 0700, if it is missing. It removes files that a crash has left
// half written.
//
// If the folder cannot be made or written to, as on a disk that is full or read-only,
// Open returns no error: the files can be read, and each change tries again to write.
// Writable tells whether that is possible. The error is for a directory that must not
// be used: another process owns it (ErrInUse), others could change its files
// (folders.ErrUnsafe), it cannot be read, or it is of a newer version.
func Open(path string) (*Dir, error) {
	d := &Dir{path: path, uid: os.Geteuid()}
	d.mu.Lock()
	defer d.mu.Unlock()
	current, err := d.acquire()
	d.used = current
	var later unwritable
	if err != nil && !errors.As(err, &later) {
		d.release()
		return nil, err
	}
	d.unusable = err // nobody else knows d yet
	return d, nil
}

// Look opens the directory at path for reading only, and for judging what a start would
// find. It changes nothing and takes no lock, so another process may write at the same
// time. The errors are those of Open, but for a directory that is in use; fs.ErrNotExist
// means that there is no directory. If root calls Look, it judges as the user who owns the
// directory.
func Look(path string) (*Dir, error) {
	d := &Dir{path: path, uid: folders.UserOf(path), looked: true}
	resolved, err := folders.Check(path, d.uid)
	if err != nil {
		return nil, err
	}
	if d.root, err = os.OpenRoot(resolved); err != nil {
		return nil, err
	}
	if d.used, err = d.checkVersion(); err != nil {
		return nil, errors.Join(err, d.root.Close())
	}
	return d, nil
}

// CanWrite returns why this process could not write to the directory at path, or not
// make it, without trying to; nil if it could. A disk may be full even then.
func CanWrite(path string) error {
	for {
		_, err := os.Stat(path)
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) || path == filepath.Dir(path) {
			return err
		}
		path = filepath.Dir(path)
	}
	if err := unix.Access(path, unix.W_OK|unix.X_OK); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

var (
	// errLooked refuses to write to a directory that Look has opened.
	errLooked = errors.New("the state directory is only looked at")
	// errClosed refuses to write after Close: the directory may be another process's now, or
	// would be kept from the next one.
	errClosed = errors.New("the state directory was given up")
)

// unwritable is an error that may not occur at the next attempt.
type unwritable struct{ error }

func (u unwritable) Unwrap() error { return u.error }

// acquire opens the folder and takes it for this process. current tells that an earlier
// process has left a directory of this version. d.mu is held.
func (d *Dir) acquire() (current bool, err error) {
	made := os.MkdirAll(d.path, 0o700)
	resolved, err := folders.Check(d.path, os.Geteuid())
	switch {
	case errors.Is(err, fs.ErrNotExist) && made != nil:
		return false, unwritable{made}
	case err != nil:
		return false, fmt.Errorf("state directory: %w", err)
	}
	if d.root, err = os.OpenRoot(resolved); err != nil {
		return false, fmt.Errorf("state directory: %w", err)
	}
	if current, err = d.checkVersion(); err != nil {
		return false, err
	}
	if err := d.own(); err != nil {
		return current, err
	}
	d.unversioned = !current
	if err := d.removeUnfinished(); err != nil || current {
		return current, err
	}
	return false, d.writeVersion()
}

// lockName is the file whose lock says who owns the directory. The file stays when
// the owner has gone. If it were removed, two owners could lock two different files.
const lockName = "lock"

// own takes the lock. The lock belongs to the open file, so it ends with the process,
// however the process ends.
func (d *Dir) own() error {
	f, err := d.root.OpenFile(lockName, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return unwritable{err}
	}
	if err := d.check(d.root, lockName, f); err != nil {
		return errors.Join(err, f.Close())
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		err = fmt.Errorf("state directory %s is %w%s; stop that one, or give this one a state_dir of its own", d.path, ErrInUse, lockedBy(f))
	case err != nil:
		err = fmt.Errorf("state directory %s cannot be locked, so two daemons could spoil it: %w; put it on another file system", d.path, err)
	default:
		err = note(f)
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	d.lock = f
	return nil
}

// lockedBy names the process that holds the lock; "" if the file does not say.
func lockedBy(f *os.File) string {
	var pid int
	if n, err := fmt.Fscan(f, &pid); n != 1 || err != nil {
		return ""
	}
	return fmt.Sprintf(" (process %d)", pid)
}

// note writes this process's id into the lock file, so that a second process can name
// the owner of the lock. If the disk is full, the lock file has no id.
func note(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return unwritable{err}
	}
	_, _ = fmt.Fprintln(f, os.Getpid())
	return nil
}

// ours returns the folder to write to. If this process does not own the folder, or
// somebody has replaced it, ours tries once to take the folder at the path. It also tries
// again to write the version, without which the next start would take the directory for a
// new one. While that fails, other files may still be written.
func (d *Dir) ours() (*os.Root, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.looked:
		return nil, errLooked
	case d.closed:
		return nil, errClosed
	case d.lock != nil && d.inPlace():
		if d.unversioned {
			d.noteWrite(versionName, d.writeVersion())
		}
		return d.root, nil
	}
	d.release()
	if _, err := d.acquire(); err != nil {
		return nil, err
	}
	return d.root, nil
}

// inPlace reports whether the open folder is the one at the path, and the lock is on
// the file that other processes would try to lock.
func (d *Dir) inPlace() bool {
	open, err := d.root.Stat(".")
	if err != nil {
		return false
	}
	there, err := os.Stat(d.path)
	return err == nil && os.SameFile(open, there) && isAt(d.root, lockName, d.lock)
}

// isAt reports whether the open file f is the file called name.
func isAt(root *os.Root, name string, f *os.File) bool {
	open, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := root.Lstat(name)
	return err == nil && os.SameFile(open, there)
}

// read returns the folder to read from. Another goroutine may close it at any time, when
// somebody has replaced the folder; see reads.
func (d *Dir) read() (*os.Root, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.root == nil {
		return nil, fs.ErrNotExist
	}
	return d.root, nil
}

// reads reports whether root is still the folder to read from.
func (d *Dir) reads(root *os.Root) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.root == root
}

// release gives back what acquire took. d.mu is held.
func (d *Dir) release() {
	if d.lock != nil {
		_ = d.lock.Close() // this unlocks it; its content does not matter
	}
	if d.root != nil {
		_ = d.root.Close()
	}
	d.lock, d.root = nil, nil
}

// Writable returns why nothing can be written now, or nil. Even then the disk may be
// full.
func (d *Dir) Writable() error {
	_, err := d.ours()
	if err == nil {
		err = unix.Access(d.path, unix.W_OK|unix.X_OK)
	}
	d.notes.Lock()
	defer d.notes.Unlock()
	d.unusable = err
	return err
}

// Used reports whether an earlier process had the directory in this version when Open
// took it. Then the files that each start makes should be there.
func (d *Dir) Used() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.used
}

// Path returns the path of the directory, as it was configured.
func (d *Dir) Path() string { return d.path }

// Close gives the directory up. Files that were opened from it stay open. Later nothing is
// read from it or written to it.
func (d *Dir) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	d.release()
	return nil
}

// Inspect returns why the folder or a file in it is not safe to use, without changing
// anything. It is no error if the directory is missing, in use, not writable or of a
// newer version. secrets are the names of the files that others may not read either. If
// root calls Inspect, it judges as the user who owns the directory.
func Inspect(path string, secrets ...string) error {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	uid := folders.UserOf(path)
	resolved, err := folders.Check(path, uid)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(resolved)
	if err != nil {
		return err
	}
	defer root.Close()
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return err
	}
	var all []error
	for _, e := range entries {
		info, err := e.Info()
		if err == nil {
			err = folders.CheckFile(filepath.Join(path, e.Name()), info, uid)
		}
		if err == nil && slices.Contains(secrets, e.Name()) {
			err = private(filepath.Join(path, e.Name()), info)
		}
		all = append(all, err)
	}
	return errors.Join(all...)
}
