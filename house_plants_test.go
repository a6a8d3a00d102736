package house_test

import "strings"

// ruleProofs breaks the rules about what stands in a file.
func ruleProofs() []proof {
	daemon := func(name, text string) map[string]string {
		return map[string]string{"daemon/" + name: "package daemon\n\n" + text + "\n"}
	}
	long := strings.Repeat("\t_ = 1\n", maxFunction)
	return []proof{
		{"package-comment", "none", map[string]string{"client/doc.go": "package client\n"}, "has no package comment"},
		{"package-comment", "a build tag is none", map[string]string{"client/doc.go": "//go:build linux\npackage client\n"}, "has no package comment"},
		{"package-comment", "two", map[string]string{"client/x.go": "// Package client is twice here.\npackage client\n"}, "2 package comments"},
		{"package-comment", "of another form", map[string]string{"client/doc.go": "// A room.\npackage client\n"}, "begin the comment"},
		{"package-comment", "none on a folder of tests", map[string]string{"house_test.go": "package house_test\n"}, "has no package comment"},
		{"package-name", "a drawer", map[string]string{"daemon/util/x.go": "package util\n"}, "names no thing"},
		{"package-name", "a drawer's folder", map[string]string{"client/helpers/x.go": "package ask\n"}, "names no thing"},

		{"state", "a counter", daemon("x.go", "var n int\n\nfunc f() { n++ }"), "changes the package-level n"},
		{"state", "a field", daemon("x.go", "var s struct{ n int }\n\nfunc f() { s.n = 1 }"), "changes the package-level s"},
		{"state", "a table that grows", daemon("x.go", "var m = map[int]int{}\n\nfunc f() { m[1] = 2 }"), "changes the package-level m"},
		{"state", "set from another file", map[string]string{
			"daemon/x.go": "package daemon\n\nvar n int\n", "daemon/y.go": "package daemon\n\nfunc f() { n = 1 }\n",
		}, "changes the package-level n"},
		{"state", "a mutex", daemon("x.go", "import \"sync\"\n\nvar mu sync.Mutex"), "sync.Mutex"},
		{"state", "an atomic", daemon("x.go", "import \"sync/atomic\"\n\nvar n = new(atomic.Int64)"), "atomic.Int64"},
		{"state", "a channel", daemon("x.go", "var c = make(chan int)"), "channel"},

		{"size", "a long function", daemon("x.go", "func f() {\n"+long+"}"), "f has 82 lines"},
		{"size", "a long test", daemon("x_test.go", "func f() {\n"+long+"}"), "f has 82 lines"},
		{"size", "a long file", daemon("x.go", strings.Repeat("// line\n", maxFile)), "over 400"},
		{"size", "a long file of another language", map[string]string{"client/node/x.mjs": strings.Repeat("//\n", maxFile+1)}, "over 400"},

		{"certificates", "in a literal", daemon("x.go", "import \"crypto/tls\"\n\nvar c = tls.Config{InsecureSkipVerify: true}"), "checks no certificate"},
		{"certificates", "set later, in a test", daemon("x_test.go", "import \"crypto/tls\"\n\nfunc f(c *tls.Config) { c.InsecureSkipVerify = true }"), "checks no certificate"},
		{"promises", "in a comment", daemon("x.go", "// TO"+"DO: later"), "do it now"},
		{"promises", "at the end of a line", daemon("x_test.go", "var x = 1 /* FIX"+"ME */"), "do it now"},
		{"promises", "in another file", map[string]string{"docs/guide.md": "XX" + "X write this\n"}, "do it now"},
	}
}

// moduleProofs breaks the rules about the module and its folders.
func moduleProofs() []proof {
	requiring := func(line string) map[string]string {
		return map[string]string{"go.mod": "module " + module + "\n\nrequire (\n\t" + line + "\n)\n"}
	}
	file := func(name, text string) map[string]string { return map[string]string{name: text} }
	return []proof{
		{"dependencies", "no reason", requiring("github.com/dgraph-io/ristretto/v2 v2.4.2"), "why we depend on github.com/dgraph-io/ristretto/v2"},
		{"dependencies", "no reason on a line of its own", file("go.mod", "require github.com/dgraph-io/ristretto/v2 v2.4.2\n"), "why we depend on"},
		{"dependencies", "imported and called indirect", requiring("github.com/lestrrat-go/jwx/v2 v2.1.7 // indirect"), "imports it: give it a reason"},
		{"dependencies", "a reason and no use", requiring("golang.org/x/sys v0.1.0 // peer credentials"), "nobody imports it"},
		{"dependencies", "nothing read", file("go.mod", "module "+module+"\n"), "requires nothing"},
		{"top-level", "a stray file", file("notes.txt", "x"), "notes.txt at the top level"},
		{"top-level", "a stray folder", file("scripts/x", "x"), "scripts at the top level"},
		{"top-level", "a stray test", file("other_test.go", "package house_test\n"), "other_test.go at the top level"},
		{"fixtures", "an empty file", file("client/testdata/x.json", ""), "is an empty file"},
		{"fixtures", "an empty folder", file("client/testdata/seeds/.git/x", "x"), "seeds is empty"},
		{"fuzz", "a target without a seed", file("client/x_test.go", "package client\n\nfunc FuzzX(f *testing.F) { f.Fuzz(nil) }\n"), "FuzzX has no seed"},
		{"fuzz", "a corpus without a target", file("client/testdata/fuzz/FuzzGone/1", "x"), "the corpus of no fuzz target"},
	}
}
