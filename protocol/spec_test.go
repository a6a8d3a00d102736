package protocol_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/protocol"
)

// section returns the text of protocol.md under a heading of the second level, without that heading.
func section(t *testing.T, title string) string {
	t.Helper()
	text, err := os.ReadFile("protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(text), "\n## "+title+"\n")
	if !found {
		t.Fatalf("protocol.md has no section %q", title)
	}
	body, _, _ := strings.Cut(after, "\n## ")
	return body
}

// column returns the words in backquotes that begin a row of a table, without repetition.
func column(t *testing.T, text string) []string {
	t.Helper()
	var words []string
	for _, match := range regexp.MustCompile("(?m)^\\| `([^`]+)`").FindAllStringSubmatch(text, -1) {
		if !slices.Contains(words, match[1]) {
			words = append(words, match[1])
		}
	}
	if len(words) == 0 {
		t.Fatal("no table")
	}
	return words
}

// declared returns the names and literal values of the string constants in words.go that match, in their order. It
// reads the source, so that a constant which no list mentions is found too.
func declared(t *testing.T, match func(name, kind string) bool) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "words.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || len(spec.Values) != 1 {
			return true
		}
		kind := ""
		if name, ok := spec.Type.(*ast.Ident); ok {
			kind = name.Name
		}
		literal, ok := spec.Values[0].(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING || !match(spec.Names[0].Name, kind) {
			return true
		}
		value, err := strconv.Unquote(literal.Value)
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, value)
		return true
	})
	if len(values) == 0 {
		t.Fatal("no constant found")
	}
	return values
}

func texts[S ~string](list []S) []string {
	var out []string
	for _, s := range list {
		out = append(out, string(s))
	}
	return out
}

// same fails unless the lists hold the same words in the same order.
func same(t *testing.T, what string, lists map[string][]string) {
	t.Helper()
	for a, left := range lists {
		for b, right := range lists {
			if a < b && !slices.Equal(left, right) {
				t.Errorf("%s differ.\n%s: %q\n%s: %q", what, a, left, b, right)
			}
		}
	}
}

func ofKind(kind string) func(name, kind string) bool {
	return func(_, k string) bool { return k == kind }
}

func named(prefix string) func(name, kind string) bool {
	return func(name, _ string) bool { return strings.HasPrefix(name, prefix) }
}

func TestSpecAndCodeHaveTheSameReasons(t *testing.T) {
	same(t, "reasons", map[string][]string{
		"protocol.md": column(t, section(t, "Reasons")),
		"constants":   declared(t, ofKind("Reason")),
		"Reasons()":   texts(protocol.Reasons()),
	})
}

func TestSpecAndCodeHaveTheSameCodes(t *testing.T) {
	same(t, "codes", map[string][]string{
		"protocol.md": column(t, section(t, "Errors")),
		"constants":   declared(t, ofKind("Code")),
		"Codes()":     texts(protocol.Codes()),
	})
}

func TestSpecAndCodeHaveTheSameVerbs(t *testing.T) {
	headings := func(title string) []string {
		var verbs []string
		for _, match := range regexp.MustCompile(`(?m)^### (.*)$`).FindAllStringSubmatch(section(t, title), -1) {
			verbs = append(verbs, match[1])
		}
		return verbs
	}
	same(t, "verbs", map[string][]string{
		"protocol.md": slices.Concat(headings("Verbs"), headings("Admin verbs")),
		"constants":   declared(t, ofKind("Verb")),
		"the lists":   slices.Concat(texts(protocol.Verbs()), texts(protocol.AdminVerbs())),
	})
	if got := headings("Admin verbs"); !slices.Equal(got, texts(protocol.AdminVerbs())) {
		t.Errorf("admin verbs of protocol.md: %q", got)
	}
}

func TestSpecAndCodeHaveTheSameFields(t *testing.T) {
	text := section(t, "Fields")
	tables, sources, found := strings.Cut(text, "| `source` | Means |")
	if !found {
		t.Fatal("no table of sources")
	}
	spec, code := column(t, tables), declared(t, named("Field"))
	slices.Sort(spec)
	slices.Sort(code)
	same(t, "fields", map[string][]string{"protocol.md": spec, "constants": code})
	same(t, "sources", map[string][]string{"protocol.md": column(t, sources), "constants": declared(t, named("Source"))})
}

func TestSpecAndCodeHaveTheSameLimits(t *testing.T) {
	code := map[string]int64{
		"MaxRequestLine": protocol.MaxRequestLine, "MaxProfile": protocol.MaxProfile, "MaxReplyLine": protocol.MaxReplyLine,
		"MaxTag": protocol.MaxTag, "MaxName": protocol.MaxName, "MaxFields": protocol.MaxFields,
		"MaxArguments": protocol.MaxArguments, "MaxToken": protocol.MaxToken, "MaxText": protocol.MaxText,
		"MaxClientName": protocol.MaxClientName, "MaxReason": protocol.MaxReason, "MaxID": protocol.MaxID, "MaxTTL": protocol.MaxTTL, "MaxExpires": protocol.MaxExpires, "MaxDeadline": protocol.MaxDeadline,
		"MaxMaxAge": protocol.MaxMaxAge, "MaxHeard": protocol.MaxHeard, "MaxProject": protocol.MaxProject, "MaxFor": protocol.MaxFor, "HandleLength": protocol.HandleLength, "MaxHandles": protocol.MaxHandles,
		"MaxForget": protocol.MaxForget, "MaxWatchLine": protocol.MaxWatchLine, "MaxLease": protocol.MaxLease,
	}
	spec := map[string]int64{}
	row := regexp.MustCompile("(?m)^\\| [^|]* \\| (\\d+)[^|]* \\| `(\\w+)` \\|$")
	for _, match := range row.FindAllStringSubmatch(section(t, "Limits"), -1) {
		value, err := strconv.ParseInt(match[1], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		spec[match[2]] = value
	}
	for name, value := range code {
		if spec[name] != value {
			t.Errorf("%s is %d, and in protocol.md %d", name, value, spec[name])
		}
	}
	for name := range spec {
		if _, ok := code[name]; !ok {
			t.Errorf("protocol.md has %s, and the code has not", name)
		}
	}
	source, err := os.ReadFile("limits.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, match := range regexp.MustCompile(`(?m)^\t(Max\w+) =`).FindAllStringSubmatch(string(source), -1) {
		if _, ok := code[match[1]]; !ok {
			t.Errorf("limits.go has %s, and this test has not", match[1])
		}
	}
}

func TestSpecNamesVersionAndSockets(t *testing.T) {
	text, err := os.ReadFile("protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		fmt.Sprintf("# The neonauthd protocol, version %d\n", protocol.Version),
		"`" + protocol.DefaultSocket + "`", "`" + protocol.DefaultAdminSocket + "`",
		fmt.Sprintf("tag      = 1*%d(", protocol.MaxTag),
		fmt.Sprintf("verb     = 1*%d(", protocol.MaxName),
		fmt.Sprintf("name     = 1*%d(", protocol.MaxName),
		fmt.Sprintf("*%d( SP argument )", protocol.MaxArguments),
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("protocol.md lacks %q", want)
		}
	}
}

// Every link into the page leads somewhere.
func TestSpecHasNoDeadLink(t *testing.T) {
	text, err := os.ReadFile("protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	anchors := map[string]bool{}
	for _, match := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(string(text), -1) {
		anchors[strings.ReplaceAll(strings.ToLower(match[1]), " ", "-")] = true
	}
	links := regexp.MustCompile(`\]\(#([^)]*)\)`).FindAllStringSubmatch(string(text), -1)
	if len(links) == 0 {
		t.Error("no link at all")
	}
	for _, match := range links {
		if !anchors[match[1]] {
			t.Errorf("no heading for #%s", match[1])
		}
	}
}
