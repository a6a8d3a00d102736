// Package accesslog writes one JSON line for each request to a file, a Unix
// socket or the journal, for those who must be able to show who was let in. It
// never makes a request wait, and never ends a program: lines that cannot be
// written are counted, and the program's own log says why.
package accesslog

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/neonauthd/neonauthd/internal/nearest"
)

// MaxWaiting is how many lines wait to be written; further ones are lost.
const MaxWaiting = 4096

// Journal is the destination that is systemd's journal.
const Journal = "journal"

// Line is one request. Members that do not apply are left out of what is written.
type Line struct {
	// Time is when the request was read.
	Time time.Time `json:"time"`
	// Caller is who asked; nil where that is not known.
	*Caller
	// Verb is what was asked of the daemon, Dialect how a web server asked.
	Verb    string `json:"verb,omitempty"`
	Dialect string `json:"dialect,omitempty"`
	// Level is what was established, or what a web server asked for.
	Level   string `json:"level,omitempty"`
	Project string `json:"project,omitempty"`
	// Outcome is accepted, rejected or unknown; Reason why it is not accepted; Source
	// where the evidence is from if it is.
	Outcome string `json:"outcome"`
	Reason  string `json:"reason,omitempty"`
	Source  string `json:"source,omitempty"`
	// Subject is the id of whom the token is of. What is written is Key.Subject of it.
	Subject string `json:"subject,omitempty"`
	// Status is that of HTTP.
	Status int `json:"status,omitempty"`
	// Duration is the time from the request to its answer.
	Duration Seconds `json:"duration"`
}

// Caller is a process on this host, as the kernel told when it connected.
type Caller struct {
	UID uint32 `json:"uid"`
	PID int32  `json:"pid"`
}

// Seconds is a duration that is written as a number of seconds.
type Seconds time.Duration

// MarshalJSON writes the number.
func (s Seconds) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, time.Duration(s).Seconds(), 'f', -1, 64), nil
}

// Check says what is wrong with a destination: "" (no log), "journal",
// "file:PATH" or "unix:PATH", with an absolute path.
func Check(destination string) error {
	if destination == "" || destination == Journal {
		return nil
	}
	for _, kind := range []string{"file:", "unix:"} {
		if path, ok := strings.CutPrefix(destination, kind); ok && filepath.IsAbs(path) {
			return nil
		}
	}
	return errors.New(`has to be "journal", "file:/PATH" or "unix:/PATH"` + nearest.Question(destination, []string{Journal}, `"`, `"`))
}

// Options are what a Log is made of.
type Options struct {
	// Destination is where lines go, as Check has it; "" is nowhere.
	Destination string
	// Key makes hashes of the ids of users.
	Key Key
	// Program is what the journal knows the lines by.
	Program string
	// Logger hears that lines cannot be written, and that they can be again. Its handler
	// is a program.Rare, or it hears of it often.
	Logger *slog.Logger
}

// Log is an access log. A nil Log writes nothing. It is safe for concurrent use.
type Log struct {
	Options
	journal       string // the journal's socket
	lines         chan Line
	reopen        chan struct{}
	written, lost atomic.Uint64
}

// New returns a Log, nil for no destination. It opens nothing: Run does. A file that
// others could put another in the place of is refused, with folders.ErrUnsafe.
func New(o Options) (*Log, error) {
	if err := Check(o.Destination); o.Destination == "" || err != nil {
		return nil, err
	}
	if err := refusal(o.Destination, os.Geteuid()); err != nil {
		return nil, err
	}
	return &Log{Options: o, journal: journalSocket, lines: make(chan Line, MaxWaiting), reopen: make(chan struct{}, 1)}, nil
}

// Write has a line written, soon. It does not wait, and allocates nothing.
func (l *Log) Write(line Line) {
	if l == nil {
		return
	}
	select {
	case l.lines <- line:
	default:
		l.lost.Add(1)
	}
}

// Written is how many lines were written.
func (l *Log) Written() uint64 {
	if l == nil {
		return 0
	}
	return l.written.Load()
}

// Lost is how many lines could not be written, or would have made a request wait.
func (l *Log) Lost() uint64 {
	if l == nil {
		return 0
	}
	return l.lost.Load()
}

// Unsafe is why the destination would be refused now, as New does it; nil if it is not.
func (l *Log) Unsafe() error {
	if l == nil {
		return nil
	}
	return refusal(l.Destination, os.Geteuid())
}

// Reopen opens the destination anew before the next line: what rotates files
// asks for it. A file that cannot be opened anew stays open, and the logger hears why.
func (l *Log) Reopen() {
	if l == nil {
		return
	}
	select {
	case l.reopen <- struct{}{}:
	default: // asked for already
	}
}
