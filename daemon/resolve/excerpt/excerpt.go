// Package excerpt shows people what a token says: foreign text in visible ASCII, cut,
// a few values of many, and instants with how far away they are.
package excerpt

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/internal/span"
)

// Bounds of what is shown.
const (
	// MaxValue is the most of one value, in bytes.
	MaxValue = 256
	// MaxListed is how many values of one kind are named.
	MaxListed = 8
)

// Of is foreign text in visible ASCII, cut.
func Of(text string) string {
	if len(text) > MaxValue {
		text = text[:MaxValue] + "..."
	}
	quoted := strconv.QuoteToASCII(text)
	return quoted[1 : len(quoted)-1]
}

// List names the first values and how many more there are.
func List(all []string) string {
	more := ""
	if len(all) > MaxListed {
		all, more = all[:MaxListed], fmt.Sprintf(" and %d more", len(all)-MaxListed)
	}
	var text []string
	for _, one := range all {
		text = append(text, Of(one))
	}
	return strings.Join(text, ", ") + more
}

// Instant is an instant in UTC, to the second.
func Instant(at time.Time) string { return at.UTC().Format(time.RFC3339) }

// Distance is how far at is from now, of both of which the seconds are shown: so the
// distance is between what is shown.
func Distance(at, now time.Time) string {
	switch ahead := at.Truncate(time.Second).Sub(now.Truncate(time.Second)); {
	case ahead > 0:
		return "in " + span.String(ahead)
	case ahead < 0:
		return span.String(-ahead) + " ago"
	}
	return "now"
}
