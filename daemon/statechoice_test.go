package daemon

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/configcheck"
	"github.com/neonauthd/neonauthd/daemon/revoke/revoketest"
	"github.com/neonauthd/neonauthd/daemon/standin/standintest"
	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
	"github.com/neonauthd/neonauthd/internal/program"
)

// TestNoRevocationsAreLeftBehindSilently: if the unit names another state directory than the
// configuration, and the latter may have revocations that the former lacks, a start refuses,
// and says how to use which. --check says the same.
func TestNoRevocationsAreLeftBehindSilently(t *testing.T) {
	const refuses, warns = "would not be in force", "which wins; to use state_dir, write an empty StateDirectory="
	type place = func(path string) error // makes what is at a path
	empty := func(path string) error { return os.Mkdir(path, 0o700) }
	none := func(string) error { return nil }
	file := func(path string) error { return os.WriteFile(path, nil, 0o600) }
	sealed := func(path string) error {
		return errors.Join(revoketest.Use(path), os.Remove(filepath.Join(path, "revocations.journal")))
	}
	linked := func(path string) error { return os.Symlink(os.Getenv("STATE_DIRECTORY"), path) }
	loop := func(path string) error { return os.Symlink(path, path) }
	for name, c := range map[string]struct {
		written          bool
		unit, configured place // nil: the unit names none
		says             string
		starts           bool
	}{
		"moved, and the unit's folder is new":             {true, empty, revoketest.Use, refuses, false},
		"copied, and the unit's folder goes on":           {true, revoketest.Use, revoketest.Use, refuses, false},
		"a seal without its journal":                      {true, revoketest.Use, sealed, refuses, false},
		"a state_dir that nobody can look into":           {true, revoketest.Use, loop, refuses, false},
		"a state_dir that is not there":                   {true, revoketest.Use, none, warns, true},
		"a state_dir that is a file":                      {true, revoketest.Use, file, warns, true},
		"a state_dir that leads to the unit's":            {true, revoketest.Use, linked, "", true},
		"no unit":                                         {true, nil, revoketest.Use, "", true},
		"a default with revocations, and a new directory": {false, empty, revoketest.Use, refuses, false},
		"a default that leads to the unit's":              {false, revoketest.Use, linked, "", true},
		"a second daemon, whose directory is in use":      {false, revoketest.Use, revoketest.Use, "", true},
		"a default that is not there":                     {false, empty, none, "", true},
		"a default that nobody can look into":             {false, empty, loop, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			folder := need.Folder(t)
			unit, configured := filepath.Join(folder, "unit"), filepath.Join(folder, "configured")
			t.Setenv("STATE_DIRECTORY", "")
			if c.unit != nil {
				t.Setenv("STATE_DIRECTORY", unit)
				if err := c.unit(unit); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.configured(configured); err != nil {
				t.Fatal(err)
			}
			cfg := standintest.New(t, nil).Config
			cfg.StateDir, cfg.StateDirWritten = configured, c.written
			var log bytes.Buffer
			d, err := New(cfg, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
			if err == nil {
				err = d.close()
			} else {
				log.WriteString(err.Error())
			}
			var config program.ConfigError
			if (err == nil) != c.starts || err != nil && !errors.As(err, &config) {
				t.Errorf("a start: %v", err)
			}
			var out bytes.Buffer
			cfg.Projects = nil
			if wrong, err := configcheck.Run(t.Context(), &out, cfg, configcheck.Options{}); err != nil || (wrong == 0) != c.starts {
				t.Errorf("--check: %d wrong, %v", wrong, err)
			}
			for what, text := range map[string]string{"a start": log.String(), "--check": out.String()} {
				if !strings.Contains(text, c.says) || c.says == "" && (strings.Contains(text, refuses) || strings.Contains(text, warns)) {
					t.Errorf("%s says\n%s", what, text)
				}
			}
		})
	}
}

// TestTheServingLineNamesTheStateDirectory that is used, whoever names it.
func TestTheServingLineNamesTheStateDirectory(t *testing.T) {
	w := newLiveDaemon(t, withoutOIDC)
	named := func(dir string) {
		t.Helper()
		e2e.Until(t, "the serving line names "+dir, func() bool { return strings.Contains(w.log.String(), " state="+dir+" ") })
	}
	named(w.config.StateDir)
	w.halt()
	dir := filepath.Join(w.dir, "unit")
	t.Setenv("STATE_DIRECTORY", dir+":/elsewhere")
	w.config.StateDir = filepath.Join(w.dir, "not", "there")
	w.start()
	named(dir)
}

// TestFaultsOfTheUnitsDirectorySaySo: their remedies name state_dir, which has no effect.
func TestFaultsOfTheUnitsDirectorySaySo(t *testing.T) {
	const says = "(StateDirectory= of the unit names this directory, and wins over state_dir)"
	dir := filepath.Join(need.Folder(t), "state")
	if err := errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, 0o777)); err != nil {
		t.Fatal(err)
	}
	cfg := standintest.New(t, nil).Config
	cfg.StateDir = dir
	for unit, want := range map[string]bool{"": false, dir: true} {
		t.Setenv("STATE_DIRECTORY", unit)
		if _, err := New(cfg, Options{}); err == nil || strings.Contains(err.Error(), says) != want {
			t.Errorf("a start: %v", err)
		}
		var out bytes.Buffer
		if _, err := configcheck.Run(t.Context(), &out, cfg, configcheck.Options{}); err != nil || !strings.Contains(out.String(), "WRONG         state: ") || strings.Contains(out.String(), says) != want {
			t.Errorf("--check: %v\n%s", err, out.String())
		}
	}
}
