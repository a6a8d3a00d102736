package sockets

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/neonauthd/neonauthd/internal/folders"
	"github.com/neonauthd/neonauthd/internal/foreign"
)

// MaxPath is the longest path that a socket can have, in bytes: sun_path of
// unix(7) less its NUL.
const MaxPath = 107

// umaskMu is held while the umask is changed: the goroutine that changed it has to
// restore it before another changes it.
//
//nolint:gochecknoglobals // so is the umask
var umaskMu sync.Mutex

// errAbstract refuses a socket that is in no folder.
var errAbstract = errors.New("must be a path: a name that begins with \"@\" is an abstract socket (unix(7)), which has no mode and which every process of the host can reach; write ./@name for a file of that name")

// CheckPath refuses a path that cannot be that of a socket with restricted access. It
// looks at the path alone.
func CheckPath(path string) error {
	switch {
	case strings.HasPrefix(path, "@"), strings.Contains(path, "\x00"):
		return errAbstract
	case path == "" || len(path) > MaxPath:
		return fmt.Errorf("must be a path of 1 to %d bytes", MaxPath)
	}
	return nil
}

// Listen makes a socket at path with exactly mode, in a folder that only this
// user and root can change; it makes the folder if it is missing, with mode
// 0755. It dials before it removes a stale socket, and never removes anything
// else. Closing the listener removes the socket.
//
// Call it before anything else of the process creates files: Listen changes the umask for
// a moment, and all goroutines share it.
func Listen(path string, mode fs.FileMode) (net.Listener, error) {
	if err := CheckPath(path); err != nil {
		return nil, fmt.Errorf("socket %s: %w", foreign.Cut(path, maxShown), err)
	}
	if err := checkFolder(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("socket %s: %w", path, err)
	}
	defer lockFolder(filepath.Dir(path))()
	if err := removeStale(path); err != nil {
		return nil, fmt.Errorf("socket %s: %w", path, err)
	}
	// With the umask the socket has the right mode from its first moment. With a chmod
	// everybody could connect before it. The umask is the process's, so this runs before
	// anything else creates files.
	umaskMu.Lock()
	old := syscall.Umask(int(0o777 &^ mode))
	ln, err := net.Listen("unix", path)
	syscall.Umask(old)
	umaskMu.Unlock()
	if err != nil {
		return nil, fmt.Errorf("socket %s: %w", path, err)
	}
	return ln, nil
}

// Inspect returns why Listen would refuse the path, or nil. It makes no folder and asks
// nobody, so it does not find out whether another process serves the socket. If root calls
// Inspect, it judges as the user who owns the folder state.
func Inspect(path, state string) error {
	dir := filepath.Dir(path)
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist): // Listen makes one folder
		if _, above := os.Stat(filepath.Dir(dir)); above != nil {
			return fmt.Errorf("there is no folder %s (create it, or name a path in one that exists)", dir)
		}
		return nil
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is not a folder", dir)
	}
	if _, err := folders.CheckForSocket(dir, folders.UserOf(state)); err != nil {
		return err
	}
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSocket == 0 {
		return fmt.Errorf("%s is something that is not a socket; move it away", path)
	}
	return nil
}

// OnNetwork reports whether other hosts can reach ln, as far as this host knows: ln is
// neither a Unix socket nor on loopback. A nil listener cannot be reached.
func OnNetwork(ln net.Listener) bool {
	if ln == nil {
		return false
	}
	tcp, ok := ln.Addr().(*net.TCPAddr)
	return ok && !tcp.IP.IsLoopback()
}

// Address returns the address of ln for a log; "none" if ln is nil.
func Address(ln net.Listener) string {
	if ln == nil {
		return "none"
	}
	return ln.Addr().String()
}

// checkFolder makes the folder if it is missing, and refuses one in which other
// users could replace the socket.
func checkFolder(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w (create the folder, or name a path in one that exists)", err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a folder", dir)
	}
	_, err = folders.CheckForSocket(dir, os.Geteuid())
	return err
}

// lockFolder lets one process at a time look for a stale socket and make its own socket.
// Without it, processes that start at the same time could remove each other's new
// sockets. Every user who may open the folder could hold the lock, so lockFolder waits
// for a second at most: the lock only orders starts, and keeps nobody out.
func lockFolder(dir string) (unlock func()) {
	f, err := os.Open(dir)
	if err != nil {
		return func() {} // checkFolder could read the folder a moment ago; if that has changed, making the socket fails
	}
	for range 100 {
		if err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); !errors.Is(err, syscall.EWOULDBLOCK) {
			break
		}
		<-time.After(10 * time.Millisecond)
	}
	return func() { _ = f.Close() } // closing unlocks
}

// removeStale removes the socket that a dead process left at path.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode()&fs.ModeSocket == 0:
		return errors.New("something that is not a socket is in its place; it was not touched")
	}
	nc, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		return errors.Join(errors.New("another process serves this socket: stop it first, or serve on another path"), nc.Close())
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("cannot tell whether another process serves it: %w", err)
	}
	return os.Remove(path)
}
