// Package house_test keeps the rules of the house: who may import whom, how large a function may grow, what may not
// stand in a test. It reads the tree with the standard parser, starts no other process, and fails with a sentence that
// says what to do. house_rooms_test.go holds the table of rooms, house_proof_test.go shows that each rule can fail.
package house_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// module is the path of this module in an import.
const module = "github.com/neonauthd/neonauthd"

// A rule finds faults in a tree. It returns one sentence per fault, none when the tree keeps it.
type rule struct {
	name    string
	because string
	check   func(*tree) []string
}

// rules returns every rule of the house.
func rules() []rule {
	return []rule{
		{"rooms", "each room can be understood, tested and replaced without the others", checkRooms},
		{"guarded", "a library with traps is handled in one place only", checkGuarded},
		{"clock", "a pure room gets the instant as an argument, so every instant can be tested", checkClock},
		{"package-comment", "a room says once what it is for", checkPackageComment},
		{"package-name", "a drawer for odds and ends has no reason to stop growing", checkPackageName},
		{"state", "package-level state is shared by tests and programs that do not know of each other", checkState},
		{"size", "what does not fit on a screen is not read to its end", checkSize},
		{"certificates", "an upstream that nobody authenticated can admit anybody", checkCertificates},
		{"promises", "work that is left is an issue, not a comment", checkPromises},
		{"dependencies", "each library has to earn its place", checkDependencies},
		{"top-level", "the first listing of the repository is its table of contents", checkTopLevel},
		{"fixtures", "a test over an empty folder passes and proves nothing", checkFixtures},
		{"fuzz", "a fuzz target without a seed checks nothing in a plain test run", checkFuzz},
	}
}

// TestHouse holds the tree to every rule.
func TestHouse(t *testing.T) {
	house, err := load(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules() {
		t.Run(r.name, func(t *testing.T) {
			for _, fault := range r.check(house) {
				t.Error(fault)
			}
			if t.Failed() {
				t.Logf("the reason for this rule: %s", r.because)
			}
		})
	}
}

// A tree is the repository as the rules see it: build products and foreign code left out.
type tree struct {
	root    fs.FS
	fset    *token.FileSet
	sources []*source
	texts   map[string][]byte // every other text file by its path
	entries []string          // names at the top level
	folders map[string]int    // every folder with the number of files in and below it
}

// A source is one Go file.
type source struct {
	path   string
	dir    string // "." for the root
	test   bool
	lines  int
	syntax *ast.File
}

// skipped are folders that git ignores or owns.
func skipped() []string {
	return []string{".git", ".tools", "bin", "dist", "node_modules", "__pycache__"}
}

func load(root fs.FS) (*tree, error) {
	house := &tree{root: root, fset: token.NewFileSet(), texts: map[string][]byte{}, folders: map[string]int{}}
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name != "." && slices.Contains(skipped(), path.Base(name)) {
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil // .git is a file in a second work tree
		}
		if name != "." && path.Dir(name) == "." {
			house.entries = append(house.entries, name)
		}
		if entry.IsDir() {
			house.folders[name] += 0
			return nil
		}
		return house.add(name)
	})
	if err != nil {
		return nil, fmt.Errorf("read the tree: %w", err)
	}
	return house, nil
}

// add reads one file. A Go file that does not parse is an error: no rule could be checked on it.
func (h *tree) add(name string) error {
	text, err := fs.ReadFile(h.root, name)
	if err != nil {
		return err
	}
	for dir := path.Dir(name); ; dir = path.Dir(dir) {
		h.folders[dir]++
		if dir == "." {
			break
		}
	}
	if path.Ext(name) != ".go" || inTestdata(name) {
		if !bytes.Contains(text[:min(len(text), 8000)], []byte{0}) {
			h.texts[name] = text
		}
		return nil
	}
	syntax, err := parser.ParseFile(h.fset, name, text, parser.ParseComments)
	if err != nil {
		return err
	}
	h.sources = append(h.sources, &source{
		path:   name,
		dir:    path.Dir(name),
		test:   strings.HasSuffix(name, "_test.go"),
		lines:  bytes.Count(text, []byte("\n")),
		syntax: syntax,
	})
	return nil
}

func inTestdata(name string) bool {
	return slices.Contains(strings.Split(name, "/"), "testdata")
}

// at names a place in a file for a fault.
func (h *tree) at(node ast.Node) string {
	position := h.fset.Position(node.Pos())
	return fmt.Sprintf("%s:%d", position.Filename, position.Line)
}

// byFolder groups the Go files, in the order of their folders.
func (h *tree) byFolder() ([]string, map[string][]*source) {
	groups := map[string][]*source{}
	var dirs []string
	for _, s := range h.sources {
		if groups[s.dir] == nil {
			dirs = append(dirs, s.dir)
		}
		groups[s.dir] = append(groups[s.dir], s)
	}
	slices.Sort(dirs)
	return dirs, groups
}

// imports calls visit with the path of each import of a file.
func (s *source) imports(visit func(spec *ast.ImportSpec, imported string)) {
	for _, spec := range s.syntax.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			imported = spec.Path.Value
		}
		visit(spec, imported)
	}
}

// named returns the name under which a file knows a package of the standard library, "" when it does not import it.
func (s *source) named(imported string) string {
	name := ""
	s.imports(func(spec *ast.ImportSpec, p string) {
		if p != imported {
			return
		}
		name = path.Base(p)
		if spec.Name != nil {
			name = spec.Name.Name
		}
	})
	return name
}

// uses calls visit for each mention of one of the names of a package, called or handed on.
func (s *source) uses(imported string, names []string, visit func(node ast.Node, name string)) {
	alias := s.named(imported)
	if alias == "" {
		return
	}
	ast.Inspect(s.syntax, func(node ast.Node) bool {
		selector, ok := node.(*ast.SelectorExpr)
		if !ok || !slices.Contains(names, selector.Sel.Name) {
			return true
		}
		if x, ok := selector.X.(*ast.Ident); ok && x.Name == alias && x.Obj == nil {
			visit(node, selector.Sel.Name)
		}
		return true
	})
}

// within tells whether a path is a folder or package, or below it.
func within(name, parent string) bool {
	return name == parent || strings.HasPrefix(name, parent+"/")
}

func withinAny(name string, parents []string) bool {
	return slices.ContainsFunc(parents, func(parent string) bool { return within(name, parent) })
}
