package folders

import (
	"path/filepath"
	"slices"
	"strings"
)

// mount is a line of proc_pid_mountinfo(5).
type mount struct {
	parent, device string
	root           string // which folder or file of the file system is mounted
	point          string // where it is mounted
	readOnly       bool
}

// mounts are mounts by their ids, and the ids by the places. Of several mounts at one place the
// last is in force.
type mounts struct {
	byID map[string]mount
	at   map[string]string
}

func readMounts(text string) mounts {
	all := mounts{byID: map[string]mount{}, at: map[string]string{}}
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	for line := range strings.Lines(text) {
		if fields := strings.Fields(line); len(fields) > 5 {
			m := mount{
				parent: fields[1], device: fields[2], root: unescape.Replace(fields[3]), point: unescape.Replace(fields[4]),
				readOnly: slices.Contains(strings.Split(fields[5], ","), "ro"),
			}
			all.byID[fields[0]], all.at[m.point] = m, fields[0]
		}
	}
	return all
}

// of returns the place where somebody has mounted the file at path, or a folder with it, read-only;
// empty: nobody has.
func (all mounts) of(path string) string {
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return "" // nothing below can be opened either
	}
	at, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "" // as for the pipes of a shell
	}
	return all.chosen(dir, at)
}

// chosen is the part of the method of that needs no files. at is the path of the file without links,
// and dir is the folder in which it was named. The options of a unit, such as ProtectSystem=, make
// folders read-only for the unit alone, while users go on writing to them. Such folders do not count:
// the root, a folder that is mounted on itself, and a deeper file of a file system that is mounted as
// a whole.
func (all mounts) chosen(dir, at string) string {
	point := all.nearest(at)
	m := all.byID[all.at[point]]
	if point == "/" || !m.readOnly || all.onItself(m) {
		return ""
	}
	if m.root == "/" && point != at && point != filepath.Dir(at) && point != dir {
		return ""
	}
	return point
}

// onItself reports whether a folder is mounted on itself.
func (all mounts) onItself(m mount) bool {
	below, ok := all.byID[m.parent]
	if !ok || below.device != m.device {
		return false
	}
	name, err := filepath.Rel(below.point, m.point)
	return err == nil && filepath.Join(below.root, name) == m.root
}

// within reports whether path belongs to the mount at point, and not to another mount below it.
func (all mounts) within(point, path string) bool {
	return point != "" && all.nearest(path) == point
}

// nearest returns the place of the mount to which a path without links belongs.
func (all mounts) nearest(path string) string {
	for all.at[path] == "" && path != "/" {
		path = filepath.Dir(path)
	}
	return path
}
