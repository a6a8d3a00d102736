package config

import (
	"fmt"
	"os"
	"path/filepath"
)

// StateChoice is the state directory that a start uses.
type StateChoice struct {
	// Path is the directory.
	Path string
	// ByUnit says that STATE_DIRECTORY names the directory, and overrides state_dir.
	ByUnit bool
	// Warning is what the operator has to know of another directory in state_dir; empty:
	// nothing.
	Warning string
}

// ChooseState returns the state directory that a start with c uses. holds reports whether a
// directory has revocations; its error says that this cannot be told. If the unit names
// another directory than the configuration, revocations in that of the configuration would
// not be in force, and nothing else would show it. So the error refuses a start that could
// lose revocations:
//
//   - state_dir is written, and its directory has revocations, or cannot be looked into;
//   - state_dir is not written, the default directory has revocations, and the unit's has
//     none yet. Once the unit's has a journal, this is a second daemon with a state of its own.
func (c *Config) ChooseState(holds func(dir string) (bool, error)) (StateChoice, error) {
	var chosen StateChoice
	chosen.Path, chosen.ByUnit = StateDir(c.StateDir)
	if sameFolder(chosen.Path, c.StateDir) {
		return chosen, nil
	}
	left, unknown := holds(c.StateDir)
	if c.StateDirWritten {
		text := fmt.Sprintf("state_dir is %s, but the unit makes the daemon use %s (StateDirectory=, STATE_DIRECTORY), which wins", c.StateDir, chosen.Path)
		remedy := fmt.Sprintf("to use state_dir, write an empty StateDirectory= and ReadWritePaths=%s into a drop-in of the unit; to stay with the unit's directory, remove state_dir from the configuration (docs/state.md)", c.StateDir)
		switch {
		case unknown != nil:
			return chosen, fmt.Errorf("%s: whether there are revocations in state_dir, which would not be in force, cannot be told: %w; %s", text, unknown, remedy)
		case left:
			return chosen, fmt.Errorf("%s: the revocations in state_dir would not be in force; %s", text, remedy)
		}
		chosen.Warning = text + "; " + remedy
		return chosen, nil
	}
	if used, _ := holds(chosen.Path); left && !used {
		return chosen, fmt.Errorf("the unit makes the daemon use %[1]s (StateDirectory=, STATE_DIRECTORY), which has no revocations yet, and those in %[2]s would not be in force; to keep them, move the files of %[2]s to %[1]s; to start without them, as a second daemon does, write state_dir = %[1]q into the configuration (docs/state.md)", chosen.Path, c.StateDir)
	}
	return chosen, nil
}

// sameFolder reports whether two paths lead to one folder, of which either may be missing.
func sameFolder(a, b string) bool {
	if filepath.Clean(a) == filepath.Clean(b) {
		return true
	}
	at, errA := os.Stat(a)
	other, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(at, other)
}

// Explain adds to an error about the directory which setting names it, if that is not
// state_dir, which the error's remedy may name.
func (c StateChoice) Explain(err error) error {
	if !c.ByUnit {
		return err
	}
	return fmt.Errorf("%w (StateDirectory= of the unit names this directory, and wins over state_dir)", err)
}
