package accesslog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// journalSocket takes messages in the journal's own form.
const journalSocket = "/run/systemd/journal/socket"

// Inspect returns an error if a destination cannot be written to, as far as this can be
// known without writing: the folder of a file, or a socket, has to exist. See also Unsafe.
func Inspect(to string) error {
	kind, path, _ := strings.Cut(to, ":")
	if kind == "file" {
		path = filepath.Dir(path)
	}
	if path == "" {
		path = journalSocket
	}
	_, err := os.Stat(path)
	return err
}

// destination is an open destination. One Write can have several lines.
type destination interface {
	io.WriteCloser
	SetWriteDeadline(time.Time) error // fails for files on a disk, which know no deadlines
}

// connect opens the destination. by is its deadline.
func (l *Log) connect(by time.Time) (destination, error) {
	ctx, cancel := context.WithDeadline(context.Background(), by)
	defer cancel()
	switch kind, path, _ := strings.Cut(l.Destination, ":"); kind {
	case "file":
		return openFile(path, os.Geteuid())
	case "unix":
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
	nc, err := new(net.Dialer).DialContext(ctx, "unixgram", l.journal)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("there is no journal here")
	}
	return &journaled{nc, "PRIORITY=6\nNEONAUTH_ACCESS=1\nSYSLOG_IDENTIFIER=" + l.Program + "\nMESSAGE="}, err
}

// journaled writes each line as a message to the journal (systemd's "Native Journal
// Protocol").
type journaled struct {
	net.Conn
	head string
}

// Write writes the lines of text, and returns how many bytes the journal has taken.
func (j *journaled) Write(text []byte) (n int, err error) {
	for line := range bytes.Lines(text) {
		if _, err := fmt.Fprint(j.Conn, j.head, string(line)); err != nil {
			return n, err
		}
		n += len(line)
	}
	return n, nil
}
