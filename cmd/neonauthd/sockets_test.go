package main_test

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
)

// alone is a configuration whose upstream is nobody: port 9 discards.
const alone = "[[project]]\nname = \"main\"\npreset = \"neon\"\nbase_url = \"http://127.0.0.1:9/auth\"\n"

func TestStaleSocketIsReplacedAndALivingOneIsNot(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	first := serve(t, h, settings{tables: []string{alone}})
	first.kill(t)
	if _, err := os.Lstat(h.socket()); err != nil {
		t.Fatalf("the crash left no socket to test with: %v", err)
	}
	second := start(t, h)
	peer := call(t, h.socket())
	peer.expect(t, "PING", "OK")

	third := launch(t, h)
	if code := third.awaitEnd(t); code != 1 {
		t.Errorf("a second instance ended with status %d", code)
	}
	if told := third.stderr.String(); !strings.Contains(told, "another process") || strings.Count(told, "\n") != 1 {
		t.Errorf("it wrote %q", told)
	}
	peer.expect(t, "PING", "OK")
	call(t, h.socket()).expect(t, "PING", "OK")
	second.signal(t, syscall.SIGTERM)
	if code := second.awaitEnd(t); code != 0 {
		t.Errorf("exit status %d", code)
	}
	if left, _ := filepath.Glob(h.path("run/*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestOfManyInstancesOneServes(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	for range 3 {
		serve(t, h, settings{tables: []string{alone}}).kill(t)
		const rivals = 6
		all := make([]*instance, rivals)
		var wg sync.WaitGroup
		for n := range all {
			all[n] = launch(t, h)
		}
		winners := make(chan *instance, rivals)
		for _, one := range all {
			wg.Go(func() {
				for {
					select {
					case state := <-one.states:
						if strings.HasPrefix(state, "READY=1") {
							winners <- one
							return
						}
					case <-one.ended:
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
		call(t, h.socket()).expect(t, "PING", "OK")
		call(t, h.adminSocket()).expect(t, "PING", "OK")
		(<-winners).kill(t)
	}
}

func TestPlaceOfTheSocketHasToBeSafe(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(t *testing.T, h *home) (untouched string){
		"folder writable by all": func(t *testing.T, h *home) string {
			must(t, os.Chmod(h.path("run"), 0o777))
			return ""
		},
		"folder writable by the group": func(t *testing.T, h *home) string {
			must(t, os.Chmod(h.path("run"), 0o775))
			return ""
		},
		"regular file": func(t *testing.T, h *home) string {
			must(t, os.WriteFile(h.socket(), []byte("precious"), 0o600))
			return h.socket()
		},
		"symbolic link to a file": func(t *testing.T, h *home) string {
			h.write(t, "precious", "precious")
			must(t, os.Symlink(h.path("precious"), h.socket()))
			return h.path("precious")
		},
		"symbolic link to nothing": func(t *testing.T, h *home) string {
			must(t, os.Symlink(h.path("nothing"), h.socket()))
			return ""
		},
		"fifo": func(t *testing.T, h *home) string {
			must(t, syscall.Mkfifo(h.socket(), 0o600))
			return ""
		},
		"directory": func(t *testing.T, h *home) string {
			must(t, os.Mkdir(h.socket(), 0o700))
			return ""
		},
		"folder is a symbolic link": func(t *testing.T, h *home) string {
			must(t, os.Rename(h.path("run"), h.path("real")))
			must(t, os.Symlink(h.path("real"), h.path("run")))
			return ""
		},
		"admin socket's place is a file": func(t *testing.T, h *home) string {
			must(t, os.WriteFile(h.adminSocket(), []byte("precious"), 0o600))
			return h.adminSocket()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			h.configure(t, settings{tables: []string{alone}})
			untouched := prepare(t, h)
			before := modes(t, h)
			i := launch(t, h)
			if code := i.awaitEnd(t); code != 1 {
				t.Errorf("exit status %d", code)
			}
			if told := i.stderr.String(); !strings.Contains(told, "socket") {
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
// (sd_listen_fds(3)), and not every service manager gives one.
func TestASocketThatWasPassedWithoutANameIsServed(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.configure(t, settings{tables: []string{alone}})
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: h.socket(), Net: "unix"})
	must(t, err)
	ln.SetUnlinkOnClose(false)
	file, err := ln.File()
	must(t, err)
	defer file.Close()
	must(t, ln.Close())
	i := launchWith(t, h, func(cmd *exec.Cmd) {
		cmd.ExtraFiles = []*os.File{file}
		cmd.Env = append(cmd.Env, "LISTEN_FDS=1")
	}, "/bin/sh", "-c", `LISTEN_PID=$$ exec "$@"`, "sh") // the shell becomes the daemon
	i.awaitState(t, "READY=1")
	call(t, h.socket()).expect(t, "PING", "OK")
	i.signal(t, syscall.SIGTERM)
	if code := i.awaitEnd(t); code != 0 {
		t.Errorf("exit status %d", code)
	}
	if _, err := os.Lstat(h.socket()); err != nil {
		t.Errorf("the inherited socket was removed: %v", err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// modes lists what lies in the folder of the sockets.
func modes(t testing.TB, h *home) string {
	t.Helper()
	var list strings.Builder
	entries, err := os.ReadDir(h.path("run") + "/")
	must(t, err)
	for _, e := range entries {
		info, err := e.Info()
		must(t, err)
		list.WriteString(info.Mode().String() + " " + e.Name() + "\n")
	}
	return list.String()
}

func TestSocketsHaveTheirModesFromTheFirstMoment(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.configure(t, settings{tables: []string{alone}})
	want := map[string]fs.FileMode{h.socket(): 0o660, h.adminSocket(): 0o600}
	// The widest umask there is, and an eye on the sockets until all is ready.
	i := launch(t, h, "/bin/sh", "-c", `umask 0; exec "$@"`, "sh")
	for ready := false; !ready; runtime.Gosched() {
		select {
		case state := <-i.states:
			ready = strings.HasPrefix(state, "READY=1")
		case <-i.ended:
			t.Fatalf("it ended: %s", i.stderr.String())
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
		if must(t, err); info.Mode().Perm() != mode || info.Mode()&fs.ModeSocket == 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
	}
	state, err := os.Lstat(h.path("state"))
	if must(t, err); state.Mode().Perm() != 0o700 {
		t.Errorf("the state directory has mode %v", state.Mode())
	}
}

func TestStateDirectoryThatCannotBeUsedCostsNoVerdict(t *testing.T) {
	t.Parallel()
	c := newCloud(t, standin.Options{})
	h := newHome(t)
	s := settings{tables: []string{c.project(t, h, standin.Stack)}}
	h.configure(t, s)
	text, err := os.ReadFile(h.config())
	must(t, err)
	h.write(t, "neonauthd.toml", strings.Replace(string(text), h.path("state"), "/proc/no-folder-can-be-made-here", 1))
	i := start(t, h)
	token, _ := c.user("Ada")
	call(t, h.socket()).expect(t, "VERIFY "+token, "OK .*")
	call(t, h.adminSocket()).expect(t, "REVOKE token "+token, "ERR unavailable .*")
	call(t, h.socket()).expect(t, "VERIFY "+token, "NO revoked")
	if !strings.Contains(i.stderr.String(), "state directory not usable") {
		t.Error("it says nothing")
	}
}
