package folders

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

// site is a folder of this user in which a test makes files and folders.
type site struct {
	t    *testing.T
	root string
}

func (s *site) path(name string) string { return filepath.Join(s.root, name) }

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// folder makes a folder with exactly this mode, and its parents with 0755.
func (s *site) folder(name string, mode fs.FileMode) {
	s.t.Helper()
	path := s.root
	for part := range strings.SplitSeq(name, "/") {
		path = filepath.Join(path, part)
		if err := os.Mkdir(path, 0o755); err == nil {
			s.must(os.Chmod(path, 0o755))
		}
	}
	s.must(os.Chmod(path, mode))
}

func (s *site) link(target, name string) {
	s.t.Helper()
	s.must(os.Symlink(target, s.path(name)))
}

// give gives a file or a link to another user. Only root can.
func (s *site) give(name string) {
	s.t.Helper()
	need.Root(s.t, "giving a file away")
	s.must(os.Lchown(s.path(name), 12345, 12345))
}

// TestOnlyFoldersThatOthersCannotChangeOrReplaceAreSafe: each case makes "d".
func TestOnlyFoldersThatOthersCannotChangeOrReplaceAreSafe(t *testing.T) {
	const sticky = fs.ModeSticky
	for _, c := range []struct {
		name   string
		build  func(*site)
		unsafe string // words of the refusal; empty: it is safe
		leads  string // where the path leads to; empty: to itself
	}{
		{"ours", func(s *site) { s.folder("d", 0o755) }, "", ""},
		{"ours alone", func(s *site) { s.folder("d", 0o700) }, "", ""},
		{"its group may write", func(s *site) { s.folder("d", 0o775) }, "/d is writable by others", ""},
		{"all may write", func(s *site) { s.folder("d", 0o777) }, "/d is writable by others", ""},
		{"all may write, sticky", func(s *site) { s.folder("d", 0o777|sticky) }, "/d is writable by others", ""},
		{"another user's", func(s *site) { s.folder("d", 0o755); s.give("d") }, "/d belongs to another user (12345)", ""},
		{"below one that all may write to", func(s *site) { s.folder("a/d", 0o755); s.folder("a", 0o777); s.link("a/d", "d") }, "/a, on the way", ""},
		{"below a sticky one", func(s *site) { s.folder("a/d", 0o755); s.folder("a", 0o777|sticky); s.link("a/d", "d") }, "", "a/d"},
		{"another user's below a sticky one", func(s *site) {
			s.folder("a/d", 0o755)
			s.give("a/d")
			s.folder("a", 0o777|sticky)
			s.link("a/d", "d")
		}, "/a/d belongs to another user", ""},
		{"below one that its group may write to", func(s *site) { s.folder("a/d", 0o755); s.folder("a", 0o775); s.link("a/d", "d") }, "", "a/d"},
		{"below another user's", func(s *site) { s.folder("a/d", 0o755); s.give("a"); s.link("a/d", "d") }, "/a belongs to another user", ""},
		{"a link of ours", func(s *site) { s.folder("e", 0o755); s.link("e", "d") }, "", "e"},
		{"a link from the root", func(s *site) { s.folder("e", 0o755); s.link(s.path("e"), "d") }, "", "e"},
		{"a link upwards", func(s *site) { s.folder("e", 0o755); s.folder("f", 0o755); s.link("f/../e/.", "d") }, "", "e"},
		{"links in a row", func(s *site) { s.folder("e", 0o755); s.link("e", "f"); s.link("f/", "d") }, "", "e"},
		{"another user's link", func(s *site) { s.folder("e", 0o755); s.link("e", "d"); s.give("d") }, "/d belongs to another user", ""},
		{"a link in a row, another user's", func(s *site) { s.folder("e", 0o755); s.link("e", "f"); s.give("f"); s.link("f", "d") }, "/f belongs to another user", ""},
		{"a link through a folder that all may write to", func(s *site) {
			s.folder("a", 0o755)
			s.folder("e", 0o755)
			s.link("../e", "a/l")
			s.folder("a", 0o777)
			s.link("a/l", "d")
		}, "/a, on the way", ""},
		{"a link to one that all may write to", func(s *site) { s.folder("e", 0o777); s.link("e", "d") }, "/e is writable by others", ""},
		{"a link up and out of one that all may write to", func(s *site) { s.folder("a/d", 0o755); s.folder("a", 0o777); s.link("a/d/../../e", "d") }, "/a, on the way", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &site{t, filepath.Join(t.TempDir(), "s")}
			s.must(os.Mkdir(s.root, 0o700))
			c.build(s)
			_, err := CheckForSocket(s.path("d"), os.Geteuid())
			if safe := c.unsafe == "" || c.name == "all may write, sticky"; (err == nil) != safe || err != nil && !errors.Is(err, ErrUnsafe) {
				t.Errorf("for a socket: %v", err)
			}
			_, err = CheckWay(s.path("d"), os.Geteuid())
			last := c.unsafe == "/d is writable by others" || c.unsafe == "/e is writable by others" || c.name == "another user's" || c.name == "another user's below a sticky one"
			if (err == nil) != (c.unsafe == "" || last) || err != nil && !errors.Is(err, ErrUnsafe) {
				t.Errorf("the way: %v", err)
			}
			leads, err := Check(s.path("d"), os.Geteuid())
			if c.unsafe != "" {
				if !errors.Is(err, ErrUnsafe) || !strings.Contains(err.Error(), c.unsafe) {
					t.Errorf("error %v, want %q", err, c.unsafe)
				}
				return
			}
			s.must(err)
			want := c.leads
			if want == "" {
				want = "d"
			}
			if leads != s.path(want) {
				t.Errorf("it leads to %s, want %s", leads, s.path(want))
			}
		})
	}
}

func TestPathsThatCannotBeFollowedAreNoUnsafeFolders(t *testing.T) {
	s := &site{t, filepath.Join(t.TempDir(), "s")}
	s.must(os.Mkdir(s.root, 0o700))
	s.must(os.WriteFile(s.path("file"), nil, 0o600))
	s.link("gone", "dangling")
	s.link("loop", "loop")
	for name, missing := range map[string]bool{"nothing": true, "nothing/below": true, "dangling": true, "file": false, "file/below": false, "loop": false} {
		_, err := Check(s.path(name), os.Geteuid())
		if err == nil || errors.Is(err, ErrUnsafe) || errors.Is(err, fs.ErrNotExist) != missing {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAFolderIsJudgedForTheUserWhoIsToUseIt, who may be another user than the
// caller.
func TestAFolderIsJudgedForTheUserWhoIsToUseIt(t *testing.T) {
	s := &site{t, filepath.Join(t.TempDir(), "s")}
	s.must(os.Mkdir(s.root, 0o755))
	s.folder("d", 0o700)
	s.give("d")
	if _, err := Check(s.path("d"), 12345); err != nil {
		t.Error(err)
	}
	if _, err := Check(s.path("d"), 54321); !errors.Is(err, ErrUnsafe) {
		t.Errorf("for a third user: %v", err)
	}
}
