package statedir

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/neonauthd/neonauthd/internal/e2e"
)

// A test starts this program as another process, which does the task helperTask
// with the directory helperPath.
const (
	helperTask = "STATEDIR_TEST_TASK"
	helperPath = "STATEDIR_TEST_PATH"
)

func TestMain(m *testing.M) {
	if task := os.Getenv(helperTask); task != "" {
		help(task, os.Getenv(helperPath))
		return
	}
	os.Exit(m.Run())
}

// help does the task, and prints the result on standard output.
func help(task, path string) {
	if task == "full" {
		limitFiles(0)
	}
	d, err := Open(path)
	if err != nil {
		fmt.Println("refused:", err)
		return
	}
	switch task {
	case "hold": // until the test kills it
		fmt.Println("open")
		_, _ = io.Copy(io.Discard, os.Stdin)
	case "write":
		err := d.Replace("file", text("written"))
		read, readErr := read(d, "old")
		fmt.Printf("write: %v; writable: %v; read: %q, %v\n", err, d.Writable(), read, readErr)
	case "full": // until it has room
		first := d.Replace("file", text("first"))
		unwritten := d.Unwritten()
		limitFiles(1 << 20)
		second := d.Replace("file", text("second"))
		fmt.Printf("first: %v; unwritten: %v; second: %v; unwritten: %v\n", first != nil, unwritten, second, d.Unwritten())
		_, _ = io.Copy(io.Discard, os.Stdin)
	}
}

// limitFiles makes each write fail that would make a file of this process larger than size,
// as a full disk does.
func limitFiles(size uint64) {
	signal.Ignore(syscall.SIGXFSZ)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		panic(err)
	}
	limit.Cur = size
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		panic(err)
	}
}

// process is a running helper.
type process struct {
	cmd   *exec.Cmd
	first string // the first line of its output
	stdin io.Closer
}

// launch starts a helper as uid and waits for its first line.
func launch(t *testing.T, task, path string, uid int) *process {
	t.Helper()
	program := os.Args[0]
	if uid != os.Geteuid() { // another user may not read the folder where Go builds
		program = filepath.Join(filepath.Dir(path), "helper")
		if _, err := os.Stat(program); err != nil {
			binary, err := os.ReadFile(os.Args[0])
			e2e.Must(t, err)
			e2e.Must(t, os.WriteFile(program, binary, 0o755))
		}
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), helperTask+"="+task, helperPath+"="+path)
	if uid != os.Geteuid() {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
	}
	stdin, err := cmd.StdinPipe()
	e2e.Must(t, err)
	stdout, err := cmd.StdoutPipe()
	e2e.Must(t, err)
	cmd.Stderr = os.Stderr
	e2e.Must(t, cmd.Start())
	p := &process{cmd: cmd, stdin: stdin}
	t.Cleanup(p.kill)
	var line [1024]byte
	n, err := stdout.Read(line[:])
	e2e.Must(t, err)
	p.first = strings.TrimSpace(string(line[:n]))
	return p
}

// kill ends the helper as kill -9 does, and waits for its end.
func (p *process) kill() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		_ = p.stdin.Close()
	}
}

// place returns a path for a directory, in a folder of its own.
func place(t testing.TB) string { return filepath.Join(t.TempDir(), "state") }

func open(t testing.TB, path string) *Dir {
	t.Helper()
	d, err := Open(path)
	e2e.Must(t, err)
	t.Cleanup(func() { e2e.Must(t, d.Close()) })
	return d
}

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

func read(d *Dir, name string) (string, error) {
	f, err := d.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	return string(text), err
}
