package house_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Budgets. They bind the tail, not the middle: half of all functions should have fewer than a dozen lines.
const (
	maxFunction = 80
	maxFile     = 400
)

// exceptions names what may pass a budget, as "file" or "file function", each with its reason. One that is no longer
// needed fails.
func exceptions() map[string]string {
	return map[string]string{}
}

func checkPackageComment(h *tree) []string {
	var faults []string
	dirs, groups := h.byFolder()
	for _, dir := range dirs {
		var product, commented []*source
		for _, s := range groups[dir] {
			if !s.test {
				product = append(product, s)
			}
		}
		if product == nil {
			product = groups[dir]
		}
		for _, s := range product {
			if s.syntax.Doc.Text() != "" {
				commented = append(commented, s)
			}
		}
		switch {
		case len(commented) == 0:
			faults = append(faults, fmt.Sprintf("package %s has no package comment: say what it is for", dir))
		case len(commented) > 1:
			faults = append(faults, fmt.Sprintf("package %s has %d package comments (%s, %s): keep one", dir, len(commented), commented[0].path, commented[1].path))
		default:
			name := commented[0].syntax.Name.Name
			if name != "main" && !strings.HasPrefix(commented[0].syntax.Doc.Text(), "Package "+name+" ") {
				faults = append(faults, fmt.Sprintf("%s: begin the comment with \"Package %s\"", commented[0].path, name))
			}
		}
	}
	return faults
}

func checkPackageName(h *tree) []string {
	drawers := []string{"util", "utils", "common", "helper", "helpers", "types", "model", "models", "misc", "shared", "lib"}
	var faults []string
	for _, s := range h.sources {
		name := strings.TrimSuffix(s.syntax.Name.Name, "_test")
		if slices.Contains(drawers, name) || slices.Contains(drawers, path.Base(s.dir)) {
			faults = append(faults, fmt.Sprintf("%s: %q names no thing: name the package after what it holds", s.path, name))
		}
	}
	return faults
}

// checkState finds package-level variables that change: those assigned outside their declaration, and those whose type
// exists to be changed.
func checkState(h *tree) []string {
	var faults []string
	dirs, groups := h.byFolder()
	for _, dir := range dirs {
		variables := map[string]bool{}
		for _, s := range groups[dir] {
			if s.test {
				continue
			}
			for _, spec := range packageVariables(s.syntax) {
				for _, name := range spec.Names {
					variables[name.Name] = name.Name != "_"
				}
				if what := changing(spec); what != "" {
					faults = append(faults, fmt.Sprintf("%s: a package-level %s: put it into a struct that somebody owns", h.at(spec), what))
				}
			}
		}
		for _, s := range groups[dir] {
			if !s.test {
				faults = append(faults, h.assignments(s, variables)...)
			}
		}
	}
	return faults
}

func packageVariables(f *ast.File) []*ast.ValueSpec {
	var specs []*ast.ValueSpec
	for _, declaration := range f.Decls {
		if general, ok := declaration.(*ast.GenDecl); ok && general.Tok == token.VAR {
			for _, spec := range general.Specs {
				specs = append(specs, spec.(*ast.ValueSpec))
			}
		}
	}
	return specs
}

// changing names what makes a variable mutable by its kind, "" when nothing does.
func changing(spec *ast.ValueSpec) string {
	found := ""
	look := func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.FuncLit, *ast.FuncType:
			return false
		case *ast.ChanType:
			found = "channel"
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && (x.Name == "sync" || x.Name == "atomic") {
				found = x.Name + "." + n.Sel.Name
			}
		}
		return true
	}
	if spec.Type != nil {
		ast.Inspect(spec.Type, look)
	}
	for _, value := range spec.Values {
		ast.Inspect(value, look)
	}
	return found
}

func (h *tree) assignments(s *source, variables map[string]bool) []string {
	var faults []string
	changed := func(target ast.Expr) {
		name := root(target)
		if name == nil || !variables[name.Name] {
			return
		}
		if name.Obj != nil { // the parser resolves names within a file: local ones are not ours
			if spec, ok := name.Obj.Decl.(*ast.ValueSpec); !ok || !slices.Contains(packageVariables(s.syntax), spec) {
				return
			}
		}
		faults = append(faults, fmt.Sprintf("%s: changes the package-level %s: put it into a struct that somebody owns", h.at(target), name.Name))
	}
	ast.Inspect(s.syntax, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.AssignStmt:
			for _, target := range n.Lhs {
				changed(target)
			}
		case *ast.IncDecStmt:
			changed(n.X)
		}
		return true
	})
	return faults
}

// root returns the variable that an assignment to x, x.y, x[i] or *x changes.
func root(target ast.Expr) *ast.Ident {
	switch x := target.(type) {
	case *ast.Ident:
		return x
	case *ast.SelectorExpr:
		return root(x.X)
	case *ast.IndexExpr:
		return root(x.X)
	case *ast.StarExpr:
		return root(x.X)
	case *ast.ParenExpr:
		return root(x.X)
	}
	return nil
}

func checkSize(h *tree) []string {
	var faults []string
	used := map[string]bool{}
	excepted := func(key string) bool {
		used[key] = true
		return exceptions()[key] != ""
	}
	for _, s := range h.sources {
		if s.lines > maxFile && !excepted(s.path) {
			faults = append(faults, fmt.Sprintf("%s has %d lines, over %d: split it by subject", s.path, s.lines, maxFile))
		}
		for _, declaration := range s.syntax.Decls {
			function, ok := declaration.(*ast.FuncDecl)
			if !ok {
				continue
			}
			lines := h.fset.Position(function.End()).Line - h.fset.Position(function.Pos()).Line + 1
			if lines > maxFunction && !excepted(s.path+" "+function.Name.Name) {
				faults = append(faults, fmt.Sprintf("%s: %s has %d lines, over %d", h.at(function), function.Name.Name, lines, maxFunction))
			}
		}
	}
	for name, text := range h.texts {
		code := slices.Contains([]string{".mjs", ".js", ".ts", ".py", ".sh"}, path.Ext(name))
		if lines := bytes.Count(text, []byte("\n")); code && lines > maxFile && !inTestdata(name) && !excepted(name) {
			faults = append(faults, fmt.Sprintf("%s has %d lines, over %d: split it by subject", name, lines, maxFile))
		}
	}
	for key := range exceptions() {
		if !used[key] {
			faults = append(faults, fmt.Sprintf("%s keeps the budgets: remove its exception", key))
		}
	}
	return faults
}

func checkCertificates(h *tree) []string {
	var faults []string
	for _, s := range h.sources {
		ast.Inspect(s.syntax, func(node ast.Node) bool {
			if name, ok := node.(*ast.Ident); ok && name.Name == "InsecureSkipVerify" {
				faults = append(faults, fmt.Sprintf("%s: checks no certificate: trust a test's own certificate through RootCAs", h.at(node)))
			}
			return true
		})
	}
	return faults
}

// promise matches the usual marks of work put off. They are put together here so that no search finds this file.
func promise() *regexp.Regexp {
	return regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`)
}

func checkPromises(h *tree) []string {
	var faults []string
	for _, s := range h.sources {
		for _, group := range s.syntax.Comments {
			for _, comment := range group.List {
				if promise().MatchString(comment.Text) {
					faults = append(faults, fmt.Sprintf("%s: do it now or leave it out", h.at(comment)))
				}
			}
		}
	}
	for name, text := range h.texts {
		if !inTestdata(name) && promise().Match(text) {
			faults = append(faults, fmt.Sprintf("%s: promises work: do it now or leave it out", name))
		}
	}
	return faults
}
