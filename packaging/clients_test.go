package packaging_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

// do runs a command in a folder and returns what it prints.
func do(t *testing.T, dir string, env []string, command ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v\n%s", command, err, out)
	}
	return string(out)
}

// madeClients are the clients as files.
func madeClients(t *testing.T) string {
	t.Helper()
	need.Time(t, "it packs the clients")
	need.Program(t, "npm", "npm")
	need.Working(t, "hatchling", "sh", "-c", "python3 -c 'import hatchling' || /usr/bin/python3 -c 'import hatchling'")
	dir := t.TempDir()
	do(t, ".", []string{"SOURCE_DATE_EPOCH=1700000000"}, "./clients.sh", dir)
	return dir
}

func one(t *testing.T, pattern string) string {
	t.Helper()
	names := found(t, pattern)
	if len(names) != 1 {
		t.Fatalf("%s matches %q", pattern, names)
	}
	return names[0]
}

func TestClientsAreTheSameBytesEachTime(t *testing.T) {
	first, second := madeClients(t), madeClients(t)
	names := found(t, filepath.Join(first, "*"))
	if len(names) != 3 {
		t.Errorf("made %q, want a tarball, a wheel and a source distribution", names)
	}
	for _, name := range names {
		one, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		other, err := os.ReadFile(filepath.Join(second, filepath.Base(name)))
		if err != nil || !bytes.Equal(one, other) {
			t.Errorf("%s differs (error: %v)", filepath.Base(name), err)
		}
	}
}

// TestPackagedExamplesWorkWithThePackagedClients lays out a package, takes the examples from where it installs them, and
// runs their tests with the clients from where it installs those.
func TestPackagedExamplesWorkWithThePackagedClients(t *testing.T) {
	clients, programs, root := madeClients(t), t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(programs, "neonauthd"), []byte("#!/bin/sh\necho completion\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	do(t, ".", []string{"SOURCE_DATE_EPOCH=1700000000"}, "./stage.sh", programs, programs, clients, root)
	installed := func(name string) string {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(filepath.Join(root, "usr/share/doc/neonauthd/examples", name))); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	t.Run("node", func(t *testing.T) {
		dir := installed("node")
		file := filepath.Join(dir, "package.json")
		text := read(t, file)
		if strings.Contains(text, "../") || strings.Count(text, `"file:/usr/share/`) != 1 {
			t.Errorf("the example is to be installed with\n%s", text)
		}
		// The root of the package is not this machine's.
		if err := os.WriteFile(file, []byte(strings.ReplaceAll(text, "file:/usr/", "file:"+root+"/usr/")), 0o600); err != nil {
			t.Fatal(err)
		}
		do(t, dir, nil, "npm", "install", "--offline", "--no-audit", "--no-fund", "--loglevel=error")
		if out := do(t, dir, []string{"NEONAUTHD_SOCKET=/nonexistent"}, "npm", "test"); !strings.Contains(out, "pass 1") {
			t.Errorf("the example's test says\n%s", out)
		}
		for _, path := range []string{"neonauthd", "neonauthd/middleware", "neonauthd/fetch", "neonauthd/fastify", "neonauthd/hono", "neonauthd/httpauth", "neonauthd/testing"} {
			do(t, dir, nil, "node", "-e", "require('"+path+"'); import('"+path+"')")
		}
	})
	t.Run("python", func(t *testing.T) {
		dir, wheel := installed("python"), one(t, filepath.Join(root, "usr/share/neonauthd/clients/*.whl"))
		if page := read(t, filepath.Join(dir, "README.md")); !strings.Contains(page, "pip install "+strings.TrimPrefix(wheel, root)+"\n") {
			t.Errorf("the example does not say how to install the wheel:\n%s", page)
		}
		env := []string{"PYTHONPATH=" + wheel, "PYTHONDONTWRITEBYTECODE=1", "NEONAUTHD_SOCKET=/nonexistent"}
		if out := do(t, dir, env, "python3", "-m", "unittest", "test_service"); !strings.Contains(out, "\nOK") {
			t.Errorf("the example's test says\n%s", out)
		}
		do(t, dir, env, "python3", "-c", "import neonauthd, neonauthd.asgi, neonauthd.wsgi, neonauthd.httpauth, neonauthd.testing")
	})
}
