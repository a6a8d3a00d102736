// Package nearest finds the word that somebody meant when they mistyped a word.
package nearest

import (
	"strings"
)

// Bounds of what counts as mistyped.
const (
	maxWord     = 64 // bytes of the word that was typed
	maxDistance = 2  // edits between it and the one that was meant
	shortWord   = 5  // bytes of a word that has one edit at most
	minPrefix   = 3  // bytes of a word that was not typed to its end
)

// Of returns the words that typed can be meant to be, in the order of words. These are the
// words with the fewest edits: letters added, left out, replaced or swapped. If there are
// none, these are the words that begin with typed. Case, "-" and "_" do not count.
func Of(typed string, words []string) []string {
	if typed == "" || len(typed) > maxWord {
		return nil
	}
	typed = plain(typed)
	var near []string
	least := maxDistance
	if len(typed) <= shortWord {
		least = 1
	}
	for _, word := range words {
		d := distance(typed, plain(word))
		if d > least || d >= min(len(typed), len(word)) {
			continue
		}
		if d < least {
			least, near = d, nil
		}
		near = append(near, word)
	}
	if near != nil || len(typed) < minPrefix {
		return near
	}
	for _, word := range words {
		if strings.HasPrefix(plain(word), typed) {
			near = append(near, word)
		}
	}
	return near
}

// Question returns a question such as "; did you mean --json?", with the words that typed
// can be meant to be, each between before and after. It returns "" if there are none. The
// question has no part of typed.
func Question(typed string, words []string, before, after string) string {
	near := Of(typed, words)
	if len(near) == 0 {
		return ""
	}
	for i, word := range near {
		near[i] = before + word + after
	}
	return "; did you mean " + strings.Join(near, " or ") + "?"
}

// plain removes the differences that do not count: case, "-", "_" and blanks.
func plain(word string) string {
	return strings.NewReplacer("-", "", "_", "", " ", "").Replace(strings.ToLower(word))
}

// distance is how many bytes have to be added, left out, replaced, or swapped with
// their neighbours, to make one of a and b of the other (the restricted
// Damerau-Levenshtein distance).
func distance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+differ(a[i], b[j]))
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}

func differ(a, b byte) int {
	if a == b {
		return 0
	}
	return 1
}
