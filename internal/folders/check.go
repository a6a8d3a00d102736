// Package folders checks whether a folder is a safe place for files: only its
// user and root may be able to change its contents or to replace it.
package folders

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxLinks is the largest number of symbolic links in a path, as in the kernel
// (path_resolution(7)).
const maxLinks = 40

// ErrUnsafe means that other users could change the contents of a folder, or replace it.
var ErrUnsafe = errors.New("not safe")

// Check follows the path of the folder dir, which must exist, and returns the
// path without symbolic links. It refuses the following, with an error that
// wraps ErrUnsafe and says what to do:
//
//   - a parent folder or a symbolic link that belongs to another user than root
//     or uid;
//   - a parent folder that everybody may write to, unless it is sticky, as /tmp
//     is. Groups are trusted here, because people share folders by groups;
//   - dir itself, if its group or everybody may write to it, sticky or not.
//
// Other errors mean that the path cannot be followed.
func Check(dir string, uid int) (resolved string, err error) {
	return follow(dir, walk{uid: uid})
}

// CheckForSocket is Check for a folder with sockets only. Everybody may write to
// it if it is sticky: other users cannot replace a socket there, and a program
// that makes a socket notices if something has its name.
func CheckForSocket(dir string, uid int) (resolved string, err error) {
	return follow(dir, walk{uid: uid, sticky: true})
}

// CheckWay is Check for the parent folders of dir only; dir itself can belong to anybody.
// It is for programs that give the folder to another user.
func CheckWay(dir string, uid int) (resolved string, err error) {
	return follow(dir, walk{uid: uid, way: true})
}

func follow(dir string, w walk) (resolved string, err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	w.at, w.rest = "/", split(dir)
	if err := w.look("/", w.last()); err != nil {
		return "", err
	}
	for len(w.rest) > 0 {
		if err := w.step(); err != nil {
			return "", err
		}
	}
	return w.at, nil
}

// walk follows a path.
type walk struct {
	uid    int
	sticky bool     // makes the last folder safe
	way    bool     // the last folder need not be safe
	file   bool     // the path leads to a file; its folder is the last
	mount  string   // the mount at this place is not judged; empty: there is none
	mounts mounts   // all mounts
	at     string   // the part that was followed and is safe
	rest   []string // the names that are left
	links  int
}

// step follows one name of the path.
func (w *walk) step() error {
	name := w.rest[0]
	if name == ".." {
		w.at, w.rest = filepath.Dir(w.at), w.rest[1:]
		return w.look(w.at, w.last()) // so far it may have been a parent only
	}
	next := filepath.Join(w.at, name)
	if w.file && len(w.rest) == 1 && strings.HasPrefix(next, "/proc/") { // an open file of a process, which need not have a path
		w.at, w.rest = next, nil
		return nil
	}
	info, err := os.Lstat(next)
	if err != nil {
		return err
	}
	if info.Mode()&fs.ModeSymlink == 0 {
		w.at, w.rest = next, w.rest[1:]
		if w.file && len(w.rest) == 0 {
			return nil
		}
		return w.judge(next, info, w.last())
	}
	if w.links++; w.links > maxLinks {
		return fmt.Errorf("%s: too many symbolic links", next)
	}
	if err := w.owned(next, info); err != nil {
		return err
	}
	target, err := os.Readlink(next)
	if err != nil {
		return err
	}
	if filepath.IsAbs(target) {
		w.at = "/"
	}
	w.rest = append(split(target), w.rest[1:]...)
	if w.last() { // so far it may have been a parent only
		return w.look(w.at, true)
	}
	return nil
}

// last reports whether the part that was followed is the folder that must be safe. The folder of a
// file that is mounted need not be: nobody can replace the file.
func (w *walk) last() bool {
	if w.file {
		return len(w.rest) == 1 && filepath.Join(w.at, w.rest[0]) != w.mount
	}
	return len(w.rest) == 0
}

// split returns the names of a path, without "" and ".".
func split(path string) []string {
	var names []string
	for name := range strings.SplitSeq(path, "/") {
		if name != "" && name != "." {
			names = append(names, name)
		}
	}
	return names
}

func (w *walk) look(dir string, last bool) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	return w.judge(dir, info, last)
}

// judge refuses a folder that is not safe. last says that it is the folder with the files.
func (w *walk) judge(dir string, info fs.FileInfo, last bool) error {
	if !info.IsDir() {
		return fmt.Errorf("%s is not a folder", dir)
	}
	if last && w.way || w.mounts.within(w.mount, dir) {
		return nil
	}
	if err := w.owned(dir, info); err != nil {
		return err
	}
	switch mode := info.Mode(); {
	case last && mode.Perm()&0o022 != 0 && !(w.sticky && mode&fs.ModeSticky != 0):
		return fmt.Errorf("%w: %s is writable by others, who could replace what is in it; chmod go-w, or make a folder below it and name that", ErrUnsafe, dir)
	case !last && mode.Perm()&0o002 != 0 && mode&fs.ModeSticky == 0:
		return fmt.Errorf("%w: %s, on the way to it, is writable by all, who could replace it; chmod o-w", ErrUnsafe, dir)
	}
	return nil
}

func (w *walk) owned(path string, info fs.FileInfo) error {
	if w.mounts.within(w.mount, path) {
		return nil
	}
	if owner, known := Owner(info); known && owner != 0 && owner != w.uid {
		return fmt.Errorf("%w: %s belongs to another user (%d), who could replace what is in it; this is user %d", ErrUnsafe, path, owner, w.uid)
	}
	return nil
}

// Owner returns the owner of a file. known is false if the system does not say.
func Owner(info fs.FileInfo) (uid int, known bool) {
	stat, known := info.Sys().(*syscall.Stat_t)
	if !known {
		return 0, false
	}
	return int(stat.Uid), true
}
