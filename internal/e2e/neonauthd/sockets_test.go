package neonauthd_test

import (
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

// alone is a configuration whose upstream does not answer: port 9 (discard).
const alone = "[[project]]\nname = \"main\"\npreset = \"neon\"\nbase_url = \"http://127.0.0.1:9/auth\"\n"

func TestStaleSocketIsReplacedAndALivingOneIsNot(t *testing.T) {
	t.Parallel()
	h := e2e.NewFolder(t)
	first := e2e.Serve(t, h, e2e.Settings{Tables: []string{alone}})
	first.Kill(t)
	if _, err := os.Lstat(h.Socket()); err != nil {
		t.Fatalf("the crash left no socket to test with: %v", err)
	}
	second := h.Start(t)
	peer := e2e.Call(t, h.Socket())
	peer.Expect(t, "PING", "OK")

	third := h.Launch(t)
	if code := third.AwaitEnd(t); code != 1 {
		t.Errorf("a second instance ended with status %d", code)
	}
	if told := third.Stderr.String(); !strings.Contains(told, "another process") || strings.Count(told, "\n") != 1 {
		t.Errorf("it wrote %q", told)
	}
	peer.Expect(t, "PING", "OK")
	e2e.Call(t, h.Socket()).Expect(t, "PING", "OK")
	second.Signal(t, syscall.SIGTERM)
	if code := second.AwaitEnd(t); code != 0 {
		t.Errorf("exit status %d", code)
	}
	if left, _ := filepath.Glob(h.Path("run/*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestOfManyInstancesOneServes(t *testing.T) {
	t.Parallel()
	h := e2e.NewFolder(t)
	for range 3 {
		e2e.Serve(t, h, e2e.Settings{Tables: []string{alone}}).Kill(t)
		const rivals = 6
		all := make([]*e2e.Process, rivals)
		var wg sync.WaitGroup
		for n := range all {
			all[n] = h.Launch(t)
		}
		winners := make(chan *e2e.Process, rivals)
		for _, one := range all {
			wg.Go(func() {
				for {
					select {
					case state := <-one.States:
						if strings.HasPrefix(state, "READY=1") {
							winners <- one
							return
						}
					case <-one.Ended:
						return
					}
				}
			})
		}
		wg.Wait()
		close(winners)
		if len(winners) != 1 {
			t.Fatalf("%d of %d instances serve", len(winners), rivals)
		}
		e2e.Call(t, h.Socket()).Expect(t, "PING", "OK")
		e2e.Call(t, h.AdminSocket()).Expect(t, "PING", "OK")
		(<-winners).Kill(t)
	}
}

func TestPlaceOfTheSocketHasToBeSafe(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(t *testing.T, h *e2e.Folder) (untouched string){
		"folder writable by all": func(t *testing.T, h *e2e.Folder) string {
			e2e.Must(t, os.Chmod(h.Path("run"), 0o777))
			return ""
		},
		"folder writable by the group": func(t *testing.T, h *e2e.Folder) string {
			e2e.Must(t, os.Chmod(h.Path("run"), 0o775))
			return ""
		},
		"regular file": func(t *testing.T, h *e2e.Folder) string {
			e2e.Must(t, os.WriteFile(h.Socket(), []byte("precious"), 0o600))
			return h.Socket()
		},
		"symbolic link to a file": func(t *testing.T, h *e2e.Folder) string {
			h.Write(t, "precious", "precious")
			e2e.Must(t, os.Symlink(h.Path("precious"), h.Socket()))
			return h.Path("precious")
		},
		"symbolic link to nothing": func(t *testing.T, h *e2e.Folder) string {
			e2e.Must(t, os.Symlink(h.Path("nothing"), h.Socket()))
			return ""
		},
		"fifo": func(t *testing.T, h *e2e.Folder) string {
			e2e.Must(t, syscall.Mkfifo(h.Socket(), 0o600))
			return ""
		},
		"directory": func(t *testing.T, h *e2e.Folder) string {
			e2e.Must(t, os.Mkdir(h.Socket(), 0o700))
			return ""
		},
		"folder is a symbolic link": func(t *testing.T, h *e2e.Folder) string {
			e2e.Must(t, os.Rename(h.Path("run"), h.Path("real")))
			e2e.Must(t, os.Symlink(h.Path("real"), h.Path("run")))
			return ""
		},
		"admin socket's place is a file": func(t *testing.T, h *e2e.Folder) string {
			e2e.Must(t, os.WriteFile(h.AdminSocket(), []byte("precious"), 0o600))
			return h.AdminSocket()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := e2e.NewFolder(t)
			h.Configure(t, e2e.Settings{Tables: []string{alone}})
			untouched := prepare(t, h)
			before := modes(t, h)
			i := h.Launch(t)
			if code := i.AwaitEnd(t); code != 1 {
				t.Errorf("exit status %d", code)
			}
			if told := i.Stderr.String(); !strings.Contains(told, "socket") {
				t.Errorf("it wrote %q", told)
			}
			if after := modes(t, h); after != before {
				t.Errorf("before:\n%safter:\n%s", before, after)
			}
			if untouched != "" {
				if text, err := os.ReadFile(untouched); err != nil || string(text) != "precious" {
					t.Errorf("the file was touched: %q, %v", text, err)
				}
			}
		})
	}
}

// TestASocketThatWasPassedWithoutANameIsServed: names are optional
// (sd_listen_fds(3)), and some service managers give none.
func TestASocketThatWasPassedWithoutANameIsServed(t *testing.T) {
	t.Parallel()
	h := e2e.NewFolder(t)
	h.Configure(t, e2e.Settings{Tables: []string{alone}})
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: h.Socket(), Net: "unix"})
	e2e.Must(t, err)
	ln.SetUnlinkOnClose(false)
	file, err := ln.File()
	e2e.Must(t, err)
	defer file.Close()
	e2e.Must(t, ln.Close())
	i := h.LaunchWith(t, func(cmd *exec.Cmd) {
		cmd.ExtraFiles = []*os.File{file}
		cmd.Env = append(cmd.Env, "LISTEN_FDS=1")
	}, "/bin/sh", "-c", `LISTEN_PID=$$ exec "$@"`, "sh") // the shell is replaced by the daemon
	i.Await(t, "READY=1")
	e2e.Call(t, h.Socket()).Expect(t, "PING", "OK")
	i.Signal(t, syscall.SIGTERM)
	if code := i.AwaitEnd(t); code != 0 {
		t.Errorf("exit status %d", code)
	}
	if _, err := os.Lstat(h.Socket()); err != nil {
		t.Errorf("the inherited socket was removed: %v", err)
	}
}

// modes lists the files in the folder of the sockets with their modes.
func modes(t testing.TB, h *e2e.Folder) string {
	t.Helper()
	var list strings.Builder
	entries, err := os.ReadDir(h.Path("run") + "/")
	e2e.Must(t, err)
	for _, e := range entries {
		info, err := e.Info()
		e2e.Must(t, err)
		list.WriteString(info.Mode().String() + " " + e.Name() + "\n")
	}
	return list.String()
}

func TestSocketsHaveTheirModesFromTheFirstMoment(t *testing.T) {
	t.Parallel()
	h := e2e.NewFolder(t)
	h.Configure(t, e2e.Settings{Tables: []string{alone}})
	want := map[string]fs.FileMode{h.Socket(): 0o660, h.AdminSocket(): 0o600}
	// The daemon starts with the umask 0, and the test looks at the sockets
	// until the daemon is ready.
	i := h.Launch(t, "/bin/sh", "-c", `umask 0; exec "$@"`, "sh")
	for ready := false; !ready; runtime.Gosched() {
		select {
		case state := <-i.States:
			ready = strings.HasPrefix(state, "READY=1")
		case <-i.Ended:
			t.Fatalf("it ended: %s", i.Stderr.String())
		default:
		}
		for path, mode := range want {
			if info, err := os.Lstat(path); err == nil && info.Mode().Perm() != mode {
				t.Fatalf("%s has mode %#o", path, info.Mode().Perm())
			}
		}
	}
	for path, mode := range want {
		info, err := os.Lstat(path)
		if e2e.Must(t, err); info.Mode().Perm() != mode || info.Mode()&fs.ModeSocket == 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
	}
	state, err := os.Lstat(h.Path("state"))
	if e2e.Must(t, err); state.Mode().Perm() != 0o700 {
		t.Errorf("the state directory has mode %v", state.Mode())
	}
}

func TestStateDirectoryThatCannotBeUsedCostsNoVerdict(t *testing.T) {
	t.Parallel()
	c := e2e.NewUpstream(t, standin.Options{})
	h := e2e.NewFolder(t)
	s := e2e.Settings{Tables: []string{c.Project(t, h, standin.Stack)}}
	h.Configure(t, s)
	text, err := os.ReadFile(h.Config())
	e2e.Must(t, err)
	h.Write(t, "neonauthd.toml", strings.Replace(string(text), h.Path("state"), "/proc/no-folder-can-be-made-here", 1))
	i := h.Start(t)
	token, _ := c.User("Ada")
	e2e.Call(t, h.Socket()).Expect(t, "VERIFY "+token, "OK .*")
	e2e.Call(t, h.AdminSocket()).Expect(t, "REVOKE token "+token, "ERR unavailable .*")
	e2e.Call(t, h.Socket()).Expect(t, "VERIFY "+token, "NO revoked")
	if !strings.Contains(i.Stderr.String(), "state directory not usable") {
		t.Error("it says nothing")
	}
}
