package sockets

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// OverflowUID is the id under which the kernel shows a user whom a namespace
// does not map (user_namespaces(7)). A host may change it in
// /proc/sys/kernel/overflowuid, which a hardened unit cannot read: then the id
// that is shown is, as a rule, one that the namespace does not map.
const OverflowUID = 65534

// UserNamespace is what is known of the user namespace of this process: which
// users it can tell from each other. The zero value maps nobody.
type UserNamespace struct{ mapped []idRange }

// idRange is a line of uid_map: so many ids, from which on within the namespace
// and without.
type idRange struct{ inside, outside, size uint64 }

// OwnUserNamespace is the one of this process. Where it cannot be read, it is
// the zero value.
func OwnUserNamespace() UserNamespace { return userNamespaceOf("/proc/self") }

// userNamespaceOf is the one of the process that the directory is about. A
// system that has none (another kernel, or Linux built without) maps every user.
// Linux without /proc cannot tell, and then nobody is told apart.
func userNamespaceOf(process string) UserNamespace {
	f, err := os.Open(filepath.Join(process, "uid_map"))
	if err == nil {
		defer f.Close()
		return ReadUserNamespace(f)
	}
	if _, unseen := os.Stat(process); runtime.GOOS == "linux" && (unseen != nil || !errors.Is(err, fs.ErrNotExist)) {
		return UserNamespace{}
	}
	return UserNamespace{[]idRange{{0, 0, everyID}}}
}

// everyID is how many ids there are: the last of 32 bits stands for none.
const everyID = 1<<32 - 1

// ReadUserNamespace reads a uid_map (user_namespaces(7)). Lines that are none
// map nobody.
func ReadUserNamespace(uidMap io.Reader) UserNamespace {
	var n UserNamespace
	for lines := bufio.NewScanner(uidMap); lines.Scan(); {
		var r idRange
		if _, err := fmt.Sscan(lines.Text(), &r.inside, &r.outside, &r.size); err == nil {
			n.mapped = append(n.mapped, r)
		}
	}
	return n
}

// Whole reports whether every user stands for itself, as in the initial
// namespace.
func (n UserNamespace) Whole() bool {
	return len(n.mapped) == 1 && n.mapped[0] == idRange{0, 0, everyID}
}

// Tells reports whether a uid means one user and no other.
func (n UserNamespace) Tells(uid uint32) bool {
	if n.Whole() {
		return true
	}
	for _, r := range n.mapped {
		if id := uint64(uid); id >= r.inside && id-r.inside < r.size {
			return uid != OverflowUID
		}
	}
	return false
}
