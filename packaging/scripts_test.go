package packaging_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

// found returns the files that match, and fails when there are none.
func found(t *testing.T, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("no file matches %s (%v)", pattern, err)
	}
	return names
}

func TestEveryUnitIsStoppedBeforeRemovalAndItsDropInsPurged(t *testing.T) {
	before, after := read(t, "scripts/preremove.sh"), read(t, "scripts/postremove.sh")
	for _, pattern := range []string{"../systemd/*.socket", "../systemd/*.service"} {
		for _, file := range found(t, pattern) {
			unit := filepath.Base(file)
			for name, script := range map[string]string{"preremove.sh": before, "postremove.sh": after} {
				if !strings.Contains(script, unit) {
					t.Errorf("%s does not name %s", name, unit)
				}
			}
		}
	}
}

func TestEveryGroupIsPurged(t *testing.T) {
	script := read(t, "scripts/postremove.sh")
	groups := 0
	for line := range strings.Lines(read(t, "../systemd/sysusers.d/neonauthd.conf")) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != "u" && fields[0] != "g" {
			continue
		}
		groups++
		if !strings.Contains(script, " "+fields[1]) {
			t.Errorf("postremove.sh leaves the group %s behind", fields[1])
		}
	}
	if groups == 0 {
		t.Fatal("sysusers.d makes no group")
	}
}

// TestAnAbortedRemovalRestoresTheUnits: dpkg stops and disables them, and then keeps the package, for example since the one that
// was to replace it cannot be installed.
func TestAnAbortedRemovalRestoresTheUnits(t *testing.T) {
	dir := t.TempDir()
	systemctl := `#!/bin/sh
echo "$*" >>` + dir + `/calls
case "$*" in
"is-enabled neonauthd.service" | "is-enabled neonauthd.socket") echo enabled ;;
"is-enabled neonauth-http.socket") echo static ;;
"--quiet is-active neonauthd.socket" | "--quiet is-active neonauth-http.service") ;;
*) exit 1 ;;
esac
`
	if err := os.WriteFile(filepath.Join(dir, "systemctl"), []byte(systemctl), 0o755); err != nil {
		t.Fatal(err)
	}
	step := func(script, argument string) []string {
		t.Helper()
		text := strings.NewReplacer("/run/systemd/system", dir, "/run/neonauthd", dir+"/neonauthd").Replace(read(t, "scripts/"+script))
		command := exec.CommandContext(t.Context(), "/bin/sh", "-c", text, script, argument)
		command.Env = []string{"PATH=" + dir + ":/usr/bin:/bin"}
		if out, err := command.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s %s: %v: %s", script, argument, err, out)
		}
		var changes []string
		for line := range strings.Lines(read(t, filepath.Join(dir, "calls"))) {
			if !strings.Contains(line, "is-") {
				changes = append(changes, strings.TrimSpace(line))
			}
		}
		return changes
	}
	if got := step("preremove.sh", "remove"); len(got) != 1 || !strings.HasPrefix(got[0], "disable --now neonauthd.socket ") {
		t.Errorf("a removal does %q", got)
	}
	want := []string{"enable neonauthd.socket neonauthd.service", "start neonauthd.socket neonauth-http.service"}
	if got := step("postinstall.sh", "abort-remove"); !slices.Equal(got[1:], want) {
		t.Errorf("its end does %q, want %q", got[1:], want)
	}
	if got := step("postinstall.sh", "abort-remove"); len(got) != 3 {
		t.Errorf("a second time does %q", got[3:])
	}
}

// TestEveryFolderOfLogsIsPurged that an operator is told to make.
func TestEveryFolderOfLogsIsPurged(t *testing.T) {
	script, told := read(t, "scripts/postremove.sh"), map[string]bool{}
	for _, file := range []string{"../docs/operating.md", "neonauth-http.toml"} {
		for _, m := range regexp.MustCompile("LogsDirectory=([a-z-]+)").FindAllStringSubmatch(read(t, file), -1) {
			told[m[1]] = true
		}
	}
	if len(told) < 2 {
		t.Errorf("only %v is told", told)
	}
	for name := range told {
		if !strings.Contains(script, " /var/log/"+name+" ") {
			t.Errorf("postremove.sh leaves /var/log/%s behind", name)
		}
	}
}

// TestEveryCredentialIsProtectedAndPurged: a secret must not be readable, nor outlive a purge.
func TestEveryCredentialIsProtectedAndPurged(t *testing.T) {
	script, files := read(t, "scripts/postremove.sh"), read(t, "../systemd/tmpfiles.d/neonauthd.conf")
	names := map[string]bool{}
	for _, unit := range found(t, "../systemd/*.service") {
		for _, m := range regexp.MustCompile(`(?m)^LoadCredential=[a-z-]+:neonauthd\.([a-z-]+)$`).FindAllStringSubmatch(read(t, unit), -1) {
			names[m[1]] = true
		}
	}
	if len(names) < 6 {
		t.Fatalf("the units load %v only", names)
	}
	for name := range names {
		if !regexp.MustCompile(`[ \t]` + name + `[ ;]`).MatchString(script) {
			t.Errorf("postremove.sh leaves the credential %s behind", name)
		}
		if !regexp.MustCompile(`(?m)^z /etc/credstore/neonauthd\.` + name + ` +0400 root root -$`).MatchString(files) {
			t.Errorf("tmpfiles.d does not protect the credential %s", name)
		}
	}
}

func TestScriptsParse(t *testing.T) {
	for shell, pattern := range map[string]string{"sh": "scripts/*.sh", "bash": "*.sh"} {
		path := need.Program(t, shell, shell)
		for _, script := range found(t, pattern) {
			if out, err := exec.CommandContext(t.Context(), path, "-n", script).CombinedOutput(); err != nil {
				t.Errorf("%s: %v: %s", script, err, out)
			}
		}
	}
}

// TestScriptsDoNothingInOtherSteps runs each script in a step of the package manager that is not its own. In one that is,
// it would change this machine.
func TestScriptsDoNothingInOtherSteps(t *testing.T) {
	steps := map[string][]string{
		"postinstall.sh": {"abort-upgrade", "abort-remove", "abort-deconfigure"},
		"preremove.sh":   {"upgrade", "deconfigure", "1", "2"},
		"postremove.sh":  {"upgrade", "failed-upgrade", "abort-install", "abort-upgrade", "disappear", "1"},
	}
	for _, script := range found(t, "scripts/*.sh") {
		arguments := steps[filepath.Base(script)]
		if len(arguments) == 0 {
			t.Errorf("%s has no such step here", script)
		}
		for _, argument := range arguments {
			command := exec.CommandContext(t.Context(), "/bin/sh", "-x", script, argument)
			command.Env = []string{"PATH=/nonexistent"}
			if out, err := command.CombinedOutput(); err != nil || !strings.HasSuffix(string(out), "+ exit 0\n") {
				t.Errorf("%s %s: %v: %s", script, argument, err, out)
			}
		}
	}
}

// TestThePackageHasEveryUnit: what is in systemd, where systemd looks for it.
func TestThePackageHasEveryUnit(t *testing.T) {
	usr := staged(t)
	for _, pattern := range []string{"../systemd/*.socket", "../systemd/*.service"} {
		for _, file := range found(t, pattern) {
			if _, err := os.Stat(filepath.Join(usr, "lib/systemd/system", filepath.Base(file))); err != nil {
				t.Errorf("the package lacks %s: %v", filepath.Base(file), err)
			}
		}
	}
}

// TestThePackageHasEachDocumentThatAManualPageOrAUnitNames.
func TestThePackageHasEachDocumentThatAManualPageOrAUnitNames(t *testing.T) {
	usr := staged(t)
	seen := 0
	for _, pattern := range []string{"../docs/man/*.[1-8]", "../systemd/*.service", "../docs/operating.md"} {
		for _, file := range found(t, pattern) {
			for _, m := range regexp.MustCompile(`/usr/(share/doc/neonauthd/[a-z0-9./-]*[a-z0-9])`).FindAllStringSubmatch(read(t, file), -1) {
				seen++
				if _, err := os.Stat(filepath.Join(usr, m[1])); err != nil {
					t.Errorf("%s names what the package lacks: %v", file, err)
				}
			}
		}
	}
	if seen < 8 {
		t.Errorf("only %d documents seen", seen)
	}
}

// staged returns the folder with what the package puts below /usr. Programs and clients are empty.
func staged(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, program := range []string{"neonauthd", "neonauthctl", "neonauth-http"} {
		write("bin/"+program, "#!/bin/sh\n")
	}
	for _, client := range []string{"neonauthd-1.tgz", "neonauthd-1.whl"} {
		write("clients/"+client, "")
	}
	stage := exec.CommandContext(t.Context(), "./stage.sh", dir+"/bin", dir+"/bin", dir+"/clients", dir+"/stage")
	stage.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1")
	if out, err := stage.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return filepath.Join(dir, "stage/usr")
}

// TestThePackageHasEachConfigurationThatAUnitReads.
func TestThePackageHasEachConfigurationThatAUnitReads(t *testing.T) {
	list := read(t, "nfpm.yaml")
	seen := 0
	for _, file := range found(t, "../systemd/*.service") {
		for _, m := range regexp.MustCompile(`--config (/etc/\S+)`).FindAllStringSubmatch(read(t, file), -1) {
			seen++
			if !strings.Contains(list, "dst: "+m[1]+"\n    type: config|noreplace\n") {
				t.Errorf("%s reads %s, which the package does not bring", file, m[1])
			}
		}
	}
	if seen < 3 {
		t.Errorf("only %d configurations seen", seen)
	}
}
