package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/bench/storetest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"neonauthctl": main})
}

// TestScripts runs the program as a person does, against a scripted daemon.
func TestScripts(t *testing.T) {
	scripts, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(scripts) < 8 {
		t.Fatalf("found %d scripts, expected at least 8 (error: %v)", len(scripts), err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
		Setup: func(env *testscript.Env) error {
			d, err := startDaemon(env.WorkDir)
			if err != nil {
				return err
			}
			env.Defer(d.stop)
			for _, kind := range []string{"memcached", "redis", "full", "forgetful"} {
				s, err := storetest.Start(filepath.Join(env.WorkDir, kind+".sock"), kind)
				if err != nil {
					return err
				}
				env.Defer(s.Stop)
			}
			env.Setenv("NEONAUTHD_SOCKET", d.socket)
			env.Setenv("NEONAUTHD_ADMIN_SOCKET", d.admin)
			env.Setenv("TMPDIR", env.WorkDir)
			env.Setenv("GORACE", "atexit_sleep_ms=0") // else each success takes a second under -race
			return writeTokens(env.WorkDir)
		},
	})
}

// exits runs a program and checks its exit code: exits CODE PROGRAM ARGS...
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS...")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := "0"
	if err != nil {
		code = exitCode(err)
	}
	if code != args[0] {
		ts.Fatalf("exit code is %s, want %s", code, args[0])
	}
}

// writeTokens puts a file for each token of the scripted daemon into dir.
func writeTokens(dir string) error {
	for name, token := range tokens() {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(token+"\n"), 0o600); err != nil {
			return err
		}
	}
	return nil
}
