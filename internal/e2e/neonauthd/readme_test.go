package neonauthd_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/revoke"
	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
	"github.com/neonauthd/neonauthd/protocol"
)

// repository is the folder in which the README's commands run.
const repository = "../../.."

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// fenced returns the README's code blocks in a language.
func fenced(t *testing.T, language string) []string {
	t.Helper()
	var all []string
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(readme(t), -1) {
		all = append(all, m[1])
	}
	if all == nil {
		t.Fatalf("the README has no block of %s", language)
	}
	return all
}

// part returns the README's text under a heading, with line ends replaced by blanks.
func part(t *testing.T, heading string) string {
	t.Helper()
	_, rest, found := strings.Cut(readme(t), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("the README has no heading %q", heading)
	}
	text, _, _ := strings.Cut(rest, "\n## ")
	return strings.Join(strings.Fields(text), " ")
}

// step is one command of a session and the output that the README shows for it.
type step struct {
	command string
	shown   []string
	exit    int // -1: it keeps running
}

// sessions reads the console blocks. "$ " begins a command, and a remark after the
// command gives its exit status if that is not 0.
func sessions(t *testing.T) []step {
	t.Helper()
	var all []step
	for _, block := range fenced(t, "console") {
		for line := range strings.Lines(block) {
			line = strings.TrimSuffix(line, "\n")
			command, begins := strings.CutPrefix(line, "$ ")
			if !begins {
				last := &all[len(all)-1]
				last.shown = append(last.shown, line)
				continue
			}
			s := step{command: command}
			if m := regexp.MustCompile(`# .*\bexit (\d)`).FindStringSubmatch(command); m != nil {
				s.exit, _ = strconv.Atoi(m[1])
			}
			all = append(all, s)
		}
	}
	return all
}

// agrees reports whether a command printed what the README shows and nothing more: "[...]"
// stands for any lines, "..." for any text, and one user's id for another's. If the README
// shows nothing, it leaves out what the command prints.
func agrees(shown []string, printed string) bool {
	if len(shown) == 0 {
		return true
	}
	const id = `[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}`
	pattern := "^"
	for _, line := range shown {
		if line == "[...]" {
			pattern += `(?:.*\n)*`
			continue
		}
		line = regexp.QuoteMeta(regexp.MustCompile(id).ReplaceAllString(line, "\x00"))
		pattern += strings.NewReplacer("\x00", id, `\.\.\.`, `.*`).Replace(line) + `\n`
	}
	return regexp.MustCompile(pattern + "$").MatchString(printed)
}

// TestReadmeSession runs the README's first session unchanged.
func TestReadmeSession(t *testing.T) {
	need.Time(t, "it builds the programs")
	need.Program(t, "make", "make")
	steps, exports, codes := sessions(t), "", map[int]bool{}
	for _, s := range steps {
		switch {
		case strings.Contains(s.command, "neonauthd demo"):
			exports = startDemo(t, repository, s.command)
			continue
		case strings.HasPrefix(s.command, ".ci/run"):
			continue // .ci/run runs this test
		}
		cmd := exec.Command("bash", "-c", exports+"\n"+s.command)
		cmd.Dir, cmd.Env = repository, e2e.Environment()
		var exit *exec.ExitError
		out, err := cmd.Output()
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		if code := cmd.ProcessState.ExitCode(); code != s.exit {
			t.Fatalf("%s ends with %d, and is shown to end with %d", s.command, code, s.exit)
		}
		if !agrees(s.shown, string(out)) {
			t.Errorf("%s prints\n%s\nand is shown to print\n%s", s.command, out, strings.Join(s.shown, "\n"))
		}
		codes[s.exit] = true
	}
	if !codes[0] || !codes[1] || !codes[3] {
		t.Errorf("the README shows the exit codes %v only: it has to show an accepted, a rejected and an unknown answer", codes)
	}
	checkVersions(t)
}

// checkVersions runs --version of the programs that the session has built.
func checkVersions(t *testing.T) {
	t.Helper()
	changelog, err := os.ReadFile(filepath.Join(repository, "CHANGELOG.md"))
	if err != nil {
		t.Fatal(err)
	}
	newest := regexp.MustCompile(`(?m)^## (\S+)`).FindSubmatch(changelog)
	for _, name := range []string{"neonauthd", "neonauthctl", "neonauth-http"} {
		out, err := exec.Command(filepath.Join(repository, "bin", name), "--version").Output()
		if want := fmt.Sprintf("%s %s (commit ", name, newest[1]); err != nil || !strings.HasPrefix(string(out), want) {
			t.Errorf("%s --version prints %q (error: %v), want %q", name, out, err, want)
		}
	}
}

// startDemo runs the demo in a folder until the test ends, and returns its export line.
func startDemo(t *testing.T, dir, command string) (exports string) {
	t.Helper()
	cmd := exec.Command("bash", "-c", command)
	cmd.Dir = dir
	// The demo's sockets are in a folder of the test, because the path of a socket must
	// be short.
	cmd.Env = e2e.Environment("XDG_RUNTIME_DIR=" + e2e.NewFolder(t).Dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C reaches all processes of a terminal
	var stderr e2e.Output
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	signal := func(s syscall.Signal) { _ = syscall.Kill(-cmd.Process.Pid, s) }
	slow := time.AfterFunc(8*e2e.Timeout, func() { signal(syscall.SIGKILL) }) // go run may have to compile it first
	t.Cleanup(func() {
		slow.Reset(e2e.Timeout)
		signal(syscall.SIGINT)
		_, _ = io.Copy(io.Discard, out)
		// "go run" itself ends with 1 after Ctrl-C, and would report a program that ended
		// with an error.
		if err := cmd.Wait(); err != nil && (cmd.ProcessState.ExitCode() != 1 || stderr.String() != "") {
			t.Errorf("the demo ended with %v\n%s", err, stderr.String())
		}
		slow.Stop()
	})
	var printed strings.Builder
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		printed.WriteString(lines.Text() + "\n")
		if strings.HasPrefix(lines.Text(), "export ") {
			return lines.Text()
		}
	}
	t.Fatalf("the demo prints no export:\n%s%s", printed.String(), stderr.String())
	return ""
}

func TestReadmeConfigurationIsRight(t *testing.T) {
	cfg, err := config.Parse([]byte(strings.Join(fenced(t, "toml"), "\n")))
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	for _, p := range cfg.Projects {
		shown[p.Preset] = true
	}
	if len(shown) != 3 {
		t.Errorf("the README configures the presets %v, not all three", shown)
	}
}

func TestDocumentsLinkToWhatIsThere(t *testing.T) {
	links := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for name, least := range map[string]int{"README.md": 8, "CHANGELOG.md": 0, "protocol/protocol.md": 15, "docs/architecture.md": 4, "CONTRIBUTING.md": 3, "docs/operating.md": 3, "docs/state.md": 0, "docs/fairness.md": 2, "docs/fleet.md": 0, "docs/leases.md": 0, "docs/output.md": 0} {
		text, err := os.ReadFile(filepath.Join(repository, name))
		if err != nil {
			t.Error(err)
			continue
		}
		found := links.FindAllStringSubmatch(string(text), -1)
		if len(found) < least {
			t.Errorf("%s has only %d links", name, len(found))
		}
		for _, m := range found {
			if strings.Contains(m[1], "://") {
				continue
			}
			target, anchor, _ := strings.Cut(m[1], "#")
			file := filepath.Join(repository, filepath.Dir(name), target)
			if target == "" {
				file = filepath.Join(repository, name)
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s links to %s: %v", name, m[1], err)
			} else if anchor != "" && !anchors(t, file)[anchor] {
				t.Errorf("%s links to %s: there is no such heading", name, m[1])
			}
		}
	}
}

// anchors returns the anchors of a document's headings.
func anchors(t *testing.T, file string) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(string(text), -1) {
		plain := regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
		all[strings.ReplaceAll(plain, " ", "-")] = true
	}
	return all
}

// constant reads a number from code that this package cannot import.
func constant(t *testing.T, file, name string) int {
	t.Helper()
	code, err := os.ReadFile(filepath.Join(repository, file))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`\b` + name + ` += (\d+)(?: << (\d+))?`).FindSubmatch(code)
	if m == nil {
		t.Fatalf("%s has no constant %s", file, name)
	}
	n, _ := strconv.Atoi(string(m[1]))
	shift, _ := strconv.Atoi(string(m[2]))
	return n << shift
}

func TestReadmeLimitsAreTheCodes(t *testing.T) {
	text := part(t, "Limits")
	cfg := config.Default()
	const kib, mib = 1 << 10, 1 << 20
	for _, want := range []string{
		fmt.Sprintf("A request line has %d KiB, a token %d KiB, a profile %d MiB,", protocol.MaxRequestLine/kib, protocol.MaxToken/kib, protocol.MaxProfile/mib),
		fmt.Sprintf("a key set %d KiB and %d keys.", constant(t, "daemon/upstream/config.go", "MaxKeysetBody")/kib, constant(t, "daemon/keyset/parse.go", "MaxKeys")),
		fmt.Sprintf("By default %d MiB of cache", cfg.Cache.MaxBytes/mib),
		fmt.Sprintf("%d connections, %d of one user, %d lookups in flight on one connection", cfg.Limits.Connections, cfg.Limits.ConnectionsPerUID, cfg.Limits.InFlightPerConnection),
		fmt.Sprintf("%d %03d revocations", revoke.Max/1000, revoke.Max%1000),
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the limits are %q, and the README has\n%s", want, text)
		}
	}
}

func TestReadmeTellsForHowLongProfilesAreKept(t *testing.T) {
	cfg, err := config.Parse([]byte(strings.Join(fenced(t, "toml"), "\n")))
	if err != nil {
		t.Fatal(err)
	}
	kept := time.Duration(cfg.Projects[0].ProfileFresh + cfg.Projects[0].ProfileStale)
	if want := fmt.Sprintf("profiles for %.0f minutes", kept.Minutes()); !strings.Contains(part(t, "Security"), want) {
		t.Errorf("the README does not say %q", want)
	}
}

// TestReadmeProtocolIsTheContract looks for the lines of the README's summary in the
// contract, and parses the replies.
func TestReadmeProtocolIsTheContract(t *testing.T) {
	contract, err := os.ReadFile(filepath.Join(repository, "protocol/protocol.md"))
	if err != nil {
		t.Fatal(err)
	}
	requests, replies := 0, 0
	_, text, _ := strings.Cut(readme(t), "## The protocol")
	text, _, _ = strings.Cut(text, "\n## ")
	for line := range strings.Lines(text) {
		line, indented := strings.CutPrefix(strings.TrimRight(line, "\n"), "    ")
		if !indented {
			continue
		}
		word, _, _ := strings.Cut(line, " ")
		switch word {
		case "OK", "NO", "ERR":
			replies++
			if err := protocol.ParseReply([]byte(line), new(protocol.Reply)); err != nil {
				t.Errorf("%q is no reply: %v", line, err)
			}
		default:
			requests++
			if !strings.Contains(string(contract), "\n    "+line+"\n") {
				t.Errorf("the contract has no %q", line)
			}
		}
	}
	if requests < 2 || replies < 3 {
		t.Errorf("the summary has %d requests and %d replies", requests, replies)
	}
}

func TestReadmeNamesTargetsAndFoldersThatThereAre(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(repository, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	targets := regexp.MustCompile("[`$] ?make ([a-z-]+)").FindAllStringSubmatch(readme(t), -1)
	for _, m := range targets {
		if !regexp.MustCompile(`(?m)^` + m[1] + `:`).Match(makefile) {
			t.Errorf("there is no make %s", m[1])
		}
	}
	under, folders := "", regexp.MustCompile(`(?m)^    (  )?([a-z]+/) `).FindAllStringSubmatch(readme(t), -1)
	for _, m := range folders {
		if m[1] == "" {
			under = m[2]
		} else {
			m[2] = under + m[2]
		}
		if _, err := os.Stat(filepath.Join(repository, m[2])); err != nil {
			t.Error(err)
		}
	}
	if len(targets) < 3 || len(folders) < 8 {
		t.Errorf("found %d targets and %d folders only", len(targets), len(folders))
	}
}
