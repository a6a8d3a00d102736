package neonauthd_test

import (
	"encoding"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
	"github.com/neonauthd/neonauthd/protocol"
)

const manFolder = "../../../docs/man/"

// manPage returns the source of a manual page.
func manPage(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(manFolder + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// manWords returns the words in a page that have an mdoc macro. A macro's words end at the end of the line or at the
// next macro.
func manWords(text, macro string) map[string]bool {
	all := map[string]bool{}
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, ".") {
			continue
		}
		inside := false
		for _, word := range strings.Fields(strings.TrimPrefix(line, ".")) {
			switch {
			case word == macro:
				inside = true
			case regexp.MustCompile(`^[A-Z][a-z]$`).MatchString(word):
				inside = false
			case inside && strings.Trim(word, ",.;:|=") != "":
				all[strings.Trim(word, ",.;:")] = true
			}
		}
	}
	return all
}

// manSection returns one section of a page.
func manSection(t *testing.T, text, title string) string {
	t.Helper()
	_, rest, found := strings.Cut(text, "\n.Sh "+title+"\n")
	if !found {
		t.Fatalf("there is no section %s", title)
	}
	part, _, _ := strings.Cut(rest, "\n.Sh ")
	return part
}

func TestManualPagesAreWellFormed(t *testing.T) {
	pages, err := filepath.Glob(manFolder + "*.[1-8]")
	if err != nil || len(pages) < 5 {
		t.Fatalf("%d manual pages, want at least 5 (error: %v)", len(pages), err)
	}
	lint := need.Program(t, "mandoc", "mandoc")
	for _, p := range pages {
		if out, err := exec.Command(lint, "-T", "lint", "-W", "warning", p).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", p, err, out)
		}
	}
}

// TestManualPagesNameEachOther checks every reference from one of our pages to another.
func TestManualPagesNameEachOther(t *testing.T) {
	pages, err := filepath.Glob(manFolder + "*.[1-8]")
	if err != nil {
		t.Fatal(err)
	}
	ours, met := regexp.MustCompile(`\.Xr (neon\S+) (\d)`), 0
	for _, p := range pages {
		for _, m := range ours.FindAllStringSubmatch(manPage(t, filepath.Base(p)), -1) {
			met++
			if _, err := os.Stat(manFolder + m[1] + "." + m[2]); err != nil {
				t.Errorf("%s refers to %s(%s), which is not there", p, m[1], m[2])
			}
		}
	}
	if met < 10 {
		t.Errorf("only %d references: the test does not find them", met)
	}
}

// manHelp runs a program's --help for every command, and returns the flags and the commands that it lists.
func manHelp(t *testing.T, program string, commands ...string) (flags, names map[string]bool) {
	t.Helper()
	cmd := exec.Command(program, append(slices.Clone(commands), "--help")...)
	cmd.Env = e2e.Environment()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %q --help: %v", program, commands, err)
	}
	flags, names = map[string]bool{}, map[string]bool{}
	part := ""
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
		case !strings.HasPrefix(line, " "):
			part = strings.TrimSpace(line)
		case part == "Flags:" || part == "Global Flags:":
			for _, word := range words[:min(2, len(words))] {
				if strings.HasPrefix(word, "-") {
					flags[strings.TrimPrefix(strings.TrimSuffix(word, ","), "-")] = true
				}
			}
		case part == "Available Commands:":
			names[words[0]] = true
			below, deeper := manHelp(t, program, append(slices.Clone(commands), words[0])...)
			maps.Copy(flags, below)
			if words[0] != "completion" { // its commands are shells, which the page gives as words
				maps.Copy(names, deeper)
			}
		}
	}
	return flags, names
}

func TestManualHasTheFlagsAndCommandsThatThereAre(t *testing.T) {
	web := e2e.Build(t, "neonauth-http")
	for name, program := range map[string]string{
		"neonauthd.8": e2e.Program("neonauthd"), "neonauthctl.1": e2e.Program("neonauthctl"), "neonauth-http.8": web,
	} {
		text := manPage(t, name)
		flags, commands := manHelp(t, program)
		if len(flags) < 5 || len(commands) < 2 {
			t.Errorf("%s: the program seems to have only the flags %v and the commands %v", name, flags, commands)
		}
		described := manWords(text, "Fl")
		for flag := range flags {
			if !described[flag] {
				t.Errorf("%s does not describe -%s", name, flag)
			}
		}
		for flag := range described {
			if !flags[flag] {
				t.Errorf("%s describes -%s, which the program does not have", name, flag)
			}
		}
		words := manWords(text, "Cm")
		for command := range commands {
			if !words[command] && command != "help" {
				t.Errorf("%s does not describe the command %s", name, command)
			}
		}
		for _, m := range regexp.MustCompile(`(?m)^\.It Cm ([a-z-]+)(?: |$)`).FindAllStringSubmatch(text, -1) {
			if name != "neonauth-http.8" && !commands[m[1]] {
				t.Errorf("%s describes the command %s, which the program does not have", name, m[1])
			}
		}
	}
}

// manKeys returns the names of all keys of a configuration type, including those of its tables, and adds the names of
// the tables to tables.
func manKeys(of reflect.Type, tables map[string]bool) map[string]bool {
	all := map[string]bool{}
	for i := range of.NumField() {
		inner := of.Field(i).Type
		if inner.Kind() == reflect.Slice || inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		switch tag := of.Field(i).Tag.Get("toml"); {
		case tag == "-":
		case inner.Kind() == reflect.Struct && !reflect.PointerTo(inner).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
			tables[tag] = true
			maps.Copy(all, manKeys(inner, tables))
		default:
			all[tag] = true
		}
	}
	return all
}

func TestManualHasTheKeysThatThereAre(t *testing.T) {
	text := manPage(t, "neonauthd.toml.5")
	described := manWords(text, "Cm")
	tables := map[string]bool{}
	there := manKeys(reflect.TypeFor[config.Config](), tables)
	if len(there) < 30 {
		t.Fatalf("found only the keys %v", there)
	}
	for key := range there {
		if !described[key] {
			t.Errorf("neonauthd.toml(5) does not describe %s", key)
		}
	}
	for key := range described {
		if !there[key] && !tables[key] {
			t.Errorf("neonauthd.toml(5) describes %s, which is no key", key)
		}
	}
}

// TestManualHasTheKeysOfTheHelper reads the keys from the helper's code, because this package cannot import it.
func TestManualHasTheKeysOfTheHelper(t *testing.T) {
	files, err := filepath.Glob("../../../cmd/neonauth-http/internal/authrequest/*.go")
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, file := range files {
		code, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile("`toml:\"([a-z_]+)\"`").FindAllStringSubmatch(string(code), -1) {
			there[m[1]] = true
		}
	}
	described := manWords(manSection(t, manPage(t, "neonauth-http.8"), "CONFIGURATION"), "Cm")
	delete(described, "[[resource]]") // the table for this key
	if len(there) < 4 || !maps.Equal(there, described) {
		t.Errorf("neonauth-http(8) describes the keys %v, there are %v", slices.Sorted(maps.Keys(described)), slices.Sorted(maps.Keys(there)))
	}
}

// TestManualHasTheDefaultsThatThereAre looks for the default of each plain key between the key's heading and the next
// one.
func TestManualHasTheDefaultsThatThereAre(t *testing.T) {
	cfg, err := config.Parse([]byte("[[project]]\nname=\"m\"\npreset=\"oidc\"\nbase_url=\"https://x.example\"\naudiences=[\"a\"]\n"))
	if err != nil {
		t.Fatal(err)
	}
	text, looked := manPage(t, "neonauthd.toml.5"), 0
	for _, table := range []any{cfg, cfg.Cache, cfg.Limits, cfg.Fleet, cfg.Projects[0]} {
		v := reflect.ValueOf(table)
		for i := range v.NumField() {
			key := v.Type().Field(i).Tag.Get("toml")
			want := manSpelled(t, v.Field(i))
			if want == "" || key == "preset" || key == "base_url" || key == "name" {
				continue
			}
			looked++
			_, rest, _ := strings.Cut(text, "\n.It Cm "+key+"\n")
			entry, _, _ := strings.Cut(rest, "\n.It ")
			if !regexp.MustCompile(`(?i)default[\s\S]{0,8}\n?(\.Qq|\.Pa|)\s*` + regexp.QuoteMeta(want) + `\b`).MatchString(entry) {
				t.Errorf("neonauthd.toml(5), %s: the default is %s, the page says:\n%s", key, want, entry)
			}
		}
	}
	if looked < 15 {
		t.Errorf("looked at %d defaults only", looked)
	}
}

// manSpelled returns a value as a page writes it; "" if the page explains it in words.
func manSpelled(t *testing.T, v reflect.Value) string {
	t.Helper()
	switch value := v.Interface().(type) {
	case string:
		return value
	case int:
		return strconv.Itoa(value)
	case float64:
		return strconv.FormatFloat(value, 'f', -1, 64)
	case interface{ MarshalText() ([]byte, error) }:
		text, err := value.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		short := regexp.MustCompile(`^(\d+[hm])(0m)?0s$`).ReplaceAllString(string(text), "${1}")
		return regexp.MustCompile(`^1m$`).ReplaceAllString(short, "60s")
	}
	return ""
}

func TestManualHasTheProtocolsWords(t *testing.T) {
	text := manPage(t, "neonauthd-protocol.7")
	words := manWords(text, "Cm")
	check := func(title string, all []string) {
		listed := map[string]bool{}
		for _, m := range regexp.MustCompile(`(?m)^\.It Cm ([a-z-]+)$`).FindAllStringSubmatch(manSection(t, text, title), -1) {
			listed[m[1]] = true
		}
		if got, want := slices.Sorted(maps.Keys(listed)), slices.Sorted(slices.Values(all)); !slices.Equal(got, want) {
			t.Errorf("neonauthd-protocol(7) lists %v, there are %v", got, want)
		}
	}
	check("REASONS", manList(protocol.Reasons()))
	check("CODES", manList(protocol.Codes()))
	for _, verb := range slices.Concat(manList(protocol.Verbs()), manList(protocol.AdminVerbs())) {
		if !words[verb] {
			t.Errorf("neonauthd-protocol(7) does not tell of %s", verb)
		}
	}
	for _, n := range []int{protocol.MaxRequestLine, protocol.MaxToken, protocol.MaxReplyLine, protocol.MaxFields, protocol.MaxTag} {
		if !regexp.MustCompile(`\b` + strconv.Itoa(n) + `\b`).MatchString(text) {
			t.Errorf("neonauthd-protocol(7) does not tell of the limit %d", n)
		}
	}
}

// TestManualHasTheCausesOfMisconfigured holds the page against what the protocol says of
// the code, because an operator has to repair each of the causes.
func TestManualHasTheCausesOfMisconfigured(t *testing.T) {
	_, entry, _ := strings.Cut(manSection(t, manPage(t, "neonauthd-protocol.7"), "CODES"), ".It Cm misconfigured\n")
	entry, _, _ = strings.Cut(entry, "\n.It ")
	entry = strings.Join(strings.Fields(strings.ReplaceAll(entry, ".Cm ", "")), " ")
	for _, cause := range []string{
		"refuses the daemon itself",
		"configuration cannot work",
		"the daemon cannot use",
		"too many keys to try on a token without kid",
		"sub of a good token is longer than " + strconv.Itoa(protocol.MaxID) + " bytes",
	} {
		if !strings.Contains(entry, cause) {
			t.Errorf("neonauthd-protocol(7) does not say %q of misconfigured: %s", cause, entry)
		}
	}
}

func manList[S ~string](words []S) []string {
	var all []string
	for _, w := range words {
		all = append(all, string(w))
	}
	return all
}

// TestManualHasTheExitStatusOfAWrongConfiguration: units depend on this status.
func TestManualHasTheExitStatusOfAWrongConfiguration(t *testing.T) {
	h := e2e.NewFolder(t)
	h.Write(t, "neonauthd.toml", "colour = \"blue\"\n")
	cmd := exec.Command(e2e.Program("neonauthd"), "--config", h.Config())
	cmd.Env = e2e.Environment()
	var exit *exec.ExitError
	if err := cmd.Run(); !errors.As(err, &exit) {
		t.Fatalf("a wrong configuration ends with %v", err)
	}
	text := manSection(t, manPage(t, "neonauthd.8"), "EXIT STATUS")
	if !regexp.MustCompile(`\.It ` + strconv.Itoa(exit.ExitCode()) + `\n[^.]*configuration`).MatchString(text) {
		t.Errorf("neonauthd(8) does not say that a wrong configuration ends with %d:\n%s", exit.ExitCode(), text)
	}
}
