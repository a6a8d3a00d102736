package systemd_test

import (
	"cmp"
	"slices"
	"strings"
	"testing"
)

// TestNoDynamicUserIsCalledLikeAGroup holds the units to what systemd refuses at start and not before.
func TestNoDynamicUserIsCalledLikeAGroup(t *testing.T) {
	dynamic := 0
	for _, name := range matching(t, "*.service") {
		u := readUnit(t, name)
		user := cmp.Or(u.one("Service.User"), strings.TrimSuffix(name, ".service"))
		if u.one("Service.DynamicUser") != "yes" {
			continue
		}
		if dynamic++; slices.Contains(groups(t), user) {
			t.Errorf("%s: the dynamic user %s has the name of a group of sysusers.d, and the service would not start", name, user)
		}
	}
	if dynamic == 0 {
		t.Error("no service has a dynamic user: this test has looked at nothing")
	}
}

// TestUnitsRunNoProgramOfOtherPackages keeps to the package's own and the shell, which is everywhere: a minimal Debian has no /bin/kill.
func TestUnitsRunNoProgramOfOtherPackages(t *testing.T) {
	for _, name := range matching(t, "*.service") {
		u := readUnit(t, name)
		for _, directive := range []string{"ExecStartPre", "ExecStart", "ExecStartPost", "ExecReload", "ExecStop", "ExecStopPost"} {
			for _, command := range u.all("Service." + directive) {
				program, _, _ := strings.Cut(strings.TrimLeft(command, "+-@:!"), " ")
				own := "/usr/bin/" + strings.TrimSuffix(strings.TrimSuffix(name, ".service"), "-hooks")
				if program != "/bin/sh" && program != own && program != "/usr/bin/neonauthctl" {
					t.Errorf("%s: %s runs %s", name, directive, program)
				}
			}
		}
	}
}
