package house_test

import (
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// A proof is a tree with one fault, and words of the sentence that its rule has to say about it.
type proof struct {
	rule  string
	fault string
	files map[string]string
	says  string
}

// TestTheRulesCanFail feeds each rule a tree that breaks it. A rule without a proof fails too.
func TestTheRulesCanFail(t *testing.T) {
	proven := map[string]bool{}
	for _, p := range slices.Concat(roomProofs(), ruleProofs(), moduleProofs()) {
		proven[p.rule] = true
		t.Run(p.rule+"/"+p.fault, func(t *testing.T) {
			faults := ruleNamed(t, p.rule).check(planted(t, p.files))
			if !slices.ContainsFunc(faults, func(fault string) bool { return strings.Contains(fault, p.says) }) {
				t.Errorf("no fault says %q, only %q", p.says, faults)
			}
		})
	}
	for _, r := range rules() {
		if !proven[r.name] {
			t.Errorf("nothing shows that the rule %q can fail", r.name)
		}
	}
}

// TestTheRulesCanPass feeds all rules the smallest tree that keeps them, so that no rule fails whatever it is given.
func TestTheRulesCanPass(t *testing.T) {
	house := planted(t, nil)
	for _, r := range rules() {
		for _, fault := range r.check(house) {
			t.Errorf("%s: %s", r.name, fault)
		}
	}
}

// TestTheRulesReadTheTree fails when the walk no longer finds what the rules are about.
func TestTheRulesReadTheTree(t *testing.T) {
	house := planted(t, map[string]string{".tools/x/x.go": "package util\n", "client/testdata/x.go": "no Go"})
	dirs, _ := house.byFolder()
	if len(dirs) != len(rooms())+1 {
		t.Errorf("read the packages %q, want one for each room and the root", dirs)
	}
	if house.texts["client/testdata/x.go"] == nil || house.texts["go.mod"] == nil {
		t.Error("other files are not read as text")
	}
}

func ruleNamed(t *testing.T, name string) rule {
	t.Helper()
	all := rules()
	i := slices.IndexFunc(all, func(r rule) bool { return r.name == name })
	if i < 0 {
		t.Fatalf("there is no rule %q", name)
	}
	return all[i]
}

// planted returns a tree that keeps every rule, with the given files laid over it.
func planted(t *testing.T, files map[string]string) *tree {
	t.Helper()
	all := map[string]string{
		"house_test.go":   "// Package house_test is small.\npackage house_test\n",
		"cache/memory.go": "package cache\n\nimport _ \"github.com/dgraph-io/ristretto/v2\"\n",
		"daemon/keyset/verify.go": "package keyset\n\nimport (\n\t\"time\"\n\n\t_ \"github.com/lestrrat-go/jwx/v2/jws\"\n)\n\n" +
			"// At is when.\nfunc At(now time.Time) time.Time { return now.Add(time.Second) }\n",
		"go.mod": "module " + module + "\n\nrequire (\n\tgithub.com/dgraph-io/ristretto/v2 v2.4.2 // keeps what was asked for\n" +
			"\tgithub.com/lestrrat-go/jwx/v2 v2.1.7 // checks signatures\n\tgolang.org/x/sys v0.1.0 // indirect\n)\n",
	}
	for _, r := range rooms() {
		name := path.Base(r.dir)
		if top := path.Dir(r.dir); top == "cmd" || top == "examples" { // programs; their folders' names may be no Go names
			name = "main"
		}
		all[path.Join(r.dir, "doc.go")] = "// Package " + name + " is a room.\npackage " + name + "\n"
	}
	maps.Copy(all, files)
	root := fstest.MapFS{}
	for name, text := range all {
		root[name] = &fstest.MapFile{Data: []byte(text)}
	}
	house, err := load(root)
	if err != nil {
		t.Fatal(err)
	}
	return house
}

// importing returns a file of a package that imports one thing.
func importing(name, imported string) string {
	return "package " + name + "\n\nimport _ \"" + imported + "\"\n"
}

func roomProofs() []proof {
	one := func(fault, file, imported, says string) proof {
		name := path.Base(path.Dir(file))
		return proof{"rooms", fault, map[string]string{file: importing(name, imported)}, says}
	}
	return []proof{
		one("client imports daemon", "client/x.go", module+"/daemon", "client may not import"),
		one("client imports a library", "client/x.go", "golang.org/x/sync/errgroup", "client may not import"),
		one("client imports what only its tests may", "client/x.go", module+"/daemon/standin", "client may not import"),
		one("daemon imports client", "daemon/x.go", module+"/client", "daemon may not import"),
		one("daemon's tests import client", "daemon/x_test.go", module+"/client", "daemon may not import"),
		one("daemon imports the stand-in", "daemon/x.go", module+"/daemon/standin", "daemon may not import"),
		one("upstream imports cache", "daemon/upstream/x.go", module+"/cache", "daemon/upstream may not import"),
		one("upstream imports protocol", "daemon/upstream/x.go", module+"/protocol", "daemon/upstream may not import"),
		one("keyset imports cache", "daemon/keyset/x.go", module+"/cache", "daemon/keyset may not import"),
		one("keyset imports upstream", "daemon/keyset/x.go", module+"/daemon/upstream", "daemon/keyset may not import"),
		one("keyset imports net/http", "daemon/keyset/x.go", "net/http", "daemon/keyset may not import"),
		one("protocol imports net", "protocol/x.go", "net", "protocol may not import"),
		one("protocol imports a library", "protocol/x.go", "golang.org/x/sys/unix", "protocol may not import"),
		one("cache imports protocol", "cache/x.go", module+"/protocol", "cache may not import"),
		one("cache imports net/http", "cache/x.go", "net/http", "cache may not import"),
		one("standin imports a library", "daemon/standin/x.go", "github.com/lestrrat-go/jwx/v2/jwt", "daemon/standin may not import"),
		one("neonauthctl imports daemon", "cmd/neonauthctl/x.go", module+"/daemon", "cmd/neonauthctl may not import"),
		one("a program holds a test library", "daemon/x.go", "pgregory.net/rapid", "daemon may not import"),
		one("keyset imports jwt", "daemon/keyset/x.go", "github.com/lestrrat-go/jwx/v2/jwt", "daemon/keyset may not import"),
		one("cgo", "client/x.go", "C", "client may not import C"),
		one("a package nobody decided on", "daemon/extra/x.go", "fmt", "daemon/extra has no row"),
		{"rooms", "the root imports a room", map[string]string{"house_x_test.go": importing("house_test", module+"/client")}, "these tests look at files"},
		{"rooms", "code at the root", map[string]string{"main.go": "package house\n"}, "tests only"},
		{"guarded", "ristretto outside the cache", map[string]string{"daemon/x_test.go": importing("daemon", "github.com/dgraph-io/ristretto/v2")}, "only cache may"},
		{"guarded", "jwx outside keyset", map[string]string{"daemon/x.go": importing("daemon", "github.com/lestrrat-go/jwx/v2/jwk")}, "only daemon/keyset may"},
		{"guarded", "a guard over nothing", map[string]string{"cache/memory.go": "package cache\n"}, "nobody imports"},
		{"clock", "keyset calls the clock", map[string]string{"daemon/keyset/x.go": "package keyset\n\nimport \"time\"\n\nfunc f() time.Time { return time.Now() }\n"}, "time.Now"},
		{"clock", "protocol hands the clock on", map[string]string{"protocol/x.go": "package protocol\n\nimport c \"time\"\n\nvar now = c.Now\n"}, "time.Now"},
		{"clock", "keyset waits", map[string]string{"daemon/keyset/x.go": "package keyset\n\nimport \"time\"\n\nfunc f() { <-time.After(1) }\n"}, "time.After"},
		{"clock", "the clock without a name", map[string]string{"protocol/x.go": "package protocol\n\nimport . \"time\"\n\nvar now = Now\n"}, "under its name"},
	}
}

func TestARowWithoutAPackageFails(t *testing.T) {
	house := planted(t, nil)
	house.sources = slices.DeleteFunc(house.sources, func(s *source) bool { return s.dir == "client" })
	faults := checkRooms(house)
	if !slices.ContainsFunc(faults, func(fault string) bool { return strings.Contains(fault, "row for client") }) {
		t.Errorf("no fault speaks of the row for client: %q", faults)
	}
}
