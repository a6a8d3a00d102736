package sockets

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

// The uid_maps of the host, of a unit with PrivateUsers=yes whose user is 998,
// and of a container with users of its own.
const (
	hostMap      = "         0          0 4294967295\n"
	unitMap      = "         0          0          1\n       998        998          1\n"
	containerMap = "         0     100000      65536\n"
)

func namespace(uidMap string) UserNamespace { return ReadUserNamespace(strings.NewReader(uidMap)) }

func TestOnlyTheIdentityMapsEveryUser(t *testing.T) {
	for uidMap, want := range map[string]bool{
		hostMap:                          true,
		unitMap:                          false,
		containerMap:                     false,
		"0 0 1\n":                        false,
		"0 1 4294967295\n":               false,
		"0 0 1000\n1000 1000 4294966295": false,
		"":                               false,
		"no numbers at all":              false,
	} {
		if got := namespace(uidMap).Whole(); got != want {
			t.Errorf("%q: %t, want %t", uidMap, got, want)
		}
	}
}

func TestUsersAreNotToldApartWhereNobodyCanSay(t *testing.T) {
	need.Host(t, runtime.GOOS == "linux", "other kernels have no user namespaces")
	without, empty := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(empty, "uid_map"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		process string
		whole   bool
	}{
		"a kernel without user namespaces": {without, true},
		"no /proc":                         {filepath.Join(without, "nowhere"), false},
		"an empty map":                     {empty, false},
	} {
		if n := userNamespaceOf(c.process); n.Whole() != c.whole || n.Tells(1000) != c.whole {
			t.Errorf("%s: every user is told: %v, user 1000 is: %v", name, n.Whole(), n.Tells(1000))
		}
	}
}

func TestAUserIsToldWhereTheNamespaceMapsThemAndTheKernelShowsNobodyElseSo(t *testing.T) {
	for _, c := range []struct {
		uidMap string
		told   []uint32
		not    []uint32
	}{
		{hostMap, []uint32{0, 998, OverflowUID, 1<<32 - 2}, nil},
		{unitMap, []uint32{0, 998}, []uint32{1, 997, 999, OverflowUID, 1<<32 - 2}},
		{containerMap, []uint32{0, 1000, OverflowUID - 1}, []uint32{OverflowUID, 65536, 100000}},
		{"", nil, []uint32{0, OverflowUID}},
	} {
		n := namespace(c.uidMap)
		for _, uid := range c.told {
			if !n.Tells(uid) {
				t.Errorf("%q: user %d is not told", c.uidMap, uid)
			}
		}
		for _, uid := range c.not {
			if n.Tells(uid) {
				t.Errorf("%q: user %d is told, and could be anybody", c.uidMap, uid)
			}
		}
	}
}
