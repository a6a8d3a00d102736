package client_test

import (
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
	}
	for _, code := range protocol.Codes() {
		word := string(code)
		demand("node/index.d.ts", types, "'"+word+"'")
		demand("unknown-codes.txt", unknown, " ERR "+word+" ")
		demand("cases.json", cases, `"ERR `+word)
	}
}
