package daemon

import (
	"errors"
	"os"
	"strings"
)

// errUserNamespace refuses rules that cannot work: in a user namespace that
// does not map every user, callers from outside of it all look like one
// (user_namespaces(7), the overflow uid), and a rule for a uid would match
// somebody else or nobody.
var errUserNamespace = errors.New("caller: this process runs in a user namespace in which other users' ids cannot be told; remove the [[caller]] tables, or PrivateUsers= from the unit")

// checkUserNamespace reports whether the ids of callers can be believed.
func checkUserNamespace() error {
	text, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return nil //nolint:nilerr // a system without user namespaces
	}
	if !mapsEveryUser(string(text)) {
		return errUserNamespace
	}
	return nil
}

// mapsEveryUser reports whether a uid_map is that of the initial namespace, or
// one like it: every id stands for itself.
func mapsEveryUser(uidMap string) bool {
	f := strings.Fields(uidMap)
	return len(f) == 3 && f[0] == "0" && f[1] == "0" && f[2] == "4294967295"
}
