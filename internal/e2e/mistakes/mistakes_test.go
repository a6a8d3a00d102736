// Package mistakes_test makes the usual mistakes with each program, and checks
// the program's answer.
package mistakes_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

func TestMain(m *testing.M) { e2e.Main(m, "neonauthd", "neonauthctl", "neonauth-http") }

const table = "testdata/mistakes.txt"

// rewrite is for developers who have changed a text and will read the
// difference.
var rewrite = flag.Bool("rewrite", false, "write the table anew, with what the programs say now")

// mistake is an entry of the table. Lines that begin with ">" go into
// wrong.toml, lines with "<" to standard input, and the line with "$" is the
// command. After them come the program's output, of both kinds, and its exit
// status.
type mistake struct {
	file, input []string
	command     string
	says        string
}

// parse reads a paragraph of the table. ok is false if it has no mistake.
func parse(block string) (m mistake, head string, ok bool) {
	var before, after []string
	for line := range strings.Lines(block) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case ok:
			after = append(after, line)
		case strings.HasPrefix(line, "$ "):
			m.command, ok = strings.TrimPrefix(line, "$ "), true
			before = append(before, line)
		default:
			if text, is := strings.CutPrefix(line, ">"); is {
				m.file = append(m.file, strings.TrimPrefix(text, " "))
			} else if text, is := strings.CutPrefix(line, "<"); is {
				m.input = append(m.input, strings.TrimPrefix(text, " "))
			}
			before = append(before, line)
		}
	}
	m.says = strings.Join(after, "\n")
	return m, strings.Join(before, "\n"), ok
}

// folderWithDaemon returns a folder for the commands, with a running daemon.
func folderWithDaemon(t *testing.T) *e2e.Folder {
	t.Helper()
	u := e2e.NewUpstream(t, standin.Options{})
	f := e2e.NewFolder(t)
	e2e.Serve(t, f, e2e.Settings{Tables: []string{u.Project(t, f, standin.Neon)}})
	e2e.Call(t, f.Socket()).Expect(t, "VERIFY "+u.NeonToken(standin.TokenSpec{}), "OK .*") // then the daemon has the keys
	first, err := os.ReadFile(f.Config())
	if err != nil {
		t.Fatal(err)
	}
	f.Write(t, "first.toml", string(first))
	f.Write(t, "token", u.NeonToken(standin.TokenSpec{}))
	f.Write(t, "good.toml", "[[project]]\nname = \"main\"\npreset = \"neon\"\nbase_url = \"https://auth.example.com/neondb/auth\"\n")
	return f
}

// made makes the mistake, and returns the program's output.
func made(t *testing.T, f *e2e.Folder, m *mistake) string {
	t.Helper()
	f.Write(t, "wrong.toml", strings.Join(m.file, "\n")+"\n")
	ctx, cancel := context.WithTimeout(t.Context(), e2e.Timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", m.command)
	cmd.Dir = f.Dir
	cmd.Env = e2e.Environment("PATH="+e2e.Program("")+":/usr/bin:/bin", "NEONAUTHD_SOCKET="+f.Socket(), "NEONAUTHD_ADMIN_SOCKET="+f.AdminSocket())
	cmd.Stdin = strings.NewReader(strings.Join(m.input, "\n"))
	text, err := cmd.CombinedOutput()
	status := 0
	var ended *exec.ExitError
	if errors.As(err, &ended) {
		status = ended.ExitCode()
	} else if err != nil {
		t.Fatalf("%s: %v", m.command, err)
	}
	said := strings.ReplaceAll(strings.TrimSpace(string(text)), f.Dir, "DIR")
	return regexp.MustCompile(`(?m)[ \t]+$`).ReplaceAllString(said, "") + fmt.Sprintf("\n[%d]", status)
}

// TestEachMistakeIsAnsweredToTheLetter: the answer names the mistake and what
// would be right, once.
func TestEachMistakeIsAnsweredToTheLetter(t *testing.T) {
	text, err := os.ReadFile(table)
	if err != nil {
		t.Fatal(err)
	}
	f := folderWithDaemon(t)
	blocks := strings.Split(strings.TrimSpace(string(text)), "\n\n")
	mistakes := 0
	for i, block := range blocks {
		m, head, ok := parse(block)
		if !ok {
			continue
		}
		mistakes++
		said := made(t, f, &m)
		if blocks[i] = head + "\n" + said; said != m.says && !*rewrite {
			t.Errorf("%s\nsays:\n%s\nand has to say:\n%s", head, said, m.says)
		}
		judge(t, &m, said)
	}
	if mistakes < 60 {
		t.Errorf("only %d mistakes", mistakes)
	}
	if *rewrite {
		if err := os.WriteFile(table, []byte(strings.Join(blocks, "\n\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// judge checks the rules for all answers: something fails, the answer says so
// in our own words, and nothing secret is repeated.
func judge(t *testing.T, m *mistake, said string) {
	t.Helper()
	if strings.HasPrefix(said, "\n[") || strings.HasSuffix(said, "\n[0]") && !strings.Contains(said, "next: ") && !strings.Contains(said, "no key of") {
		t.Errorf("%s: nothing is said, or nothing fails:\n%s", m.command, said)
	}
	for _, foreign := range []string{"canary", " toml: ", "strconv", "parsing \"", "Go ", "int64", "uint32", "[]string", "struct", "%!", "panic", "goroutine", "unknown flag", "invalid argument", "accepts "} {
		if strings.Contains(said, foreign) {
			t.Errorf("%s: %q is said:\n%s", m.command, foreign, said)
		}
	}
	lines := map[string]bool{}
	for line := range strings.Lines(said) {
		if lines[line] {
			t.Errorf("%s: said twice:\n%s", m.command, said)
		}
		lines[line] = true
	}
}
