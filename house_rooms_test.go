package house_test

import (
	"fmt"
	"go/ast"
	"slices"
	"strings"
)

// A room is a row of the import table: one package and everything that it may know. House packages are named without
// the module path. Test files may import the room itself and whatever its code may, and testsToo.
type room struct {
	dir      string
	house    []string // packages of this module
	foreign  []string // other modules' packages; one name covers what is below it
	never    []string // packages of the standard library that it must do without
	testsToo []string // packages of this module for its tests alone
	pure     bool     // asks nobody what time it is
	because  string
}

// Groups of libraries that several rows name.
const (
	strictJSON = "github.com/go-json-experiment/json"
	commands   = "github.com/spf13/cobra"
	manager    = "github.com/coreos/go-systemd/v22"
	metrics    = "github.com/VictoriaMetrics/metrics"
	tomlFiles  = "github.com/pelletier/go-toml/v2"
)

// needed is the package by which every test may ask for what it cannot do without.
const needed = "internal/e2e/need"

// rooms returns the import table. A package without a row and a row without a package both fail.
func rooms() []room {
	return slices.Concat([]room{
		{
			dir:     "protocol",
			never:   []string{"net", "os", "log"},
			pure:    true,
			because: "the words are for clients too: a leaf on the standard library, without network or clock",
		},
		{
			dir:      "protocol/dialogue",
			testsToo: []string{"protocol"},
			because:  "it plays lines that it does not understand, so it can play wrong ones",
		},
		{
			dir:      "cache",
			house:    []string{"daemon/clock"},
			foreign:  []string{"github.com/dgraph-io/ristretto/v2", "golang.org/x/sync"},
			never:    []string{"net", "os", "encoding/json"},
			testsToo: []string{"daemon/clock/clocktest"},
			because:  "the memory knows no token, HTTP or line",
		},
		{
			dir:     "daemon/keyset",
			house:   []string{"internal/strictjson"},
			foreign: []string{"github.com/lestrrat-go/jwx/v2/jws", "github.com/lestrrat-go/jwx/v2/jwk", "github.com/lestrrat-go/jwx/v2/jwa"},
			never:   []string{"net", "os", "log"},
			pure:    true,
			because: "bytes, keys and an instant go in, claims come out",
		},
		{
			dir:      "daemon/upstream",
			house:    []string{"daemon/clock", "internal/program", "internal/strictjson"},
			foreign:  []string{"golang.org/x/sync", "golang.org/x/time", "github.com/cenkalti/backoff/v5", "github.com/sony/gobreaker/v2"},
			testsToo: []string{"daemon/clock/clocktest", "daemon/standin"},
			because:  "whoever talks HTTP knows neither the memory nor the socket's words",
		},
		{
			dir:     "daemon/standin",
			because: "the double of the upstream judges nothing with the code that it is there to test",
		},
		{
			dir:      "daemon/revoke",
			house:    []string{"daemon/clock", "daemon/statedir"},
			foreign:  []string{strictJSON},
			never:    []string{"net"},
			testsToo: []string{"daemon/clock/clocktest"},
			because:  "marks and files: what is revoked knows no key, no line of the protocol and no upstream",
		},
		{
			dir:     "daemon/fair",
			never:   []string{"net", "os", "log"},
			because: "who gets how much is decided without knowing what it is",
		},
		{
			dir:      "daemon/config",
			house:    []string{"daemon/keyset", "daemon/upstream", "internal/sockets", "protocol"},
			foreign:  []string{tomlFiles},
			testsToo: []string{"daemon/standin"},
			because:  "what an operator says is read and checked before anything runs",
		},
		{
			dir:   "daemon",
			house: []string{"protocol", "cache", "daemon/clock", "daemon/config", "daemon/fair", "daemon/keyset", "daemon/revoke", "daemon/statedir", "daemon/upstream", "internal/program", "internal/sockets", "internal/strictjson"},
			foreign: []string{
				"github.com/cenkalti/backoff/v5", "golang.org/x/sync", "golang.org/x/sys",
				"golang.org/x/time", metrics,
			},
			testsToo: []string{"daemon/clock/clocktest", "daemon/standin", "protocol/dialogue"},
			because:  "the judgement is asked by clients and asks none",
		},
	}, clients(), shared(), programs())
}

// clients are the rooms of those who ask.
func clients() []room {
	return []room{
		{
			dir:      "client",
			house:    []string{"protocol"},
			testsToo: []string{"daemon", "daemon/standin", "internal/httpauthtest"},
			because:  "an application that asks takes in the standard library and the words, nothing of the daemon",
		},
		{
			dir:     "client/httpauth",
			house:   []string{"client", "protocol"},
			because: "where a token is and what an answer becomes is the same for every guard, and none of them is asked",
		},
		{
			dir:      "client/middleware",
			house:    []string{"client", "client/httpauth"},
			testsToo: []string{"internal/httpauthtest", "protocol"},
			because:  "it turns answers into HTTP by httpauth, and has them from the client only",
		},
		{
			dir:     "internal/httpauthtest",
			house:   []string{"client", "protocol"},
			because: "it holds handlers against the cases and knows nothing of the rules",
		},
	}
}

// shared are the rooms of what several others stand on and that know nothing of them.
func shared() []room {
	return []room{
		{
			dir:      "daemon/clock",
			never:    []string{"net", "os", "log"},
			testsToo: []string{"daemon/clock/clocktest"},
			pure:     true,
			because:  "instants go in, durations come out; whoever asks a clock is not the one who judges it",
		},
		{
			dir:     "daemon/clock/clocktest",
			because: "a clock that tests move knows nothing of what goes by it",
		},
		{
			dir:     "daemon/statedir",
			house:   []string{"internal/folders"},
			because: "whoever keeps files knows nothing of what is in them",
		},
		{
			dir:     "internal/strictjson",
			foreign: []string{strictJSON},
			never:   []string{"net", "os", "log", "encoding/json"},
			pure:    true,
			because: "JSON from outside is read in one way, by whoever reads it",
		},
		{
			dir:     "internal/folders",
			because: "whether a folder is safe has nothing to do with what is in it",
		},
		{
			dir:     "internal/program",
			foreign: []string{manager},
			because: "what every program does alike knows nothing of what one of them does",
		},
		{
			dir:      "internal/program/command",
			house:    []string{"internal/program"},
			foreign:  []string{commands, "github.com/spf13/pflag"},
			testsToo: []string{"internal/program/command/commandtest"},
			because:  "command lines are alike, whatever their commands do",
		},
		{
			dir:     "internal/program/command/commandtest",
			house:   []string{"internal/program"},
			foreign: []string{commands, "github.com/spf13/pflag"},
			because: "it tries a command line as a person would",
		},
		{
			dir:     "internal/e2e",
			house:   []string{"daemon/standin", needed},
			because: "a harness sees of the programs what everybody sees",
		},
		{
			dir:     needed,
			because: "asking for a tool knows no test",
		},
		{
			dir:     "internal/sockets",
			house:   []string{"internal/folders"},
			foreign: []string{manager, "golang.org/x/sys"},
			because: "every program opens sockets, none of them in a way of its own",
		},
	}
}

// guarded names libraries that one room alone may import, tests included.
func guarded() map[string]string {
	return map[string]string{
		"github.com/dgraph-io/ristretto": "cache",
		"github.com/lestrrat-go/jwx":     "daemon/keyset",
	}
}

// forTests names the libraries that no program may contain.
func forTests() []string {
	return []string{
		"github.com/anishathalye/porcupine",
		"github.com/go-jose/go-jose/v4",
		"github.com/rogpeppe/go-internal/testscript",
		"go.uber.org/goleak",
		"pgregory.net/rapid",
	}
}

// testOnly names the folders that hold tests of files, each with the packages that read such files.
func testOnly() map[string][]string {
	return map[string][]string{
		".": nil, "systemd": nil, "internal/archtest": nil, "packaging": {"daemon", "daemon/config"},
		"internal/e2e/neonauthd": {"daemon", "daemon/config", "daemon/standin", "internal/e2e", "internal/program", "protocol", "protocol/dialogue"},
	}
}

func checkRooms(h *tree) []string {
	var faults []string
	dirs, groups := h.byFolder()
	table := rooms()
	for _, dir := range dirs {
		i := slices.IndexFunc(table, func(r room) bool { return r.dir == dir })
		readers, tests := testOnly()[dir]
		switch {
		case tests:
			faults = append(faults, h.checkTestOnly(groups[dir], readers)...)
		case i < 0:
			faults = append(faults, fmt.Sprintf("package %s has no row in the import table: decide what it may know", dir))
		default:
			for _, s := range groups[dir] {
				faults = append(faults, h.checkImports(table[i], s)...)
			}
		}
	}
	for _, r := range table {
		if groups[r.dir] == nil {
			faults = append(faults, fmt.Sprintf("the import table has a row for %s, and there is no such package: remove the row", r.dir))
		}
	}
	return faults
}

func (h *tree) checkImports(r room, s *source) []string {
	var faults []string
	s.imports(func(spec *ast.ImportSpec, imported string) {
		if !r.admits(imported, s.test) {
			faults = append(faults, fmt.Sprintf("%s: %s may not import %s: %s", h.at(spec), r.dir, imported, r.because))
		}
	})
	return faults
}

// admits tells whether a file of the room may import a package.
func (r room) admits(imported string, test bool) bool {
	first, _, _ := strings.Cut(imported, "/")
	switch {
	case imported == "C":
		return false // static binaries, and macOS must build without a C toolchain for Linux
	case within(imported, module):
		inner := strings.TrimPrefix(strings.TrimPrefix(imported, module), "/")
		return slices.Contains(r.house, inner) || test && (inner == r.dir || within(inner, "internal/e2e") || slices.Contains(r.testsToo, inner))
	case strings.Contains(first, "."):
		return withinAny(imported, r.foreign) || test && withinAny(imported, forTests())
	default:
		return test || !withinAny(imported, r.never)
	}
}

func (h *tree) checkTestOnly(sources []*source, readers []string) []string {
	var faults []string
	for _, s := range sources {
		if !s.test {
			faults = append(faults, fmt.Sprintf("%s: this folder holds tests only", s.path))
		}
		s.imports(func(spec *ast.ImportSpec, imported string) {
			inner := strings.TrimPrefix(imported, module+"/")
			if within(imported, module) && inner != needed && !slices.Contains(readers, inner) {
				faults = append(faults, fmt.Sprintf("%s: these tests look at files: no import of %s", h.at(spec), imported))
			}
		})
	}
	return faults
}

func checkGuarded(h *tree) []string {
	var faults []string
	met := map[string]bool{}
	for _, s := range h.sources {
		s.imports(func(spec *ast.ImportSpec, imported string) {
			for library, owner := range guarded() {
				if !strings.HasPrefix(imported, library) {
					continue
				}
				met[library] = true
				if s.dir != owner {
					faults = append(faults, fmt.Sprintf("%s: only %s may import %s", h.at(spec), owner, library))
				}
			}
		})
	}
	for library, owner := range guarded() {
		if !met[library] {
			faults = append(faults, fmt.Sprintf("nobody imports %s any more: take %s's guard over it away", library, owner))
		}
	}
	return faults
}

func checkClock(h *tree) []string {
	asks := []string{"Now", "Since", "Until", "After", "AfterFunc", "Tick", "NewTicker", "NewTimer", "Sleep"}
	var faults []string
	for _, r := range rooms() {
		for _, s := range h.sources {
			if !r.pure || s.dir != r.dir || s.test {
				continue
			}
			if s.named("time") == "." {
				faults = append(faults, fmt.Sprintf("%s: import time under its name", s.path))
			}
			s.uses("time", asks, func(node ast.Node, name string) {
				faults = append(faults, fmt.Sprintf("%s: %s asks the clock with time.%s: take the instant as an argument", h.at(node), r.dir, name))
			})
		}
	}
	return faults
}
