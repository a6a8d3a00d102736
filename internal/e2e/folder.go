package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Folder is the folder of one daemon: configuration, sockets, state, secrets.
// Other programs of a test may use it too.
type Folder struct{ Dir string }

// NewFolder makes a folder whose name is short, because a socket's path must
// be. It is removed at the end of the test.
func NewFolder(t testing.TB) *Folder {
	t.Helper()
	dir, err := os.MkdirTemp("", "na-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Mkdir(filepath.Join(dir, "run"), 0o755); err != nil {
		t.Fatal(err)
	}
	return &Folder{Dir: dir}
}

// Path returns the path of a file in the folder.
func (f *Folder) Path(name string) string { return filepath.Join(f.Dir, name) }

// Socket returns the path of the daemon's ordinary socket.
func (f *Folder) Socket() string { return f.Path("run/neonauthd.sock") }

// AdminSocket returns the path of the daemon's admin socket.
func (f *Folder) AdminSocket() string { return f.Path("run/admin.sock") }

// Config returns the path of the daemon's configuration.
func (f *Folder) Config() string { return f.Path("neonauthd.toml") }

// Write writes a file that nobody else may read.
func (f *Folder) Write(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(f.Path(name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Settings are the keys that a test sets in a daemon's configuration file. The
// folder sets the paths.
type Settings struct {
	Top    string   // keys before the first table
	Limits string   // keys of [limits]
	Cache  string   // keys of [cache]
	Tables []string // [[project]] and [[caller]] tables
}

// Configure writes the configuration file.
func (f *Folder) Configure(t testing.TB, s Settings) {
	t.Helper()
	text := fmt.Sprintf("socket = %q\nadmin_socket = %q\nstate_dir = %q\nlog_level = \"debug\"\n%s\n", f.Socket(), f.AdminSocket(), f.Path("state"), s.Top)
	text += "[limits]\n" + s.Limits + "\n[cache]\n" + s.Cache + "\n" + strings.Join(s.Tables, "\n")
	f.Write(t, "neonauthd.toml", text)
}

// Serve configures a daemon, starts it, and waits until it is ready.
func Serve(t testing.TB, f *Folder, s Settings) *Process {
	t.Helper()
	f.Configure(t, s)
	return f.Start(t)
}

// Start is Serve with the configuration file that exists already.
func (f *Folder) Start(t testing.TB) *Process {
	t.Helper()
	p := f.Launch(t)
	p.Await(t, "READY=1")
	return p
}

// Launch starts a daemon, and does not wait until it is ready. wrapper is a
// command to which the daemon's command is appended; it has to execute that
// command in its own process.
func (f *Folder) Launch(t testing.TB, wrapper ...string) *Process {
	t.Helper()
	return f.LaunchWith(t, func(*exec.Cmd) {}, wrapper...)
}

// LaunchWith is Launch with a function that changes the command before it
// starts.
func (f *Folder) LaunchWith(t testing.TB, change func(*exec.Cmd), wrapper ...string) *Process {
	t.Helper()
	argv := append(wrapper, Program("neonauthd"), "--config", f.Config())
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = Environment()
	change(cmd)
	return Start(t, f.Dir, cmd)
}
