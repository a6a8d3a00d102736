package configcheck

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/revoke"
	"github.com/neonauthd/neonauthd/daemon/revoke/revoketest"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

// contents returns all files below a folder.
func contents(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		all.WriteString(path + "\n" + string(text) + "\n")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// TestCheckJudgesTheStateDirectoryAsAStartDoes, and changes nothing in it.
func TestCheckJudgesTheStateDirectoryAsAStartDoes(t *testing.T) {
	write := func(name, text string) func(dir string) error {
		return func(dir string) error { return os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600) }
	}
	remove := func(name string) func(dir string) error {
		return func(dir string) error { return os.Remove(filepath.Join(dir, name)) }
	}
	for name, c := range map[string]struct {
		spoil func(dir string) error
		fails bool
		says  string
	}{
		"as it was left":     {func(string) error { return nil }, false, ""},
		"none yet":           {os.RemoveAll, false, ""},
		"damaged journal":    {write("revocations.journal", "neonauthd-revocations 2 x\n"), true, "WRONG         state: revocations: "},
		"empty journal":      {write("revocations.journal", ""), true, "is empty, which neonauthd never leaves it"},
		"no journal":         {remove("revocations.journal"), true, "revocations.journal is gone"},
		"no seal":            {remove("revocations.seal"), false, "warn          state: the journal of revocations had no seal"},
		"damaged seal":       {write("revocations.seal", "x"), true, "revocations.seal is damaged"},
		"of a newer version": {write("version", "neonauthd-state 99\n"), true, "of a newer neonauthd"},
		"below a file":       {func(dir string) error { return errors.Join(os.RemoveAll(dir), os.WriteFile(dir, nil, 0o600)) }, true, "is not a folder"},
		"neither of the files": {func(dir string) error {
			return errors.Join(remove("revocations.seal")(dir), remove("revocations.journal")(dir))
		}, false, "are gone: every revocation that was made is forgotten"},
	} {
		t.Run(name, func(t *testing.T) {
			folder := need.Folder(t)
			dir := filepath.Join(folder, "state")
			if err := errors.Join(revoketest.Use(dir), c.spoil(dir)); err != nil {
				t.Fatal(err)
			}
			before := contents(t, folder)
			var out bytes.Buffer
			wrong := checkState(&out, config.StateChoice{Path: dir})
			if (wrong > 0) != c.fails || !strings.Contains(out.String(), c.says) || c.says == "" && out.Len() > 0 {
				t.Errorf("%d wrong:\n%s", wrong, out.String())
			}
			if after := contents(t, folder); after != before {
				t.Errorf("the check changed\n%s\nto\n%s", before, after)
			}
			if err := revoketest.Use(dir); (err != nil) != c.fails {
				t.Errorf("a start: %v", err)
			}
		})
	}
}

// TestCheckWarnsOfAStateDirectoryThatCannotBeMade: the daemon serves without one, and
// forgets revocations.
func TestCheckWarnsOfAStateDirectoryThatCannotBeMade(t *testing.T) {
	need.Host(t, os.Geteuid() != 0, "a user other than root, whom a folder can refuse")
	folder := filepath.Join(need.Folder(t), "a")
	if err := os.Mkdir(folder, 0o500); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if wrong := checkState(&out, config.StateChoice{Path: filepath.Join(folder, "b", "state")}); wrong != 0 || !strings.Contains(out.String(), "warn          state: this process cannot write to "+folder+": permission denied") {
		t.Errorf("%d wrong: %s", wrong, out.String())
	}
}

// TestCheckWarnsOfSocketsThatAStartCannotMake.
func TestCheckWarnsOfSocketsThatAStartCannotMake(t *testing.T) {
	dir := need.Folder(t)
	open, good := filepath.Join(dir, "open"), filepath.Join(dir, "good")
	err := errors.Join(os.Mkdir(open, 0o700), os.Chmod(open, 0o777), os.Mkdir(good, 0o700), os.WriteFile(filepath.Join(good, "file"), nil, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		open + "/d.sock":     "warn          socket: not safe: " + open + " is writable by others",
		good + "/d.sock":     "",
		good + "/new/d.sock": "",
		good + "/file":       "warn          socket: " + good + "/file is something that is not a socket",
		dir + "/a/b/d.sock":  "warn          socket: there is no folder " + dir + "/a/b",
	} {
		var out bytes.Buffer
		checkSockets(&out, &config.Config{Socket: path, AdminSocket: good + "/a.sock"}, dir)
		if !strings.HasPrefix(out.String(), want) || want == "" && out.Len() > 0 {
			t.Errorf("%s: %s", path, out.String())
		}
	}
	var out bytes.Buffer
	checkSockets(&out, &config.Config{Socket: good + "/d.sock", AdminSocket: open + "/a.sock", MetricsListen: "unix:" + open + "/m.sock"}, dir)
	for _, key := range []string{"admin_socket", "metrics_listen"} {
		if !strings.Contains(out.String(), "warn          "+key+": not safe: ") {
			t.Errorf("no word of %s:\n%s", key, out.String())
		}
	}
}

// TestCheckSaysThatAUnitMayNameAnotherStateDirectory: in the operator's shell nothing shows
// what the unit names.
func TestCheckSaysThatAUnitMayNameAnotherStateDirectory(t *testing.T) {
	t.Setenv("STATE_DIRECTORY", "")
	for dir, want := range map[string]bool{filepath.Join(need.Folder(t), "state"): true, config.Default().StateDir: false} {
		var out bytes.Buffer
		chosen, err := (&config.Config{StateDir: dir, StateDirWritten: true}).ChooseState(revoke.Left)
		if wrong := checkStateChoice(&out, chosen, err); wrong != 0 || strings.Contains(out.String(), "note          state: ") != want {
			t.Errorf("%s: %d wrong, %q", dir, wrong, out.String())
		}
	}
}
