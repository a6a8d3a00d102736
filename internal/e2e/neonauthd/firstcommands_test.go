package neonauthd_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

// TestTheFirstCommandsWorkInAnEmptyFolder runs the README's first two commands
// in a folder with the files that git has, and nothing else.
func TestTheFirstCommandsWorkInAnEmptyFolder(t *testing.T) {
	need.Time(t, "it compiles the demo")
	block := fenced(t, "console")[0]
	commands := regexp.MustCompile(`(?m)^\$ (.*?) +#`).FindAllStringSubmatch(block, -1)
	if len(commands) != 2 || commands[0][1] != "go run ./cmd/neonauthd demo" || commands[1][1] != ".ci/run" {
		t.Fatalf("the README begins with the commands %q", commands)
	}
	if begins := strings.Index(readme(t), block); strings.Count(readme(t)[:begins], "\n") > 10 {
		t.Error("the first commands are not on the first screen")
	}
	dir := checkout(t)
	t.Run("demo", func(t *testing.T) {
		exports := startDemo(t, dir, commands[0][1])
		status, out := shell(t, exports+"\nexec "+e2e.Program("neonauthctl")+` verify --token-file "$DEMO/valid.jwt"`)
		if status != 0 || !strings.HasPrefix(out, "accepted\n") {
			t.Errorf("%d %s", status, out)
		}
	})
	t.Run("everything", func(t *testing.T) { runsEverything(t, dir, commands[1][1]) })
}

// checkout copies the files of the working tree that git has.
func checkout(t *testing.T) string {
	t.Helper()
	need.Program(t, "git", "git")
	dir := t.TempDir()
	list := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = repository
	names, err := list.Output()
	e2e.Must(t, err)
	copied := 0
	for name := range bytes.SplitSeq(bytes.TrimSuffix(names, []byte{0}), []byte{0}) {
		from, to := filepath.Join(repository, string(name)), filepath.Join(dir, string(name))
		info, err := os.Lstat(from)
		if os.IsNotExist(err) { // removed, but not committed yet
			continue
		}
		e2e.Must(t, err)
		text, err := os.ReadFile(from)
		e2e.Must(t, err)
		e2e.Must(t, os.MkdirAll(filepath.Dir(to), 0o755))
		e2e.Must(t, os.WriteFile(to, text, info.Mode().Perm()))
		copied++
	}
	if copied < 100 {
		t.Fatalf("git has %d files", copied)
	}
	return dir
}

// runsEverything runs .ci/run up to the command that would run this test. That
// command is noted instead of run, and nothing may be missing before it.
func runsEverything(t *testing.T, dir, command string) {
	t.Helper()
	need.Program(t, "promtool", "prometheus")
	tools := t.TempDir()
	const note = "#!/bin/sh\necho \"$(basename \"$0\") $*\" >>\"$NOTES\"\n"
	for _, name := range []string{"make", "apt-get", "npm"} {
		e2e.Must(t, os.WriteFile(filepath.Join(tools, name), []byte(note), 0o755))
	}
	notes := filepath.Join(t.TempDir(), "notes")
	cmd := exec.Command("bash", "-c", command)
	cmd.Dir = dir
	cmd.Env = e2e.Environment("PATH="+tools+":"+os.Getenv("PATH"), "NOTES="+notes)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text, err := os.ReadFile(notes)
	e2e.Must(t, err)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if last := lines[len(lines)-1]; last != "make --keep-going test boot-test" && last != "make --keep-going test" {
		t.Errorf("it ends with %q", last)
	}
	for _, line := range lines[:len(lines)-1] {
		if strings.HasPrefix(line, "apt-get install") || strings.HasPrefix(line, "apt-get update") || strings.HasPrefix(line, "npm install") {
			continue // on a developer's machine something may be missing
		}
		t.Errorf("it also calls %q", line)
	}
}
