// Package excerpt shows people what a token says. Foreign text is shown in visible
// ASCII and cut, only a few of many values are shown, and instants are shown with
// their distance from now.
package excerpt

import (
	"fmt"
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/internal/foreign"
	"github.com/neonauthd/neonauthd/internal/span"
)

// Bounds of what is shown.
const (
	// MaxValue is how many bytes of one value are shown at most.
	MaxValue = 256
	// MaxListed is how many values of one kind are listed at most.
	MaxListed = 8
)

// Of returns foreign text in visible ASCII, cut at MaxValue.
func Of(text string) string {
	quoted := foreign.Quoted(text, MaxValue)
	return quoted[1 : len(quoted)-1]
}

// List returns the first values, and how many more there are.
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

// Instant returns an instant in UTC, to the second.
func Instant(at time.Time) string { return at.UTC().Format(time.RFC3339) }

// Distance returns how far at is from now. Both are cut to the second first, so the
// distance fits the two instants as they are shown.
func Distance(at, now time.Time) string {
	switch ahead := at.Truncate(time.Second).Sub(now.Truncate(time.Second)); {
	case ahead > 0:
		return "in " + span.String(ahead)
	case ahead < 0:
		return span.String(-ahead) + " ago"
	}
	return "now"
}
