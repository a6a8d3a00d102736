package sockets

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

// passed makes a listening socket at path and returns its descriptor as a
// service manager passes it.
func passed(t *testing.T, path, name string) *os.File {
	t.Helper()
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	ln.SetUnlinkOnClose(false)
	file, err := ln.File()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Dup(int(file.Fd()))
	if err := errors.Join(err, file.Close(), ln.Close()); err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fd), name)
}

func TestInheritedSocketsAreSortedByNameAndNeverRemoved(t *testing.T) {
	for _, c := range []struct {
		name   string
		passed []string // names, in the order of the descriptors
		want   []string // names that are served, if there is no error
		says   string   // the error, otherwise
	}{
		{"nothing", nil, nil, ""},
		{"all", []string{"b", "a"}, []string{"a", "b"}, ""},
		{"the first alone", []string{"a"}, []string{"a"}, ""},
		{"without a name", []string{"LISTEN_FD_3"}, []string{"a"}, ""},
		{"without a name, as libsystemd says it", []string{"unknown"}, []string{"a"}, ""},
		{"named after its unit", []string{"a.socket"}, []string{"a"}, ""},
		{"named after a unit of the operator", []string{"my-own.socket"}, []string{"a"}, ""},
		{"all named after their units", []string{"b.socket", "a.socket"}, []string{"a", "b"}, ""},
		{"the second alone", []string{"b"}, nil, `no inherited socket is named "a"`},
		{"the second alone, named after its unit", []string{"b.socket"}, nil, `no inherited socket is named "a"`},
		{"a stranger alone", []string{"other"}, nil, `named "other"; expected one each of "a", "b"`},
		{"a stranger too", []string{"a", "other"}, nil, `named "other"`},
		{"one twice", []string{"a", "a"}, nil, `two sockets named "a"`},
		{"one twice, once named after its unit", []string{"a", "a.socket"}, nil, `two sockets named "a"`},
		{"two without a name", []string{"LISTEN_FD_3", "LISTEN_FD_4"}, nil, "has no name"},
		{"a name and none", []string{"a", "LISTEN_FD_4"}, nil, "has no name"},
		{"a unit of the operator too", []string{"a", "my-own.socket"}, nil, "has no name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			var files []*os.File
			for i, name := range c.passed {
				files = append(files, passed(t, filepath.Join(dir, string(rune('0'+i))), name))
			}
			found, err := sorted(files, []string{"a", "b"})
			if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("error %v, want %q", err, c.says)
			}
			if len(found) != len(c.want) {
				t.Errorf("serves %v, want %q", found, c.want)
			}
			for _, name := range c.want {
				if found[name] == nil {
					t.Errorf("%q is not served", name)
				}
			}
			for _, ln := range found {
				if err := ln.Close(); err != nil {
					t.Error(err)
				}
			}
			left, err := os.ReadDir(dir)
			if err != nil || len(left) != len(c.passed) {
				t.Errorf("%d of %d inherited sockets are left: %v", len(left), len(c.passed), err)
			}
			for _, f := range files {
				if err := f.Close(); !errors.Is(err, os.ErrClosed) {
					t.Errorf("the descriptor of %s was left open: %v", f.Name(), err)
				}
			}
		})
	}
}

// TestADescriptorThatIsNoListenerIsAnError: such a descriptor would otherwise
// be missing without an error, or stay open for ever.
func TestADescriptorThatIsNoListenerIsAnError(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Dup(int(file.Fd()))
	if err := errors.Join(err, file.Close()); err != nil {
		t.Fatal(err)
	}
	found, err := sorted([]*os.File{os.NewFile(uintptr(fd), "a")}, []string{"a"})
	if err == nil || found != nil || !strings.Contains(err.Error(), "is not a socket") {
		t.Errorf("%v, %v", found, err)
	}
}

// TestASocketThatAcceptsNoStreamsIsAnError: to accept from it would fail again and again, with errors that mislead.
func TestASocketThatAcceptsNoStreamsIsAnError(t *testing.T) {
	for name, c := range map[string]struct {
		kind           int
		bound, listens bool
		says           string // empty: it is taken
	}{
		"a stream socket that listens":         {unix.SOCK_STREAM, true, true, ""},
		"a stream socket that does not listen": {unix.SOCK_STREAM, true, false, "does not listen; write ListenStream= and Accept=no"},
		"one that is not bound":                {unix.SOCK_STREAM, false, false, "does not listen"},
		"a datagram socket":                    {unix.SOCK_DGRAM, true, false, "is not a stream socket; write ListenStream="},
		"a socket for packets that listens":    {unix.SOCK_SEQPACKET, true, true, "is not a stream socket; write ListenStream="},
	} {
		t.Run(name, func(t *testing.T) {
			fd, err := unix.Socket(unix.AF_UNIX, c.kind, 0)
			need.Host(t, err == nil, fmt.Sprint("no such sockets here: ", err))
			if c.bound {
				err = unix.Bind(fd, &unix.SockaddrUnix{Name: filepath.Join(t.TempDir(), "s")})
			}
			if c.listens {
				err = errors.Join(err, unix.Listen(fd, 1))
			}
			file := os.NewFile(uintptr(fd), "a")
			if err != nil {
				t.Fatal(errors.Join(err, file.Close()))
			}
			found, err := sorted([]*os.File{file}, []string{"a"})
			if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), `the inherited socket "a" `+c.says)) {
				t.Errorf("error %v, want %q", err, c.says)
			}
			for _, ln := range found {
				if err := ln.Close(); err != nil {
					t.Error(err)
				}
			}
			if err := file.Close(); !errors.Is(err, os.ErrClosed) {
				t.Errorf("the descriptor was left open: %v", err)
			}
		})
	}
}

// TestASocketIsOpenToAllByItsModeAndItsFolders, all of which everybody has to pass.
func TestASocketIsOpenToAllByItsModeAndItsFolders(t *testing.T) {
	mode := func(name string, mode os.FileMode) func(string) error {
		return func(root string) error { return os.Chmod(filepath.Join(root, name), mode) }
	}
	for name, c := range map[string]struct {
		change func(root string) error
		path   string
		want   bool
	}{
		"0777":                         {mode("d/s", 0o777), "d/s", true},
		"0666, the default of systemd": {mode("d/s", 0o666), "d/s", true},
		"0662":                         {mode("d/s", 0o662), "d/s", true},
		"0664":                         {mode("d/s", 0o664), "d/s", false},
		"0755":                         {mode("d/s", 0o755), "d/s", false},
		"0660":                         {mode("d/s", 0o660), "d/s", false},
		"a folder for a group":         {mode("d", 0o750), "d/s", false},
		"a folder above for a group":   {mode("", 0o750), "d/s", false},
		"by a link":                    {func(root string) error { return os.Symlink("d", filepath.Join(root, "l")) }, "l/s", true},
		"a file":                       {func(root string) error { return os.WriteFile(filepath.Join(root, "f"), nil, 0o600) }, "f", false},
		"nothing":                      {mode("d/s", 0o777), "none", false},
	} {
		t.Run(name, func(t *testing.T) {
			root, err := os.MkdirTemp("/tmp", "s") // everybody can enter it, unlike the folder of a test
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.RemoveAll(root) })
			if err := errors.Join(os.Mkdir(filepath.Join(root, "d"), 0o700), mode("", 0o755)(root), mode("d", 0o755)(root)); err != nil {
				t.Fatal(err)
			}
			defer passed(t, filepath.Join(root, "d/s"), "a").Close()
			if err := errors.Join(mode("d/s", 0o777)(root), c.change(root)); err != nil {
				t.Fatal(err)
			}
			if got := IsOpenToAll(filepath.Join(root, c.path)); got != c.want {
				t.Errorf("%v", got)
			}
		})
	}
}
