package membership

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/statedir"
)

// TestAnIDThatCannotBeSavedIsLoggedOnce, and is nothing that a repaired directory lacks: only
// the next start saves one.
func TestAnIDThatCannotBeSavedIsLoggedOnce(t *testing.T) {
	dir, err := statedir.Open(filepath.Join(t.TempDir(), "state"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = dir.Close() }()
	if err := os.Mkdir(filepath.Join(dir.Path(), idFile), 0o700); err != nil { // no file can take its place
		t.Fatal(err)
	}
	var log bytes.Buffer
	if id := hostID(dir, slog.New(slog.NewTextHandler(&log, nil))); !isID(id) || !strings.Contains(log.String(), "cannot be saved") || dir.Unwritten() != nil {
		t.Errorf("id %q, unwritten %v, log %s", id, dir.Unwritten(), &log)
	}
}

// TestADamagedIDIsNoID: with one other digit it would be the id of another host, and the
// fleet would miss this one without a word.
func TestADamagedIDIsNoID(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(path, id string) error
		kept  bool
		says  string
	}{
		"nothing":                  {func(string, string) error { return nil }, true, ""},
		"removed":                  {func(path, _ string) error { return os.Remove(path) }, false, ""},
		"as an earlier version's":  {func(path, id string) error { return os.WriteFile(path, []byte(id+"\n"), 0o600) }, true, ""},
		"an earlier version's cut": {func(path, id string) error { return os.WriteFile(path, []byte(id[:20]+"\n"), 0o600) }, false, "is damaged"},
		"one flipped bit": {func(path, id string) error {
			text, err := os.ReadFile(path)
			text[bytes.Index(text, []byte(id))] ^= 1
			return errors.Join(err, os.WriteFile(path, text, 0o600))
		}, false, "is damaged"},
		"cut":                   {func(path, _ string) error { return os.Truncate(path, 40) }, false, "is damaged"},
		"empty":                 {func(path, _ string) error { return os.Truncate(path, 0) }, false, "is damaged"},
		"writable by all":       {func(path, _ string) error { return os.Chmod(path, 0o666) }, false, "is writable by others"},
		"a folder in its place": {func(path, _ string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) }, false, "is no ordinary file"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, err := statedir.Open(filepath.Join(t.TempDir(), "state"))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = dir.Close() }()
			var log bytes.Buffer
			logger := slog.New(slog.NewTextHandler(&log, nil))
			id := hostID(dir, logger)
			if err := c.spoil(filepath.Join(dir.Path(), idFile), id); err != nil {
				t.Fatal(err)
			}
			again := hostID(dir, logger)
			if (again == id) != c.kept || !isID(again) {
				t.Errorf("the id was %q and is %q", id, again)
			}
			if !strings.Contains(log.String(), c.says) || c.says == "" && log.Len() > 0 || (len(dir.Faults()) > 0) != (c.says != "") {
				t.Errorf("faults %v, log %s", dir.Faults(), &log)
			}
			if c.says == "is no ordinary file" { // it stays in the way
				return
			}
			if last := hostID(dir, logger); last != again {
				t.Errorf("the id was %q and is %q", again, last)
			}
			if _, sure, err := readID(dir); !sure || err != nil {
				t.Errorf("what is saved then is not proved: %v", err)
			}
		})
	}
}
