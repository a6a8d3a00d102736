package folders

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOnlyFilesThatWeOrRootHaveWrittenAreTaken tests the rule for each file.
func TestOnlyFilesThatWeOrRootHaveWrittenAreTaken(t *testing.T) {
	for name, c := range map[string]struct {
		build func(s *site, path string)
		want  string // words of the refusal
	}{
		"ours":                   {func(*site, string) {}, ""},
		"ours, and others read":  {func(s *site, path string) { s.must(os.Chmod(path, 0o644)) }, ""},
		"its group may write":    {func(s *site, path string) { s.must(os.Chmod(path, 0o620)) }, "is writable by others"},
		"all may write":          {func(s *site, path string) { s.must(os.Chmod(path, 0o602)) }, "is writable by others"},
		"another user's":         {func(s *site, path string) { s.give("f") }, "belongs to another user (12345)"},
		"a folder":               {func(s *site, path string) { s.must(os.Remove(path)); s.must(os.Mkdir(path, 0o700)) }, "is no ordinary file"},
		"a link":                 {func(s *site, path string) { s.must(os.Rename(path, path+"2")); s.link("f2", "f") }, "is no ordinary file"},
		"another user's, for it": {func(s *site, path string) { s.give("f") }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := &site{t, filepath.Join(t.TempDir(), "s")}
			s.must(os.Mkdir(s.root, 0o700))
			path := s.path("f")
			s.must(os.WriteFile(path, nil, 0o600))
			c.build(s, path)
			info, err := os.Lstat(path)
			s.must(err)
			uid := os.Geteuid()
			if strings.HasSuffix(name, "for it") {
				uid = 12345
			}
			err = CheckFile(path, info, uid)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), path+" "+c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if info.Mode().IsRegular() && err != nil && !errors.Is(err, ErrUnsafe) {
				t.Errorf("%v is not ErrUnsafe", err)
			}
		})
	}
}

// TestRootAsksForTheOwner: root checks a folder for its owner, and all others check for
// themselves.
func TestRootAsksForTheOwner(t *testing.T) {
	s := &site{t, filepath.Join(t.TempDir(), "s")}
	s.must(os.Mkdir(s.root, 0o755))
	s.folder("d", fs.FileMode(0o700))
	for _, dir := range []string{s.path("d"), s.path("none")} {
		if uid := UserOf(dir); uid != os.Geteuid() {
			t.Errorf("%s: %d", dir, uid)
		}
	}
	s.give("d")
	if uid := UserOf(s.path("d")); uid != 12345 {
		t.Errorf("another user's: %d", uid)
	}
}
