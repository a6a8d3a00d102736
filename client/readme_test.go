package client_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

// A trial shows that a block of a README does what the README says.
type trial func(t *testing.T, r *reader, b block)

// readmes are the texts from which people paste, with the trial of each of
// their blocks under the block's name. A block that is not here fails the
// tests.
func readmes() map[string]map[string]trial {
	return map[string]map[string]trial{
		"README.md": {
			"page.mjs":        calls("main.go"),
			"main.go":         serves("/account"),
			"go mod init app": builds("main.go"),
			"files.go":        describes("/mcp", "read"),
			"account_test.go": passes("main.go"),
			"var auth client.Client // share it: it keeps up to 32 connections, for one call each at a time": handles,
		},
		"node/README.md": {
			npmInstall:         shown("newReader has run it"),
			"page.mjs":         calls("server.mjs"),
			"ask.mjs":          asks("SUBJECT", "expired", "not reachable"),
			"server.mjs":       serves("/account"),
			"files.mjs":        describes("/mcp", "read"),
			"greet.mjs":        asks("hello SUBJECT", "please log in", "please come back later"),
			"account_test.mjs": passes(),
		},
		"python/README.md": {
			pipInstall:        shown("pip would have to fetch what builds the package"),
			"ask.py":          asks("SUBJECT", "expired", "not reachable"),
			"ask_async.py":    asks("SUBJECT", "expired", "not reachable"),
			"page.mjs":        calls("app.py"),
			"server.py":       serves("/account"),
			"app.py":          serves("/account"),
			"files.py":        describes("/mcp", "read"),
			"test_account.py": passes(),
			"flask_app.py":    elsewhere("python/tests/frameworks/framework_flask.py", `readme_program("flask_app.py")`),
			"fastapi_app.py":  elsewhere("python/tests/frameworks/framework_fastapi.py", `readme_program("fastapi_app.py")`),
		},
		"../README.md": {
			"page.mjs":                     calls("guard := &middleware.Guard{}"),
			"guard := &middleware.Guard{}": serves("/account"),
			"var auth client.Client // asks the daemon of this host": handles,
			"$ go run ./cmd/neonauthd demo":                          elsewhere("../internal/e2e/neonauthd/firstcommands_test.go", "func TestTheFirstCommandsWorkInAnEmptyFolder("),
			"$ make build":                                           elsewhere("../internal/e2e/neonauthd/readme_test.go", "func TestReadmeSession("),
			"[[project]]":                                            elsewhere("../internal/e2e/neonauthd/readme_test.go", "func TestReadmeConfigurationIsRight("),
			"VERIFY [project=NAME] [deadline=MS] [heard=S] [for=LABEL] [keep=1] TOKEN": elsewhere("../internal/e2e/neonauthd/readme_test.go", "func TestReadmeProtocolIsTheContract("),
			"protocol/": elsewhere("../internal/e2e/neonauthd/readme_test.go", "func TestReadmeNamesTargetsAndFoldersThatThereAre("),
			// It changes the host: only a machine of its own can run it.
			"apt install ./dist/neonauthd_*.deb": elsewhere("../packaging/boot/first.sh", "dpkg -i "),
		},
	}
}

// TestReadmes does what a reader does who pastes every block.
func TestReadmes(t *testing.T) {
	need.Time(t, "it starts the real daemon")
	program := buildDaemon(t)
	for file, trials := range readmes() {
		t.Run(file, func(t *testing.T) {
			blocks := blocksOf(t, file)
			r := newReader(t, program, file)
			r.blocks = blocks
			for _, b := range blocks {
				if try := trials[b.name()]; try != nil {
					t.Run(b.name(), func(t *testing.T) { try(t, r, b) })
				}
			}
		})
	}
}

func TestReadmesHaveNoBlockThatNothingRuns(t *testing.T) {
	for file, trials := range readmes() {
		there := map[string]bool{}
		for _, b := range blocksOf(t, file) {
			if trials[b.name()] == nil {
				t.Errorf("%s:%d: no test runs the block that begins with %q", file, b.line, b.name())
			}
			if there[b.name()] {
				t.Errorf("%s:%d: a second block is called %q", file, b.line, b.name())
			}
			there[b.name()] = true
		}
		for name := range trials {
			if !there[name] {
				t.Errorf("%s has no block %q", file, name)
			}
		}
	}
}

// block is a piece of code in a README, fenced or indented.
type block struct {
	line int // of the README, where its text begins
	text string
}

// The first line of a program gives the name of its file and the command that
// runs it. The second line may give a command to try it.
var programHead = regexp.MustCompile(`^(?://|#) (\w+\.\w+): (.+)\n(?:(?://|#) try it: (.+)\n)?`)

// name returns the name of a program's file. For other blocks it returns the
// first line up to two spaces.
func (b block) name() string {
	if m := programHead.FindStringSubmatch(b.text); m != nil {
		return m[1]
	}
	first, _, _ := strings.Cut(b.text, "\n")
	first, _, _ = strings.Cut(first, "  ")
	return first
}

func (b block) command() string { return programHead.FindStringSubmatch(b.text)[2] }
func (b block) tryIt() string   { return programHead.FindStringSubmatch(b.text)[3] }

func blocksOf(t *testing.T, file string) []block {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := parseBlocks(string(text))
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return blocks
}

// parseBlocks finds the code in a Markdown text. Text that is indented far
// inside a list counts as code too: it is better to find a block too many than
// to miss one.
func parseBlocks(text string) ([]block, error) {
	var blocks []block
	opening := regexp.MustCompile("^( *)(`{3,}|~{3,})")
	deep := regexp.MustCompile("^(    |\t)")
	var indent, fence string // of the block that is open
	open, afterGap := false, true
	for i, line := range strings.Split(text, "\n") {
		start, last := opening.FindStringSubmatch(line), len(blocks)-1
		empty := strings.TrimSpace(line) == ""
		switch {
		case open && fence != "" && strings.TrimSpace(line) == fence:
			open = false
		case open && fence != "":
			blocks[last].text += strings.TrimPrefix(line, indent) + "\n"
		case open && (empty || deep.MatchString(line)):
			blocks[last].text += deep.ReplaceAllString(line, "") + "\n"
		case start != nil:
			open, indent, fence = true, start[1], start[2]
			blocks = append(blocks, block{line: i + 2})
		case afterGap && deep.MatchString(line):
			open, fence = true, ""
			blocks = append(blocks, block{i + 1, deep.ReplaceAllString(line, "") + "\n"})
		default:
			open = false
		}
		afterGap = empty
	}
	if open && fence != "" {
		return nil, fmt.Errorf("line %d: the block has no end", blocks[len(blocks)-1].line)
	}
	return blocks, nil
}

func TestBlocksAreFoundInEveryForm(t *testing.T) {
	text := strings.Join([]string{
		"text", "    no code: it goes on", "", "    one  # remark", "", "    two", "", "text", "```", "fenced", "```",
		"- a list", "", "  ~~~js", "  let x", "    = 1", "  ~~~", "", "\ttab", "``` sh", "# a.py: run it", "# try it: now", "body", "```",
	}, "\n")
	want := []block{
		{4, "one  # remark\n\ntwo\n\n"}, {10, "fenced\n"}, {15, "let x\n  = 1\n"}, {19, "tab\n"},
		{21, "# a.py: run it\n# try it: now\nbody\n"},
	}
	blocks, err := parseBlocks(text)
	if err != nil || !slices.Equal(blocks, want) {
		t.Fatalf("found %+v (error: %v), expected %+v", blocks, err, want)
	}
	if b := blocks[4]; b.name() != "a.py" || b.command() != "run it" || b.tryIt() != "now" || blocks[0].name() != "one" {
		t.Errorf("misread %+v or %+v", b, blocks[0])
	}
	if _, err := parseBlocks("```js\nx\n"); err == nil {
		t.Error("a block without an end is none")
	}
}
