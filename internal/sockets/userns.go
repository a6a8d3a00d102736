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
// does not map (user_namespaces(7)). A host may set another id in
// /proc/sys/kernel/overflowuid, which a hardened unit cannot read. Such an id
// is usually one that the namespace does not map.
const OverflowUID = 65534

// UserNamespace describes the user namespace of this process: which users the
// process can distinguish. The zero value maps nobody.
type UserNamespace struct{ mapped []idRange }

// idRange is a line of uid_map: size ids, which begin at inside within the
// namespace and at outside in its parent.
type idRange struct{ inside, outside, size uint64 }

// OwnUserNamespace returns the user namespace of this process. If it cannot be
// read, it is the zero value.
func OwnUserNamespace() UserNamespace { return userNamespaceOf("/proc/self") }

// userNamespaceOf returns the user namespace of the process with this directory
// in /proc. On a system without user namespaces (another kernel, or Linux built
// without them) every user is mapped. On Linux without /proc nothing is known,
// so nobody is mapped.
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

// everyID is how many ids there are. The last number of 32 bits is not an id.
const everyID = 1<<32 - 1

// ReadUserNamespace reads a uid_map (user_namespaces(7)). It ignores lines of
// another form.
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

// Tells reports whether a uid stands for exactly one user.
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
