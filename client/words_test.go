package client_test

import (
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/protocol"
)

// TestTheFakesKnowTheWordsOfTheProtocol: they refuse every other word.
func TestTheFakesKnowTheWordsOfTheProtocol(t *testing.T) {
	var reasons, codes []string
	for _, reason := range protocol.Reasons() {
		reasons = append(reasons, string(reason))
	}
	for _, code := range protocol.Codes() {
		codes = append(codes, string(code))
	}
	for _, path := range []string{"node/src/testing.js", "python/src/neonauthd/testing.py"} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for name, words := range map[string][]string{"REASONS": reasons, "CODES": codes} {
			list := regexp.MustCompile(`(?m)^\S* ?_?` + name + ` = [(\[]\n[^)\]]*`).Find(text)
			found := regexp.MustCompile(`['"]([a-z-]+)['"]`).FindAllStringSubmatch(string(list), -1)
			if !slices.EqualFunc(found, words, func(m []string, word string) bool { return m[1] == word }) {
				t.Errorf("%s: %s are %q, want %q", path, name, found, words)
			}
		}
	}
}

// TestTheClientsKnowTheReasonsThatForbid: the guards of Node and Python respond
// with 403 to the same reasons as HTTPStatus of package protocol.
func TestTheClientsKnowTheReasonsThatForbid(t *testing.T) {
	var want []string
	for _, reason := range protocol.Reasons() {
		if protocol.Rejected(reason).HTTPStatus() == http.StatusForbidden {
			want = append(want, string(reason))
		}
	}
	for path, list := range map[string]string{
		"node/src/refusal.js":              `(?m)^const FORBIDDING = .*$`,
		"python/src/neonauthd/_refusal.py": `(?m)^_FORBIDDING = .*$`,
	} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		line := regexp.MustCompile(list).Find(text)
		found := regexp.MustCompile(`['"]([a-z-]+)['"]`).FindAllStringSubmatch(string(line), -1)
		if !slices.EqualFunc(found, want, func(m []string, word string) bool { return m[1] == word }) {
			t.Errorf("%s: the reasons that forbid are %q, want %q", path, found, want)
		}
	}
}

// TestEveryWordOfTheProtocolIsInEveryList: a new reason or code has to be added
// to the types of Node, and to the cases that all three languages play.
func TestEveryWordOfTheProtocolIsInEveryList(t *testing.T) {
	read := func(path string) string {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	types, cases := read("node/index.d.ts"), read("testdata/httpauth/cases.json")
	rejected, unknown := read("testdata/transcripts/rejected-reasons.txt"), read("testdata/transcripts/unknown-codes.txt")
	demand := func(where, text, what string) {
		if !strings.Contains(text, what) {
			t.Errorf("%s lacks %s", where, what)
		}
	}
	for _, reason := range protocol.Reasons() {
		word := string(reason)
		demand("node/index.d.ts", types, "'"+word+"'")
		demand("rejected-reasons.txt", rejected, " NO "+word+"\n")
		demand("cases.json", cases, `"NO `+word+`"`)
		demand("cases.json", cases, `"asked": ["`+word+`.a.b"]`)
	}
	for _, code := range protocol.Codes() {
		word := string(code)
		demand("node/index.d.ts", types, "'"+word+"'")
		demand("unknown-codes.txt", unknown, " ERR "+word+" ")
		demand("cases.json", cases, `"ERR `+word)
		demand("cases.json", cases, `"asked": ["`+word+`.a.b"]`)
	}
}
