// Package accesslog writes one JSON line for each request to a file, a Unix
// socket or the journal, for operators who must be able to show which users were
// let in. A request never waits for its line. Lines that cannot be written are
// counted, and the program's own log says why.
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

// MaxWaiting is how many lines can wait to be written. Further lines are lost.
const MaxWaiting = 4096

// Journal is the name of systemd's journal as a destination.
const Journal = "journal"

// Line is one request. Members that do not apply are not written.
type Line struct {
	// Time is when the request was read.
	Time time.Time `json:"time"`
	// Caller is the process that asked; nil if that is not known.
	*Caller
	// Verb is the verb of a question to the daemon. Dialect is the form of a web server's
	// question.
	Verb    string `json:"verb,omitempty"`
	Dialect string `json:"dialect,omitempty"`
	// Level is the level of the answer, or the one that a web server asked for.
	Level   string `json:"level,omitempty"`
	Project string `json:"project,omitempty"`
	// Outcome is accepted, rejected or unknown. Reason says why a token is not accepted.
	// Source says where the evidence for an accepted token comes from.
	Outcome string `json:"outcome"`
	Reason  string `json:"reason,omitempty"`
	Source  string `json:"source,omitempty"`
	// Subject is the user's id. Not the id is written, but its hash; see Key.Subject.
	Subject string `json:"subject,omitempty"`
	// Status is the HTTP status.
	Status int `json:"status,omitempty"`
	// Duration is the time from the request to its answer.
	Duration Seconds `json:"duration"`
}

// Caller is a process on this host. The kernel has given its data when it connected.
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

// Options are the options of New.
type Options struct {
	// Destination is where lines go, in the form that Check reads; "": nowhere.
	Destination string
	// Key is the key for hashes of users' ids.
	Key Key
	// Program is the name of the program in the journal.
	Program string
	// Logger gets a line when lines cannot be written, and when they can be written again.
	// Use a program.Rare as its handler, because this can happen often.
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

// New returns a Log; nil if there is no destination. New does not open the destination;
// Run does. New refuses a file that other users could replace, with folders.ErrUnsafe.
func New(o Options) (*Log, error) {
	if err := Check(o.Destination); o.Destination == "" || err != nil {
		return nil, err
	}
	if err := refusal(o.Destination, os.Geteuid()); err != nil {
		return nil, err
	}
	return &Log{Options: o, journal: journalSocket, lines: make(chan Line, MaxWaiting), reopen: make(chan struct{}, 1)}, nil
}

// Write queues a line. It does not wait and does not allocate.
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

// Written returns how many lines were written.
func (l *Log) Written() uint64 {
	if l == nil {
		return 0
	}
	return l.written.Load()
}

// Lost returns how many lines could not be written, or would have made a request wait.
func (l *Log) Lost() uint64 {
	if l == nil {
		return 0
	}
	return l.lost.Load()
}

// Unsafe returns the error with which New would refuse the destination now; nil if New
// would take it.
func (l *Log) Unsafe() error {
	if l == nil {
		return nil
	}
	return refusal(l.Destination, os.Geteuid())
}

// Reopen has the destination opened again before the next line, after log rotation for
// example. If a file cannot be opened again, the old one stays open, and the logger gets
// the reason.
func (l *Log) Reopen() {
	if l == nil {
		return
	}
	select {
	case l.reopen <- struct{}{}:
	default: // it is requested already
	}
}
