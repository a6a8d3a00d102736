// Package accesslog writes one JSON line for each request to a file, a Unix
// socket or the journal, for those who must be able to show who was let in. It
// never makes a request wait: lines that cannot be written are counted.
package accesslog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
)

// Bounds of a log.
const (
	// MaxWaiting is how many lines wait to be written; further ones are lost.
	MaxWaiting = 4096

	writeTimeout = time.Second
	subjectBytes = 16
)

// Journal is the destination that is systemd's journal.
const Journal = "journal"

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
	return errors.New(`has to be "journal", "file:/PATH" or "unix:/PATH"`)
}

// Subject is what stands for a user: half of the SHA-256 of the id, in hex; ""
// for nobody. One id has one hash on every host, so lines can be brought
// together, and whoever knows an id finds its lines.
func Subject(id string) string {
	if id == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:subjectBytes])
}

// Log is an access log. A nil Log writes nothing. It is safe for concurrent use.
type Log struct {
	destination string
	lines       chan []byte
	reopen      chan struct{}
	lost        atomic.Uint64
	out         io.WriteCloser // of Run alone
}

// Open opens the destination; nil is none. Run writes.
func Open(destination string) (*Log, error) {
	if err := Check(destination); destination == "" || err != nil {
		return nil, err
	}
	l := &Log{destination: destination, lines: make(chan []byte, MaxWaiting), reopen: make(chan struct{}, 1)}
	return l, l.connect()
}

// Write writes a value as one line of JSON, soon. It does not wait.
func (l *Log) Write(v any) {
	if l == nil {
		return
	}
	line, err := json.Marshal(v)
	if err != nil {
		l.lost.Add(1)
		return
	}
	select {
	case l.lines <- append(line, '\n'):
	default:
		l.lost.Add(1)
	}
}

// Lost is how many lines could not be written.
func (l *Log) Lost() uint64 {
	if l == nil {
		return 0
	}
	return l.lost.Load()
}

// Reopen opens the destination anew before the next line: what rotates files
// asks for it.
func (l *Log) Reopen() {
	if l == nil {
		return
	}
	select {
	case l.reopen <- struct{}{}:
	default: // asked for already
	}
}

// Run writes lines until ctx ends, and then those that wait.
func (l *Log) Run(ctx context.Context) {
	if l == nil {
		return
	}
	defer l.disconnect()
	for {
		select {
		case line := <-l.lines:
			l.put(line)
		case <-l.reopen:
			l.disconnect()
		case <-ctx.Done():
			for {
				select {
				case line := <-l.lines:
					l.put(line)
				default:
					return
				}
			}
		}
	}
}

// put writes a line, over a new connection if the last one has failed.
func (l *Log) put(line []byte) {
	for range 2 {
		if l.out == nil && l.connect() != nil {
			break
		}
		if _, err := l.out.Write(line); err == nil {
			return
		}
		l.disconnect()
	}
	l.lost.Add(1)
}

func (l *Log) disconnect() {
	if l.out != nil {
		_ = l.out.Close()
		l.out = nil
	}
}

func (l *Log) connect() error {
	kind, path, _ := strings.Cut(l.destination, ":")
	var err error
	switch kind {
	case "file":
		var file *os.File
		if file, err = os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600); err == nil {
			l.out = file
		}
	case "unix":
		var conn net.Conn
		if conn, err = net.DialTimeout("unix", path, writeTimeout); err == nil {
			l.out = bounded{conn}
		}
	default:
		if !journal.Enabled() {
			err = errors.New("there is no journal here")
		}
		l.out = journaled{}
	}
	if err != nil {
		return fmt.Errorf("access log: %w", err)
	}
	return nil
}

// bounded is a connection to a reader that may hang.
type bounded struct{ net.Conn }

func (b bounded) Write(line []byte) (int, error) {
	if err := b.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	return b.Conn.Write(line)
}

// journaled writes each line as a message.
type journaled struct{}

func (journaled) Write(line []byte) (int, error) {
	return len(line), journal.Send(strings.TrimSuffix(string(line), "\n"), journal.PriInfo, map[string]string{"NEONAUTH_ACCESS": "1"})
}

func (journaled) Close() error { return nil }
