package daemon

import "testing"

func TestOnlyTheIdentityMapsEveryUser(t *testing.T) {
	for _, c := range []struct {
		uidMap string
		want   bool
	}{
		{"         0          0 4294967295\n", true},
		{"         0          0          1\n", false},
		{"0 0 1\n1000 1000 1\n", false},
		{"0 100000 65536\n", false},
		{"", false},
	} {
		if got := mapsEveryUser(c.uidMap); got != c.want {
			t.Errorf("%q: %t, want %t", c.uidMap, got, c.want)
		}
	}
}
