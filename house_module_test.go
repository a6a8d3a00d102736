package house_test

import (
	"fmt"
	"go/ast"
	"path"
	"slices"
	"strings"
)

// A requirement is one line of go.mod's require blocks.
type requirement struct {
	module   string
	comment  string
	indirect bool
}

// requirements reads the require lines of go.mod.
func requirements(text string) []requirement {
	var found []requirement
	inside := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case line == "require (":
			inside = true
			continue
		case line == ")":
			inside = false
			continue
		}
		single := strings.HasPrefix(line, "require ")
		fields, comment, _ := strings.Cut(strings.TrimPrefix(line, "require "), "//")
		words := strings.Fields(fields)
		if !inside && !single || len(words) != 2 {
			continue
		}
		comment = strings.TrimSpace(comment)
		found = append(found, requirement{words[0], comment, comment == "indirect" || strings.HasPrefix(comment, "indirect;")})
	}
	return found
}

// checkDependencies asks a reason for each direct dependency, and that go.mod calls direct just what the tree imports.
func checkDependencies(h *tree) []string {
	required := requirements(string(h.texts["go.mod"]))
	if len(required) == 0 {
		return []string{"go.mod requires nothing: either there is none, or its form has changed and this rule no longer reads it"}
	}
	var faults []string
	for _, r := range required {
		importer := h.importerOf(r.module)
		switch {
		case r.indirect && importer != "":
			faults = append(faults, fmt.Sprintf("go.mod calls %s indirect, and %s imports it: give it a reason", r.module, importer))
		case r.indirect:
		case len(r.comment) < 10:
			faults = append(faults, fmt.Sprintf("go.mod: say after // in one line why we depend on %s", r.module))
		case importer == "":
			faults = append(faults, fmt.Sprintf("go.mod gives a reason for %s, and nobody imports it: remove it", r.module))
		}
	}
	return faults
}

func (h *tree) importerOf(wanted string) string {
	importer := ""
	for _, s := range h.sources {
		s.imports(func(_ *ast.ImportSpec, imported string) {
			if within(imported, wanted) {
				importer = s.path
			}
		})
	}
	return importer
}

func checkTopLevel(h *tree) []string {
	allowed := []string{
		".ci", ".gitattributes", ".github", ".gitignore", ".golangci.yml", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md", "SECURITY.md",
		"cache", "client", "cmd", "coverage.out", "daemon", "docs", "examples", "go.mod", "go.sum", "internal", "packaging",
		"protocol", "systemd",
	}
	var faults []string
	for _, name := range h.entries {
		house := strings.HasPrefix(name, "house_") && strings.HasSuffix(name, "_test.go")
		if !house && !slices.Contains(allowed, name) {
			faults = append(faults, fmt.Sprintf("%s at the top level: find it a room", name))
		}
	}
	return faults
}

func checkFixtures(h *tree) []string {
	var faults []string
	for folder, files := range h.folders {
		if files == 0 && (inTestdata(folder) || path.Base(folder) == "fixtures") {
			faults = append(faults, fmt.Sprintf("%s is empty: a test that reads it proves nothing", folder))
		}
	}
	for name, text := range h.texts {
		if len(text) == 0 && inTestdata(name) {
			faults = append(faults, fmt.Sprintf("%s is an empty file: a test that reads it proves nothing", name))
		}
	}
	return faults
}

// checkFuzz asks that each fuzz target has seeds, added in code or committed, and that each corpus has its target.
func checkFuzz(h *tree) []string {
	var faults []string
	targets := map[string]bool{}
	for _, s := range h.sources {
		for _, declaration := range s.syntax.Decls {
			function, ok := declaration.(*ast.FuncDecl)
			if !ok || !s.test || function.Recv != nil || !strings.HasPrefix(function.Name.Name, "Fuzz") {
				continue
			}
			corpus := path.Join(s.dir, "testdata", "fuzz", function.Name.Name)
			targets[corpus] = true
			if h.folders[corpus] == 0 && !addsSeeds(function) {
				faults = append(faults, fmt.Sprintf("%s: %s has no seed: add some with f.Add, or commit a corpus to %s", h.at(function), function.Name.Name, corpus))
			}
		}
	}
	for folder := range h.folders {
		if strings.HasSuffix(path.Dir(folder), "testdata/fuzz") && !targets[folder] {
			faults = append(faults, fmt.Sprintf("%s is the corpus of no fuzz target: remove it, or name the target so", folder))
		}
	}
	return faults
}

// addsSeeds tells whether a target calls Add on its *testing.F or hands it to a function that may.
func addsSeeds(function *ast.FuncDecl) bool {
	parameters := function.Type.Params.List
	if len(parameters) != 1 || len(parameters[0].Names) != 1 {
		return false
	}
	adds := false
	isF := func(x ast.Expr) bool {
		name, ok := x.(*ast.Ident)
		return ok && name.Name == parameters[0].Names[0].Name
	}
	ast.Inspect(function, func(node ast.Node) bool {
		if call, ok := node.(*ast.CallExpr); ok {
			method, ok := call.Fun.(*ast.SelectorExpr)
			adds = adds || ok && method.Sel.Name == "Add" && isF(method.X) || slices.ContainsFunc(call.Args, isF)
		}
		return true
	})
	return adds
}
