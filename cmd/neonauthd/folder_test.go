package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/neonauthd/neonauthd/internal/e2e/need"
	"github.com/neonauthd/neonauthd/internal/folders"
)

// TestAFolderIsGivenAwayOnlyWhereItWasMeant: a volume in which everybody may
// write becomes its user's, and a link on the way that somebody else could have
// made is not followed.
func TestAFolderIsGivenAwayOnlyWhereItWasMeant(t *testing.T) {
	need.Root(t, "giving folders away")
	const user, stranger = 65532, 12345
	for name, c := range map[string]struct {
		build   func(volume, victim string) error
		path    string
		refused bool
	}{
		"a volume":          {func(volume, _ string) error { return os.Chmod(volume, 0o777) }, ".", false},
		"a missing folder":  {func(string, string) error { return nil }, "below", false},
		"one that is right": {func(volume, _ string) error { return os.Lchown(volume, user, user) }, ".", false},
		"below a volume":    {func(volume, _ string) error { return os.Chmod(volume, 0o777) }, "below", true},
		"a link below a volume": {func(volume, victim string) error {
			return errors.Join(os.Symlink(victim, filepath.Join(volume, "below")), os.Chmod(volume, 0o777))
		}, "below", true},
		"a link of somebody else": {func(volume, victim string) error {
			return errors.Join(os.Symlink(victim, filepath.Join(volume, "below")), os.Lchown(filepath.Join(volume, "below"), stranger, stranger))
		}, "below", true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			volume, victim := filepath.Join(dir, "volume"), filepath.Join(dir, "victim")
			if err := errors.Join(os.Mkdir(volume, 0o755), os.Mkdir(victim, 0o700), c.build(volume, victim)); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(volume, c.path)
			if err := makeFolder(path, user, user); (err != nil) != c.refused || err != nil && !errors.Is(err, folders.ErrUnsafe) {
				t.Errorf("%v", err)
			}
			info, err := os.Stat(path)
			if owner, _ := folders.Owner(info); err != nil || !c.refused && (owner != user || info.Mode() != fs.ModeDir|0o755) {
				t.Errorf("%v, %v", info.Mode(), err)
			}
			if info, err := os.Stat(victim); err != nil || info.Mode() != fs.ModeDir|0o700 {
				t.Errorf("the folder that the link leads to: %v %v", info.Mode(), err)
			} else if owner, _ := folders.Owner(info); owner != os.Geteuid() {
				t.Errorf("the folder that the link leads to is now of %d", owner)
			}
		})
	}
}
