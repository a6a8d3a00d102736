// Package systemd_test reads the units as systemd does, and holds them to what the programs expect of them.
package systemd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A unit is a unit file: the values of each directive by section and name, in their order.
type unit map[string][]string

func (u unit) all(directive string) []string { return u[directive] }

// one returns the last value of a directive, the one in force where only one can be.
func (u unit) one(directive string) string {
	if values := u[directive]; len(values) > 0 {
		return values[len(values)-1]
	}
	return ""
}

func readUnit(t *testing.T, name string) unit {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	u, section := unit{}, ""
	whole := strings.ReplaceAll(string(text), "\\\n", " ") // a line goes on behind a backslash
	for line := range strings.Lines(whole) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "["):
			section = strings.Trim(line, "[]")
		default:
			directive, value, found := strings.Cut(line, "=")
			if !found {
				t.Fatalf("%s: neither section nor directive: %q", name, line)
			}
			key := section + "." + directive
			u[key] = append(u[key], value)
		}
	}
	return u
}

// matching returns the files of this folder that match, and fails when there are none.
func matching(t *testing.T, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("no file matches %s (%v)", pattern, err)
	}
	return names
}

// sourceOf returns all Go code of a package that is no test.
func sourceOf(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	for _, name := range matching(t, filepath.Join("..", dir, "*.go")) {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}

// groups returns the groups that the package creates.
func groups(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("sysusers.d/neonauthd.conf")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 && (fields[0] == "u" || fields[0] == "g") {
			names = append(names, fields[1])
		}
	}
	return names
}

func TestSocketsOpenForAGroupOnly(t *testing.T) {
	for _, name := range matching(t, "*.socket") {
		u := readUnit(t, name)
		if got := u.one("Socket.SocketMode"); got != "0660" {
			t.Errorf("%s: SocketMode=%s, want 0660: systemd's own default admits everybody", name, got)
		}
		if got := u.one("Socket.SocketGroup"); !slices.Contains(groups(t), got) {
			t.Errorf("%s: SocketGroup=%s is none that sysusers.d creates", name, got)
		}
		if got := u.one("Socket.SocketUser"); got != "root" {
			t.Errorf("%s: SocketUser=%s, want root", name, got)
		}
	}
}

func TestASocketOutlivesAServiceThatCannotStart(t *testing.T) {
	for _, name := range matching(t, "*.socket") {
		if got := readUnit(t, name).one("Socket.TriggerLimitIntervalSec"); got != "0" {
			t.Errorf("%s: TriggerLimitIntervalSec=%q: systemd would close the socket after a few failed starts", name, got)
		}
	}
	for _, name := range matching(t, "*.service") {
		u := readUnit(t, name)
		if u.one("Unit.StartLimitIntervalSec") != "0" || u.one("Service.Restart") != "always" {
			t.Errorf("%s gives up restarting", name)
		}
	}
}

// shell returns the script of a "/bin/sh -c" command as systemd gives it to the shell of a unit. runtime is the folder %t.
func shell(t *testing.T, command, name, runtime string) string {
	t.Helper()
	_, script, found := strings.Cut(command, "/bin/sh -c '")
	script, end := strings.CutSuffix(script, "'")
	if !found || !end {
		t.Fatalf("%s: %s is no shell's", name, command)
	}
	return strings.NewReplacer("$$", "$", "%%", "%", "%t", runtime, "%p", strings.TrimSuffix(name, ".service")).Replace(script)
}

// TestAProgramThatDoesNotBecomeReadySlowsOnlyRestarts runs the commands of the units. The boot test shows when systemd does.
func TestAProgramThatDoesNotBecomeReadySlowsOnlyRestarts(t *testing.T) {
	for _, name := range matching(t, "*.service") {
		for _, c := range []struct {
			what   string
			ready  bool
			result string // $SERVICE_RESULT (systemd.exec(5))
			waits  bool
		}{
			{"a wrong configuration, a misspelt flag, a missing credential", false, "exit-code", true},
			{"a kill before it is ready", false, "signal", false},
			{"a start that takes too long", false, "timeout", false},
			{"a stop before it is ready", false, "success", false},
			{"a panic, a stop that cuts connections", true, "exit-code", false},
			{"a kill", true, "signal", false},
			{"the watchdog", true, "watchdog", false},
			{"a stop", true, "success", false},
		} {
			u, runtime := readUnit(t, name), t.TempDir()
			if err := os.Mkdir(filepath.Join(runtime, strings.TrimSuffix(name, ".service")), 0o700); err != nil {
				t.Fatal(err)
			}
			run := func(directive string) string {
				script := shell(t, u.one("Service."+directive), name, runtime)
				cmd := exec.Command("/bin/sh", "-c", "sleep() { :; }\n"+strings.ReplaceAll(script, "exec sleep", "sleep"))
				cmd.Env = append(os.Environ(), "SERVICE_RESULT="+c.result)
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Errorf("%s, %s: %s: %v: %s", name, c.what, directive, err, out)
				}
				return string(out)
			}
			if said := run("ExecStartPre"); said != "" {
				t.Errorf("%s: the first start says %q", name, said)
			}
			if c.ready {
				run("ExecStartPost")
			}
			run("ExecStopPost")
			if said := run("ExecStartPre"); (said != "") != c.waits || c.waits && !strings.Contains(said, " did not start (journalctl -u ") {
				t.Errorf("%s, %s: the next start says %q", name, c.what, said)
			}
			if said := run("ExecStartPre"); said != "" {
				t.Errorf("%s, %s: a restart that ends the wait says %q", name, c.what, said)
			}
		}
	}
}

// TestNoCommandBesideTheProgramFailsAStart, for example one that was cut short.
func TestNoCommandBesideTheProgramFailsAStart(t *testing.T) {
	for _, name := range matching(t, "*.service") {
		u := readUnit(t, name)
		for _, directive := range []string{"Service.ExecStartPre", "Service.ExecStartPost"} {
			if command := u.one(directive); !strings.HasPrefix(command, "-") {
				t.Errorf("%s: %s=%s", name, directive, command)
			}
		}
	}
}

func TestSocketNamesAreThoseTheProgramsExpect(t *testing.T) {
	programs := map[string]string{"neonauthd.service": "daemon", "neonauth-http.service": "cmd/neonauth-http/internal/listen", "neonauth-http-hooks.service": "cmd/neonauth-http/internal/listen"}
	for _, name := range matching(t, "*.socket") {
		u := readUnit(t, name)
		service := u.one("Socket.Service")
		dir, known := programs[service]
		if !known {
			t.Errorf("%s: Service=%q is none of ours", name, service)
			continue
		}
		if _, err := os.Stat(filepath.Join("..", dir)); err != nil {
			t.Logf("%s: there is no %s to compare with", name, dir)
			continue
		}
		if quoted := strconv.Quote(u.one("Socket.FileDescriptorName")); !strings.Contains(sourceOf(t, dir), quoted) {
			t.Errorf("%s: FileDescriptorName=%s stands nowhere in %s", name, quoted, dir)
		}
	}
}

func TestSocketPathsAreThoseTheClientsTry(t *testing.T) {
	words := sourceOf(t, "protocol")
	for _, name := range []string{"neonauthd.socket", "neonauthd-admin.socket"} {
		if path := readUnit(t, name).one("Socket.ListenStream"); !strings.Contains(words, strconv.Quote(path)) {
			t.Errorf("%s listens on %s, which is no default of protocol", name, path)
		}
	}
}

// TestTheDaemonSeesItsCallersUnlessADropInSaysOtherwise: in a user namespace of its own, SO_PEERCRED names every caller 65534.
func TestTheDaemonSeesItsCallersUnlessADropInSaysOtherwise(t *testing.T) {
	for name, want := range map[string]string{"neonauthd.service": "no", "drop-ins/private-users.conf": "yes"} {
		if got := readUnit(t, name).one("Service.PrivateUsers"); got != want {
			t.Errorf("%s: PrivateUsers=%s, want %s", name, got, want)
		}
	}
}

func TestMemoryLimitsAreInOrder(t *testing.T) {
	for _, name := range matching(t, "*.service") {
		u := readUnit(t, name)
		goal := megabytes(t, strings.TrimSuffix(strings.TrimPrefix(u.one("Service.Environment"), "GOMEMLIMIT="), "iB"))
		high, most := megabytes(t, u.one("Service.MemoryHigh")), megabytes(t, u.one("Service.MemoryMax"))
		if goal >= high || high >= most {
			t.Errorf("%s: GOMEMLIMIT %dM, MemoryHigh %dM, MemoryMax %dM: want each above the one before", name, goal, high, most)
		}
		if u.one("Service.MemorySwapMax") != "0" || u.one("Service.LimitCORE") != "0" {
			t.Errorf("%s: what is in memory may reach a disk", name)
		}
	}
}

func megabytes(t *testing.T, size string) int {
	t.Helper()
	digits := regexp.MustCompile(`^([0-9]+)M$`).FindStringSubmatch(size)
	if digits == nil {
		t.Fatalf("size %q is not in M", size)
	}
	n, err := strconv.Atoi(digits[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestNothingButTheProgramMayRun(t *testing.T) {
	for _, name := range matching(t, "*.service") {
		u := readUnit(t, name)
		program, _, _ := strings.Cut(u.one("Service.ExecStart"), " ")
		if got := u.all("Service.ExecPaths"); !slices.Equal(got, []string{program}) || u.one("Service.NoExecPaths") != "/" {
			t.Errorf("%s: ExecPaths=%q, want only %s", name, got, program)
		}
		for _, directive := range []string{"Service.ExecReload", "Service.ExecStartPre", "Service.ExecStartPost", "Service.ExecStopPost"} {
			for _, command := range u.all(directive) {
				if !strings.HasPrefix(strings.TrimPrefix(command, "-"), "+") && !strings.HasPrefix(command, program+" ") {
					t.Errorf("%s: %s=%s could not run inside the sandbox", name, directive, command)
				}
			}
		}
	}
}

// TestAReloadOfAWrongFileFails: the last word on it is of a command that waits for
// it, or one before it reads the file.
func TestAReloadOfAWrongFileFails(t *testing.T) {
	for name, want := range map[string]string{
		"neonauthd.service":     "+/usr/bin/neonauthctl reload --admin-socket " + readUnit(t, "neonauthd-admin.socket").one("Socket.ListenStream"),
		"neonauth-http.service": "/usr/bin/neonauth-http --check --config /etc/neonauthd/neonauth-http.toml",
	} {
		u := readUnit(t, name)
		if first := u.all("Service.ExecReload")[0]; first != want {
			t.Errorf("%s: ExecReload=%s, want %s", name, first, want)
		}
		if _, flags, _ := strings.Cut(want, "--config "); !strings.Contains(u.one("Service.ExecStart"), flags) {
			t.Errorf("%s: ExecStart=%s reads another file than %s", name, u.one("Service.ExecStart"), want)
		}
	}
}

func TestNoSecretComesByTheEnvironment(t *testing.T) {
	for _, name := range []string{"neonauthd.service", "neonauth-http-hooks.service"} {
		u := readUnit(t, name)
		if environment := u.all("Service.Environment"); len(environment) != 1 || u.all("Service.EnvironmentFile") != nil {
			t.Errorf("%s: Environment=%q and EnvironmentFile=%q: only GOMEMLIMIT was expected", name, environment, u.all("Service.EnvironmentFile"))
		}
		if u.one("Service.LoadCredential") == "" {
			t.Errorf("%s: its secret has no LoadCredential=", name)
		}
	}
}

// TestOnlyTheTakerOfWebhooksMayOpenTheAdminSocket: what web servers ask does not come into the group, and what takes
// webhooks is in no other.
func TestOnlyTheTakerOfWebhooksMayOpenTheAdminSocket(t *testing.T) {
	admins := readUnit(t, "neonauthd-admin.socket").one("Socket.SocketGroup")
	for name, want := range map[string][]string{"neonauth-http.service": {"neonauth-http", "neonauthd"}, "neonauth-http-hooks.service": {admins}} {
		u := readUnit(t, name)
		if got := append(u.all("Service.Group"), u.all("Service.SupplementaryGroups")...); !slices.Equal(got, want) {
			t.Errorf("%s is in the groups %q, want %q", name, got, want)
		}
	}
	if command := readUnit(t, "neonauth-http-hooks.service").one("Service.ExecStart"); !strings.HasSuffix(command, " --admin-socket "+readUnit(t, "neonauthd-admin.socket").one("Socket.ListenStream")) {
		t.Errorf("neonauth-http-hooks.service steers another daemon: %s", command)
	}
}

// TestWhatIsOnWishStartsNothing: neither unit of the taker of webhooks is pulled in by another.
func TestWhatIsOnWishStartsNothing(t *testing.T) {
	for _, name := range append(matching(t, "*.service"), matching(t, "*.socket")...) {
		if strings.HasPrefix(name, "neonauth-http-hooks") {
			continue
		}
		for directive, values := range readUnit(t, name) {
			if strings.Contains(strings.Join(values, " "), "neonauth-http-hooks") {
				t.Errorf("%s: %s=%q names a unit that is on wish", name, directive, values)
			}
		}
	}
}
