package daemon

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

// errUserNamespace refuses rules that cannot work: where callers from outside of
// the namespace all look like one, a rule for a uid would match somebody else or
// nobody.
var errUserNamespace = errors.New("caller: this process runs in a user namespace and cannot tell its callers apart; if that is PrivateUsers=yes in the unit, " +
	"copy /usr/share/doc/neonauthd/examples/callers.conf to /etc/systemd/system/neonauthd.service.d/, then systemctl daemon-reload and restart; otherwise remove the [[caller]] tables")

// overflowUID is the id under which the kernel shows a user whom a namespace
// does not map (user_namespaces(7)). A host may change it in
// /proc/sys/kernel/overflowuid, which a hardened unit cannot read: then the id
// that is shown is, as a rule, one that the namespace does not map.
const overflowUID = 65534

// userNamespace is what is known of the user namespace of this process: which
// users it can tell from each other. The zero value maps nobody.
type userNamespace struct{ mapped []idRange }

// idRange is a line of uid_map: so many ids, from which on within the namespace
// and without.
type idRange struct{ inside, outside, size uint64 }

// ownUserNamespace is the one of this process.
func ownUserNamespace() userNamespace { return userNamespaceOf("/proc/self") }

// userNamespaceOf is the one of the process that the directory is about. A
// system that has none (another kernel, or Linux built without) maps every user.
// Linux without /proc cannot tell, and nobody is taken for who he seems to be.
func userNamespaceOf(process string) userNamespace {
	f, err := os.Open(filepath.Join(process, "uid_map"))
	if err == nil {
		defer f.Close()
		return readUserNamespace(f)
	}
	if _, unseen := os.Stat(process); runtime.GOOS == "linux" && (unseen != nil || !errors.Is(err, fs.ErrNotExist)) {
		return userNamespace{}
	}
	return userNamespace{[]idRange{{0, 0, everyID}}}
}

// everyID is how many ids there are: the last of 32 bits stands for none.
const everyID = 1<<32 - 1

// readUserNamespace reads a uid_map.
func readUserNamespace(uidMap io.Reader) userNamespace {
	var n userNamespace
	for lines := bufio.NewScanner(uidMap); lines.Scan(); {
		var r idRange
		if _, err := fmt.Sscan(lines.Text(), &r.inside, &r.outside, &r.size); err == nil {
			n.mapped = append(n.mapped, r)
		}
	}
	return n
}

// whole reports whether every user stands for itself, as in the initial
// namespace.
func (n userNamespace) whole() bool {
	return len(n.mapped) == 1 && n.mapped[0] == idRange{0, 0, everyID}
}

// tells reports whether a uid means one user and no other.
func (n userNamespace) tells(uid uint32) bool {
	if n.whole() {
		return true
	}
	for _, r := range n.mapped {
		if id := uint64(uid); id >= r.inside && id-r.inside < r.size {
			return uid != overflowUID
		}
	}
	return false
}
