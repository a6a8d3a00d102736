// Package mistakes_test makes the mistakes that people make with each program, and
// reads what it says.
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

// rewrite is for whoever has changed a text, and then reads the difference.
var rewrite = flag.Bool("rewrite", false, "write the table anew, with what the programs say now")

// mistake is one of the table. Lines that begin with ">" go into wrong.toml, with
// "<" to standard input, with "$" are the command; then come what is said, on both
// outputs, and the exit status.
type mistake struct {
	file, input []string
	command     string
	says        string
}

// block is a paragraph of the table, and the mistake in it, if there is one.
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

// stage is where mistakes are made: a folder with a daemon that is asked.
func stage(t *testing.T) *e2e.Folder {
	t.Helper()
	u := e2e.NewUpstream(t, standin.Options{})
	f := e2e.NewFolder(t)
	e2e.Serve(t, f, e2e.Settings{Tables: []string{u.Project(t, f, standin.Neon)}})
	e2e.Call(t, f.Socket()).Expect(t, "VERIFY "+u.NeonToken(standin.TokenSpec{}), "OK .*") // so the keys are there
	f.Write(t, "token", u.NeonToken(standin.TokenSpec{}))
	f.Write(t, "good.toml", "[[project]]\nname = \"main\"\npreset = \"neon\"\nbase_url = \"https://auth.example.com/neondb/auth\"\n")
	return f
}

// made is what is said to the mistake.
func made(t *testing.T, f *e2e.Folder, m *mistake) string {
	t.Helper()
	f.Write(t, "wrong.toml", strings.Join(m.file, "\n")+"\n")
	ctx, cancel := context.WithTimeout(t.Context(), e2e.Patience)
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

// TestEachMistakeIsAnsweredToTheLetter: by its name and what would be right, once.
func TestEachMistakeIsAnsweredToTheLetter(t *testing.T) {
	text, err := os.ReadFile(table)
	if err != nil {
		t.Fatal(err)
	}
	f := stage(t)
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

// judge holds what is said to the rules that hold for all of it: something fails
// and is told, in words that are ours, and nothing secret is repeated.
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
