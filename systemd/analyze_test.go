package systemd_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

// exposure is the most that `systemd-analyze security` may find, times ten, as its --threshold wants it. The daemon's is
// high because it must reach an upstream (PrivateNetwork, AF_INET, an open allow list) and see the users of its callers.
func exposure() map[string]int {
	return map[string]int{"neonauthd.service": 12, "neonauth-http.service": 5, "neonauth-http-hooks.service": 5}
}

// exposureBlind is the most for a daemon that does not see them.
const exposureBlind = 10

// tool returns the path of a program of systemd's.
func tool(t *testing.T, name string) string {
	t.Helper()
	return need.Program(t, name, "systemd")
}

// systemdVersion returns the major version.
func systemdVersion(t *testing.T) int {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), tool(t, "systemd-analyze"), "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`^systemd ([0-9]+)`).FindSubmatch(out)
	if found == nil {
		t.Fatalf("systemd-analyze --version said %q", out)
	}
	version, err := strconv.Atoi(string(found[1]))
	if err != nil {
		t.Fatal(err)
	}
	return version
}

// installed copies the units to a folder, with the programs that they start beside them.
func installed(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range append(matching(t, "*.service"), matching(t, "*.socket")...) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		moved := regexp.MustCompile(`(?m)^(Exec(?:Start|Reload)=[+]?)/usr/bin/`).ReplaceAllString(string(text), "${1}"+dir+"/")
		write(t, filepath.Join(dir, name), moved, 0o644)
	}
	for _, program := range []string{"neonauthd", "neonauth-http", "neonauthctl"} {
		write(t, filepath.Join(dir, program), "#!/bin/false\n", 0o755)
	}
	return dir
}

func write(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// verify returns what systemd has against the units of a folder, nothing when it would load them silently.
func verify(t *testing.T, dir string) string {
	t.Helper()
	arguments := []string{"verify", "--man=no"}
	for _, pattern := range []string{"*.service", "*.socket"} {
		names, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		arguments = append(arguments, names...)
	}
	out, err := exec.CommandContext(t.Context(), tool(t, "systemd-analyze"), arguments...).CombinedOutput()
	if err != nil && len(out) == 0 {
		t.Fatal(err)
	}
	return string(out)
}

func TestSystemdLoadsTheUnitsWithoutAWord(t *testing.T) {
	if out := verify(t, installed(t)); out != "" {
		t.Errorf("systemd-analyze verify:\n%s", out)
	}
}

func TestVerifyFindsAMisspeltDirective(t *testing.T) {
	dir := installed(t)
	write(t, filepath.Join(dir, "neonauthd.socket"), "[Socket]\nListenStreem=/run/x\n", 0o644)
	if out := verify(t, dir); !strings.Contains(out, "ListenStreem") {
		t.Errorf("systemd-analyze verify overlooks it: %q", out)
	}
}

func TestTheReloadDropInFitsNewerSystemd(t *testing.T) {
	version := systemdVersion(t)
	need.Host(t, version >= 253, fmt.Sprintf("the drop-in is for systemd 253, this is %d", version))
	dir := installed(t)
	text, err := os.ReadFile("drop-ins/notify-reload.conf")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "neonauthd.service.d"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "neonauthd.service.d", "notify-reload.conf"), string(text), 0o644)
	if out := verify(t, dir); out != "" {
		t.Errorf("systemd-analyze verify:\n%s", out)
	}
}

// security tells whether a unit's exposure is within a threshold, and what systemd-analyze said.
func security(t *testing.T, name string, threshold int) (bool, string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), tool(t, "systemd-analyze"), "security", "--offline=true", "--no-pager",
		"--threshold="+strconv.Itoa(threshold), name).CombinedOutput()
	if !strings.Contains(string(out), "Overall exposure level") {
		t.Fatalf("systemd-analyze security %s: %v: %s", name, err, out)
	}
	return err == nil, string(out)
}

func TestServicesAreExposedAsLittleAsTheirWorkAllows(t *testing.T) {
	bounds := exposure()
	for _, name := range matching(t, "*.service") {
		bound, known := bounds[name]
		if !known {
			t.Errorf("%s has no bound", name)
			continue
		}
		if within, out := security(t, name, bound); !within {
			t.Errorf("%s is exposed more than %d.%d:\n%s", name, bound/10, bound%10, out)
		}
		if within, _ := security(t, name, 0); within {
			t.Errorf("%s passes a bound of zero: systemd-analyze does not measure", name)
		}
	}
}

// TestSeeingCallersCostsLittle: the drop-in adds the user namespace and nothing else.
func TestSeeingCallersCostsLittle(t *testing.T) {
	unit := filepath.Join(t.TempDir(), "neonauthd.service")
	var text []byte
	for _, name := range []string{"neonauthd.service", "drop-ins/private-users.conf"} {
		part, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		text = append(append(text, part...), '\n')
	}
	write(t, unit, string(text), 0o644)
	if within, out := security(t, unit, exposureBlind); !within {
		t.Errorf("exposed more than 1.0:\n%s", out)
	}
	if within, _ := security(t, "neonauthd.service", exposureBlind); within {
		t.Error("the drop-in changes nothing: the unit is exposed as little without it")
	}
}

func TestUsersAndFoldersAreMade(t *testing.T) {
	need.Root(t, "making users under another root")
	root := t.TempDir()
	run := func(name string, arguments ...string) {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), tool(t, name), append([]string{"--root=" + root}, arguments...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", name, err, out)
		}
	}
	for _, dir := range []string{"etc/credstore", "usr/lib/sysusers.d", "usr/lib/tmpfiles.d"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	key := filepath.Join(root, "etc/credstore/neonauthd.server-key")
	write(t, key, "canary\n", 0o644)
	secret := filepath.Join(root, "etc/credstore/neonauthd.webhook-secret")
	write(t, secret, "canary\n", 0o644)
	for _, kind := range []string{"sysusers.d", "tmpfiles.d"} {
		text, err := os.ReadFile(filepath.Join(kind, "neonauthd.conf"))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(root, "usr/lib", kind, "neonauthd.conf"), string(text), 0o644)
	}
	run("systemd-sysusers")
	run("systemd-tmpfiles", "--create", "neonauthd.conf")

	made, err := os.ReadFile(filepath.Join(root, "etc/group"))
	if err != nil {
		t.Fatal(err)
	}
	for _, group := range groups(t) {
		if !strings.Contains(string(made), group+":") {
			t.Errorf("group %s was not made: %q", group, made)
		}
	}
	for _, file := range []string{key, secret} {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o400 {
			t.Errorf("%s is not closed to others: %v, %v", file, info, err)
		}
	}
	for _, name := range matching(t, "*.socket") {
		folder := filepath.Join(root, filepath.Dir(readUnit(t, name).one("Socket.ListenStream")))
		if info, err := os.Stat(folder); err != nil || info.Mode().Perm() != 0o755 {
			t.Errorf("%s, the folder of %s, is not open to all and writable by root only: %v, %v", folder, name, info, err)
		}
	}
}
