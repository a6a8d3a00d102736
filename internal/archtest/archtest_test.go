// Package archtest checks the rules of the architecture that no linter can check. The others are in .golangci.yml.
package archtest

import (
	"bytes"
	"cmp"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// repository is the root of the module.
var repository = os.DirFS("../..")

// skipped are folders that git ignores, and git's own.
var skipped = []string{".git", ".tools", "bin", "dist", "node_modules", "__pycache__"}

// files calls visit with the path and the text of each file, fixtures included.
func files(t *testing.T, visit func(name string, text []byte)) {
	t.Helper()
	seen := 0
	err := fs.WalkDir(repository, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name != "." && slices.Contains(skipped, path.Base(name)) && entry.IsDir():
			return fs.SkipDir
		case entry.IsDir(), path.Base(name) == ".git": // ".git" is a file in a second work tree
			return nil
		}
		text, err := fs.ReadFile(repository, name)
		seen++
		visit(name, text)
		return err
	})
	if err != nil || seen < 100 {
		t.Fatalf("read %d files: %v", seen, err)
	}
}

// goFiles calls visit with each Go file but fixtures.
func goFiles(t *testing.T, visit func(name string, file *ast.File, set *token.FileSet)) {
	t.Helper()
	files(t, func(name string, text []byte) {
		if path.Ext(name) != ".go" || isFixture(name) {
			return
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, text, 0)
		if err != nil {
			t.Fatal(err)
		}
		visit(name, file, set)
	})
}

// packageLines returns how many lines each package has without its tests.
func packageLines(t *testing.T) map[string]int {
	t.Helper()
	lines := map[string]int{}
	goFiles(t, func(name string, file *ast.File, set *token.FileSet) {
		if !strings.HasSuffix(name, "_test.go") {
			lines[path.Dir(name)] += set.Position(file.End()).Line
		}
	})
	return lines
}

func isFixture(name string) bool { return slices.Contains(strings.Split(name, "/"), "testdata") }

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := fs.ReadFile(repository, name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestEachPackageHasARowInTheTableOfImports, and each row has a package. A package without a row could import anything.
func TestEachPackageHasARowInTheTableOfImports(t *testing.T) {
	_, table, found := strings.Cut(read(t, ".golangci.yml"), "# The table of imports:")
	rows := regexp.MustCompile(`(?m)^ +files: \["\*\*/(.+?)/(\*\*/)?\*\.go", "!\$test"\]$`).FindAllStringSubmatch(table, -1)
	if !found || len(rows) < 20 {
		t.Fatalf("read %d rows of the table: has its form changed?", len(rows))
	}
	used := make([]bool, len(rows))
	for dir := range packageLines(t) {
		covered := 0
		for i, row := range rows {
			if dir == row[1] || row[2] != "" && strings.HasPrefix(dir, row[1]+"/") {
				used[i] = true
				covered++
			}
		}
		if covered != 1 {
			t.Errorf("package %s has %d rows in the table of imports (.golangci.yml): decide what it may know, and why", dir, covered)
		}
	}
	for i, row := range rows {
		if !used[i] {
			t.Errorf("the table of imports has a row for %s, and there is no such package: remove it", row[1])
		}
	}
}

// TestEachDependencyHasItsReason: go.mod must say why we depend on a library. Whether each is used, go mod tidy checks.
func TestEachDependencyHasItsReason(t *testing.T) {
	required := regexp.MustCompile(`(?m)^\s*(?:require )?(\S+\.\S+/\S+|\S+\.\S+) v\S+(?: // (.*))?$`).FindAllStringSubmatch(read(t, "go.mod"), -1)
	if len(required) < 5 {
		t.Fatalf("read %d requirements of go.mod", len(required))
	}
	for _, r := range required {
		if r[2] != "indirect" && len(r[2]) < 10 {
			t.Errorf("go.mod: say behind // in one line why we depend on %s", r[1])
		}
	}
}

// TestTheFirstListingIsTheTableOfContents of the repository.
func TestTheFirstListingIsTheTableOfContents(t *testing.T) {
	allowed := []string{
		".ci", ".gitattributes", ".github", ".gitignore", ".golangci.yml", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md", "SECURITY.md",
		"cache", "client", "cmd", "coverage.out", "daemon", "docs", "examples", "go.mod", "go.sum", "internal", "packaging", "protocol", "systemd",
	}
	entries, err := fs.ReadDir(repository, ".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains(allowed, e.Name()) && !slices.Contains(skipped, e.Name()) {
			t.Errorf("%s at the top level: find it a place", e.Name())
		}
	}
}

// TestEachFuzzTargetHasSeeds, because without seeds a plain run checks nothing. Each corpus has a target.
func TestEachFuzzTargetHasSeeds(t *testing.T) {
	corpora, targets := map[string]bool{}, map[string]bool{} // targets: the value is true if the target adds seeds in code
	files(t, func(name string, _ []byte) {
		if dir := path.Dir(name); strings.HasSuffix(path.Dir(dir), "testdata/fuzz") {
			corpora[dir] = true
		}
	})
	goFiles(t, func(name string, file *ast.File, _ *token.FileSet) {
		for _, declaration := range file.Decls {
			f, ok := declaration.(*ast.FuncDecl)
			if ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Fuzz") && strings.HasSuffix(name, "_test.go") {
				targets[path.Join(path.Dir(name), "testdata/fuzz", f.Name.Name)] = addsSeeds(f)
			}
		}
	})
	for target, adds := range targets {
		if !adds && !corpora[target] {
			t.Errorf("%s has no seed: add some with f.Add, or commit a corpus", target)
		}
	}
	for corpus := range corpora {
		if _, ok := targets[corpus]; !ok {
			t.Errorf("%s is the corpus of no fuzz target: remove it, or name the target so", corpus)
		}
	}
}

// addsSeeds reports whether a target calls Add on its *testing.F, or passes it to a function that may.
func addsSeeds(f *ast.FuncDecl) bool {
	parameter := f.Type.Params.List[0].Names[0].Name
	is := func(x ast.Expr) bool { name, ok := x.(*ast.Ident); return ok && name.Name == parameter }
	adds := false
	ast.Inspect(f, func(node ast.Node) bool {
		if call, ok := node.(*ast.CallExpr); ok {
			method, ok := call.Fun.(*ast.SelectorExpr)
			adds = adds || ok && method.Sel.Name == "Add" && is(method.X) || slices.ContainsFunc(call.Args, is)
		}
		return true
	})
	return adds
}

// TestTestsSleepInABubbleOnly: in a bubble of synctest a sleep takes no real time. Outside, a test that sleeps is slow when
// it passes and fails when the machine is slow. Functions other than tests may sleep if the file uses synctest. The soak and
// the test of leases inject faults at random moments: they sleep for real.
func TestTestsSleepInABubbleOnly(t *testing.T) {
	goFiles(t, func(name string, file *ast.File, set *token.FileSet) {
		if !strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "internal/e2e/soak/") || strings.HasPrefix(name, "internal/e2e/leases/") {
			return
		}
		bubble := slices.ContainsFunc(file.Imports, func(i *ast.ImportSpec) bool { return i.Path.Value == `"testing/synctest"` })
		for _, declaration := range file.Decls {
			f, isFunction := declaration.(*ast.FuncDecl)
			real := !bubble || isFunction && regexp.MustCompile(`^(Test|Benchmark|Fuzz)`).MatchString(f.Name.Name)
			var inSelect ast.Stmt
			ast.Inspect(declaration, func(node ast.Node) bool {
				calls := ""
				switch n := node.(type) {
				case *ast.CommClause:
					inSelect = n.Comm // it is visited next, and may end a wait
				case *ast.ExprStmt:
					if text := types.ExprString(n.X); n != inSelect && strings.HasPrefix(text, "<-time.After(") {
						calls = text
					}
				case *ast.CallExpr:
					calls = types.ExprString(n.Fun)
				}
				if real && (calls == "time.Sleep" || strings.HasPrefix(calls, "<-")) {
					t.Errorf("%s sleeps: wait for the event itself, or use testing/synctest", set.Position(node.Pos()))
				}
				return calls != "synctest.Test"
			})
		}
	})
}

// TestPackagesAreSmall: a package that needs more lines has two subjects, and is split by them.
func TestPackagesAreSmall(t *testing.T) {
	most := map[string]int{"daemon": 3000, "cmd/neonauthd": 400, "cmd/neonauthctl": 400, "cmd/neonauth-http": 400}
	for dir, n := range packageLines(t) {
		if limit := cmp.Or(most[dir], 3700); n > limit {
			t.Errorf("package %s has %d lines without tests, over %d: split it by subject", dir, n, limit)
		}
	}
}

// TestFilesAreShortAndPromiseNothing: linters check this for Go. A test that reads an empty fixture proves nothing.
func TestFilesAreShortAndPromiseNothing(t *testing.T) {
	code := []string{".mjs", ".js", ".ts", ".py", ".sh", ".lua"}
	promise := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`)
	files(t, func(name string, text []byte) {
		if isFixture(name) && len(text) == 0 {
			t.Errorf("%s is an empty file: a test that reads it proves nothing", name)
		}
		if isFixture(name) || path.Ext(name) == ".go" || bytes.IndexByte(text, 0) >= 0 {
			return
		}
		if lines := bytes.Count(text, []byte("\n")); lines > 400 && slices.Contains(code, path.Ext(name)) {
			t.Errorf("%s has %d lines, over 400: split it by subject", name, lines)
		}
		if promise.Match(text) {
			t.Errorf("%s promises work: do it now or leave it out", name)
		}
	})
}
