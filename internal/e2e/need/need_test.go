package need

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// trial records how a test ends.
type trial struct {
	testing.TB
	skipped, failed string
}

func (r *trial) Helper() {}

func (r *trial) Fatal(args ...any) { r.failed = fmt.Sprint(args...); panic(r) }

func (r *trial) Skip(args ...any) { r.skipped = fmt.Sprint(args...); panic(r) }

func (r *trial) Skipf(format string, args ...any) { r.skipped = fmt.Sprintf(format, args...); panic(r) }

func (r *trial) Fatalf(format string, args ...any) {
	r.failed = fmt.Sprintf(format, args...)
	panic(r)
}

// try runs f, which may end the trial.
func try(t *testing.T, f func(testing.TB)) (r *trial) {
	t.Helper()
	r = &trial{TB: t}
	defer func() {
		if p := recover(); p != nil && p != r {
			panic(p)
		}
	}()
	f(r)
	return r
}

func TestAMissingToolSkipsAtHomeAndFailsInCI(t *testing.T) {
	for name, c := range map[string]struct {
		need func(testing.TB)
		says string
	}{
		"program": {func(t testing.TB) { Program(t, "no-such-program", "no-such-package") }, "no-such-program is not installed (Debian package no-such-package)"},
		"version": {func(t testing.TB) { Working(t, "sh 99", "sh", "-c", "echo too old; exit 1") }, "sh 99 is needed: exit status 1\ntoo old"},
		"command": {func(t testing.TB) { Working(t, "it", "no-such-program") }, "it is needed: "},
		"any of":  {func(t testing.TB) { AnyOf(t, "sh 99", []string{"no-such-program", "sh"}, "-c", "exit 1") }, "sh 99 is needed: exit status 1"},
		"target":  {func(t testing.TB) { Made(t, t.TempDir(), "no-such-target") }, "what `make no-such-target` fetches is needed: "},
	} {
		t.Setenv("CI", "")
		if r := try(t, c.need); !strings.HasPrefix(r.skipped, c.says) || r.failed != "" {
			t.Errorf("%s at home: %+v", name, r)
		}
		t.Setenv("CI", "true")
		if r := try(t, c.need); !strings.HasPrefix(r.failed, c.says) || r.skipped != "" {
			t.Errorf("%s in CI: %+v", name, r)
		}
	}
}

func TestWhatIsThereIsHad(t *testing.T) {
	t.Setenv("CI", "true")
	t.Setenv("NEED_TEST_WISH", "1")
	r := try(t, func(t testing.TB) {
		if path := Program(t, "sh", "dash"); !strings.HasSuffix(path, "/sh") {
			panic(path)
		}
		Working(t, "sh", "sh", "-c", "exit 0")
		Host(t, true, "")
		Wish(t, "NEED_TEST_WISH", "")
	})
	if r.skipped+r.failed != "" {
		t.Errorf("%+v", r)
	}
}

// TestWhatNoPackageBringsIsSkippedInCIToo. A test that runs only on request is
// skipped there as well.
func TestWhatNoPackageBringsIsSkippedInCIToo(t *testing.T) {
	t.Setenv("CI", "true")
	for _, need := range []func(testing.TB){
		func(t testing.TB) { Host(t, false, "another kernel") },
		func(t testing.TB) { Wish(t, "NEED_TEST_UNSET", "measure") },
	} {
		if r := try(t, need); r.skipped == "" || r.failed != "" {
			t.Errorf("%+v", r)
		}
	}
}

func TestVectorsAreReadWhereTheyAre(t *testing.T) {
	base := t.TempDir()
	t.Setenv(VectorsVariable, base)
	if err := os.MkdirAll(filepath.Join(base, "empty", "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(base, "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(base, "full", "a.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if files := Vectors(t, "full"); len(files) != 1 || string(files["a.json"]) != "{}" {
		t.Errorf("%q", files)
	}
	for folder, says := range map[string]string{"empty": "no vectors in ", "absent": "open "} {
		if r := try(t, func(t testing.TB) { Vectors(t, folder) }); !strings.HasPrefix(r.failed, says) || r.skipped != "" {
			t.Errorf("%s: %+v", folder, r)
		}
	}
	// Without the variable the vectors are beside the repository, or the test
	// is skipped.
	if err := os.Unsetenv(VectorsVariable); err != nil {
		t.Fatal(err)
	}
	clone := filepath.Join(base, "clone", "below")
	if err := os.MkdirAll(clone, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(base, "clone", "go.mod"), []byte("module x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(clone)
	t.Setenv("CI", "true")
	if r := try(t, func(t testing.TB) { Vectors(t, "full") }); !strings.Contains(r.skipped, VectorsVariable) || r.failed != "" {
		t.Errorf("a clone without them: %+v", r)
	}
	if err := os.MkdirAll(filepath.Join(base, "shared"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(base, filepath.Join(base, "shared", "vectors")); err != nil {
		t.Fatal(err)
	}
	if files := Vectors(t, "full"); len(files) != 1 {
		t.Errorf("beside the repository: %q", files)
	}
}

func TestWhatIsThereIsReturned(t *testing.T) {
	if got := AnyOf(t, "sh", []string{"no-such-program", "false", "sh", "no-other-program"}, "-c", "exit 0"); got != "sh" {
		t.Errorf("of several programs it takes %q", got)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "Makefile"), []byte("place:\n\t@echo noise >&2; echo /some/where\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := Made(t, dir, "place"); got != "/some/where" {
		t.Errorf("the target says %q", got)
	}
}
