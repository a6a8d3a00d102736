package sockets

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

func TestSocketsAreMadeWithExactlyTheirMode(t *testing.T) {
	for _, mode := range []os.FileMode{0o660, 0o600} {
		path := filepath.Join(need.Folder(t), "new", "s")
		ln, err := Listen(path, mode)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != mode || info.Mode()&os.ModeSocket == 0 {
			t.Errorf("mode %v, %v; want %v", info.Mode(), err, mode)
		}
		if err := ln.Close(); err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("left behind: %v", err)
		}
	}
}

// TestWhatLiesAtTheSocketsPath: a file at the path is removed only if it is the socket of
// a dead process.
func TestWhatLiesAtTheSocketsPath(t *testing.T) {
	for _, c := range []struct {
		name    string
		put     func(t *testing.T, path string)
		message string // empty: it is replaced
	}{
		{"nothing", func(*testing.T, string) {}, ""},
		{"dead socket", func(t *testing.T, path string) { leaveSocket(t, path) }, ""},
		{"live socket", func(t *testing.T, path string) {
			ln, err := net.Listen("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = ln.Close() })
		}, "another process serves this socket"},
		{"file", func(t *testing.T, path string) { mustWrite(t, path) }, "not a socket"},
		{"folder", func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o755); err != nil {
				t.Fatal(err)
			}
		}, "not a socket"},
		{"link to a dead socket", func(t *testing.T, path string) {
			leaveSocket(t, path+"2")
			if err := os.Symlink(path+"2", path); err != nil {
				t.Fatal(err)
			}
		}, "not a socket"},
		{"link to nowhere", func(t *testing.T, path string) {
			if err := os.Symlink(path+"-nowhere", path); err != nil {
				t.Fatal(err)
			}
		}, "not a socket"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(need.Folder(t), "s")
			c.put(t, path)
			before, _ := os.Lstat(path)
			ln, err := Listen(path, 0o600)
			if ln != nil {
				defer ln.Close()
			}
			if c.message == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.message) {
				t.Errorf("error %v, want %q", err, c.message)
			}
			if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) {
				t.Errorf("it was touched: %v", err)
			}
		})
	}
}

// leaveSocket leaves a socket that nobody serves.
func leaveSocket(t *testing.T, path string) {
	t.Helper()
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	ln.SetUnlinkOnClose(false)
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
}

func mustWrite(t *testing.T, path string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTheSocketsFolderMustBeOurs(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(t *testing.T, dir string)
		good bool
	}{
		{"missing", func(*testing.T, string) {}, true},
		{"ours", folder(0o755), true},
		{"ours alone", folder(0o700), true},
		{"group may write", folder(0o775), false},
		{"all may write", folder(0o777), false},
		{"all may write, sticky", folder(0o777 | os.ModeSticky), true},
		{"file", mustWrite, false},
		{"link to a good one", func(t *testing.T, dir string) {
			folder(0o755)(t, dir+"2")
			if err := os.Symlink(dir+"2", dir); err != nil {
				t.Fatal(err)
			}
		}, false},
		{"below a missing one", nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(need.Folder(t), "d")
			if c.make == nil {
				dir = filepath.Join(dir, "e")
			} else {
				c.make(t, dir)
			}
			if err := checkFolder(dir); (err == nil) != c.good {
				t.Errorf("%v; want good: %v", err, c.good)
			}
		})
	}
}

func folder(mode os.FileMode) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		t.Helper()
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAbstractSocketsAreRefused: they have no mode, so every process of the host could
// connect.
func TestAbstractSocketsAreRefused(t *testing.T) {
	for _, path := range []string{"@neonauthd", "@", "@/run/x", "\x00neonauthd", "run\x00"} {
		if ln, err := Listen(path, 0o600); !errors.Is(err, errAbstract) {
			t.Errorf("%q: %v, %v", path, ln, err)
		}
	}
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: "@neonauthd-test-" + rand.Text(), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	file, err := ln.File()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Dup(int(file.Fd()))
	if err := errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
	if found, err := sorted([]*os.File{os.NewFile(uintptr(fd), "a")}, []string{"a"}); !errors.Is(err, errAbstract) {
		t.Errorf("inherited: %v, %v", found, err)
	}
	t.Chdir(need.Folder(t))
	ln2, err := Listen("./@neonauthd", 0o600)
	if err != nil {
		t.Fatalf("a file of such a name: %v", err)
	}
	if err := ln2.Close(); err != nil {
		t.Error(err)
	}
}

func TestPathsLongerThanASocketCanHave(t *testing.T) {
	dir := need.Folder(t)
	for n, good := range map[int]bool{MaxPath: true, MaxPath + 1: false} {
		path := dir + "/" + strings.Repeat("s", n-len(dir)-1)
		ln, err := Listen(path, 0o600)
		if (err == nil) != good {
			t.Errorf("%d bytes: %v", n, err)
		}
		if ln != nil {
			_ = ln.Close()
		}
	}
}

func TestSocketsAreNotMadeBelowFoldersThatOthersMayReplace(t *testing.T) {
	above := filepath.Join(need.Folder(t), "open")
	inner := filepath.Join(above, "inner")
	if err := os.MkdirAll(inner, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := checkFolder(inner); err != nil {
		t.Errorf("a folder of ours: %v", err)
	}
	if err := os.Chmod(above, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := checkFolder(inner); err == nil || !strings.Contains(err.Error(), "writable by all, who could replace it") {
		t.Errorf("a folder that anybody may rename away: %v", err)
	}
	if err := os.Chmod(above, 0o777|os.ModeSticky); err != nil {
		t.Fatal(err)
	}
	if err := checkFolder(inner); err != nil {
		t.Errorf("below a sticky folder: %v", err)
	}
}

func TestOnlyWhatOtherHostsCanReachIsOnTheNetwork(t *testing.T) {
	for address, want := range map[string]bool{"127.0.0.1:0": false, "[::1]:0": false, "0.0.0.0:0": true, ":0": true} {
		ln, err := net.Listen("tcp", address)
		if err != nil {
			t.Logf("%s: %v", address, err) // no IPv6 here
			continue
		}
		if got := OnNetwork(ln); got != want {
			t.Errorf("%s: %t", address, got)
		}
		if err := ln.Close(); err != nil {
			t.Error(err)
		}
	}
	ln, err := Listen(filepath.Join(need.Folder(t), "s"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if OnNetwork(ln) || OnNetwork(nil) {
		t.Error("a Unix socket, or none, is on the network")
	}
}

// TestSocketsMadeAtOnceLeaveTheUmaskAsItWas: the umask is the process's, so the goroutine
// that changed it has to restore it before another changes it.
func TestSocketsMadeAtOnceLeaveTheUmaskAsItWas(t *testing.T) {
	was := syscall.Umask(0o022)
	defer syscall.Umask(was)
	folders := make([]string, 32)
	for i := range folders {
		folders[i] = filepath.Join(need.Folder(t), "f")
		if err := os.Mkdir(folders[i], 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var making sync.WaitGroup
	for i, folder := range folders {
		making.Go(func() {
			for n := range 20 {
				ln, err := Listen(filepath.Join(folder, fmt.Sprint(n)), fs.FileMode(0o600+i%2*0o060))
				if err != nil {
					t.Error(err)
					return
				}
				_ = ln.Close()
			}
		})
	}
	making.Wait()
	if left := syscall.Umask(0o022); left != 0o022 {
		t.Errorf("the umask is %#o", left)
	}
}
