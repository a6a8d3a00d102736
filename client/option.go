package client

import (
	"time"

	"github.com/neonauthd/neonauthd/protocol"
)

// Option changes one lookup. Its zero value changes nothing.
type Option struct {
	kind optionKind
	text string
	span time.Duration
}

type optionKind uint8

const (
	optNothing optionKind = iota
	optProject
	optMaxAge
	optDeadline
	optFallbackClaims
)

// WithProject asks about a token of the named project instead of
// Client.Project.
func WithProject(name string) Option { return Option{kind: optProject, text: name} }

// MaxAge asks for a profile that was had from the upstream at most age ago.
// Zero forces a live check. It is counted in whole seconds, rounded down, so
// the answer is never older than asked for; more than a day is a day, the
// most the protocol takes. Verify ignores it.
func MaxAge(age time.Duration) Option {
	return Option{kind: optMaxAge, span: min(max(age, 0), protocol.MaxMaxAge*time.Second)}
}

// Deadline replaces Client.Timeout for this lookup: the answer is there after
// at most d, be it what the daemon knows by then. A context that ends earlier
// wins. Zero or less changes nothing.
//
// The daemon is told, with every lookup, to answer a little before the time
// is over (a tenth of it, at most 50 ms), so that it can still say what it
// knows instead of being cut off.
func Deadline(d time.Duration) Option { return Option{kind: optDeadline, span: d} }

// FallbackClaims makes Profile return Accepted at LevelClaims, instead of
// Unknown, when the token is good but the profile cannot be had in time.
// Verify ignores it.
func FallbackClaims() Option { return Option{kind: optFallbackClaims} }

// wishes is what the options of one lookup add up to; the last of a kind wins.
type wishes struct {
	project  string
	maxAge   time.Duration // negative: not asked for
	deadline time.Duration // 0: the client's own
	fallback bool
}

func (c *Client) wishes(opts []Option) wishes {
	w := wishes{project: c.Project, maxAge: -1}
	for _, o := range opts {
		switch o.kind {
		case optNothing:
		case optProject:
			w.project = o.text
		case optMaxAge:
			w.maxAge = o.span
		case optDeadline:
			w.deadline = o.span
		case optFallbackClaims:
			w.fallback = true
		}
	}
	return w
}
