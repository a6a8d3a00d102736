package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/neonauthd/neonauthd/client"
)

const (
	// maxDepth is the daemon's default limit of requests in flight on one
	// connection. Beyond the limit the daemon stops reading, and the loop would
	// not be closed any more.
	maxDepth = 256

	// stall is how long the server may be silent before the run ends.
	stall = 10 * time.Second

	// headMost is how many bytes of a reply are read: tag, status and code.
	headMost = 80
)

// load is a set of connections that send a mix in a closed loop.
type load struct {
	lanes []*lane
	done  atomic.Int64 // replies so far, for the progress line
}

// lane is one connection.
type lane struct {
	load   *load
	nc     net.Conn
	script *script
	depth  int
	tags   [][]byte // "@7 " of each slot, nil when untagged
	sent   []time.Time
	oldest int // if untagged: the slot whose reply comes next
	free   []int
	batch  net.Buffers
	in     []byte // read buffer
	head   []byte // the beginning of the reply being read
	length int    // its length so far
	lines  int    // its lines so far, where a reply has several
	tally  *tally
}

// open connects the lanes of a load.
func (b *bench) open(ctx context.Context, path string, m *mix) (*load, error) {
	l := new(load)
	var d net.Dialer
	for n := range b.connections {
		nc, err := d.DialContext(ctx, "unix", path)
		if err != nil {
			l.close()
			return nil, fmt.Errorf("connection %d of %d: %w", n+1, b.connections, err)
		}
		lane := &lane{
			load: l, nc: nc, depth: b.depth, script: newScript(m, n, b.depth),
			sent: make([]time.Time, b.depth), in: make([]byte, 64<<10), head: make([]byte, 0, headMost),
		}
		for slot := range b.depth {
			if b.tagged && m.reply == nil {
				lane.tags = append(lane.tags, []byte("@"+strconv.Itoa(slot)+" "))
			}
		}
		l.lanes = append(l.lanes, lane)
	}
	return l, nil
}

func (l *load) close() {
	for _, lane := range l.lanes {
		_ = lane.nc.Close()
	}
}

// run keeps all lanes busy for d and returns the measurement. Afterwards no
// request is in flight, so it may be called again.
func (l *load) run(ctx context.Context, d time.Duration) (*tally, error) {
	stop := context.AfterFunc(ctx, l.close)
	defer stop()
	start := time.Now()
	end := start.Add(d)
	errs := make([]error, len(l.lanes))
	var wg sync.WaitGroup
	for i, lane := range l.lanes {
		wg.Go(func() { errs[i] = lane.run(end) })
	}
	wg.Wait()
	total := newTally()
	total.elapsed = time.Since(start)
	for _, lane := range l.lanes {
		total.merge(lane.tally)
	}
	if err := ctx.Err(); err != nil {
		return total, err
	}
	return total, ended(errs)
}

// ended returns the first error of the connections, and how many there are. If the server
// ends, all connections have the same error.
func ended(errs []error) error {
	faults := slices.DeleteFunc(slices.Clone(errs), func(err error) bool { return err == nil })
	if len(faults) < 2 {
		return errors.Join(faults...)
	}
	return fmt.Errorf("%w (%d of %d connections ended so)", faults[0], len(faults), len(errs))
}

func (l *lane) run(end time.Time) error {
	l.tally = newTally()
	l.free = l.free[:0]
	for slot := range l.depth {
		l.free = append(l.free, slot)
	}
	l.oldest = 0
	_ = l.nc.SetDeadline(end.Add(stall))
	if err := l.send(time.Now()); err != nil {
		return err
	}
	for {
		n, err := l.nc.Read(l.in)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
			return client.ErrBroken
		case errors.Is(err, os.ErrDeadlineExceeded):
			return fmt.Errorf("the server stopped answering: %w", context.DeadlineExceeded)
		case err != nil:
			return fmt.Errorf("the server stopped answering: %w", err)
		}
		now := time.Now()
		if err := l.take(l.in[:n], now); err != nil {
			return err
		}
		if now.Before(end) {
			err = l.send(now)
		} else if len(l.free) == l.depth {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// send sends all requests that the window allows, in one write.
func (l *lane) send(now time.Time) error {
	if len(l.free) == 0 {
		return nil
	}
	l.batch = l.batch[:0]
	for _, slot := range l.free {
		if l.tags != nil {
			l.batch = append(l.batch, l.tags[slot])
		}
		line := l.script.next(slot)
		l.batch = append(l.batch, line)
		l.sent[slot] = now
		l.tally.bytesOut += uint64(len(line))
	}
	l.free = l.free[:0]
	rest := l.batch // WriteTo empties its receiver
	var err error
	if len(rest) == 1 {
		_, err = l.nc.Write(rest[0])
	} else {
		_, err = rest.WriteTo(l.nc)
	}
	if errors.Is(err, syscall.EPIPE) {
		return client.ErrBroken
	}
	return err
}

// take parses received bytes: it reads the beginning of each reply and finds
// its end.
func (l *lane) take(text []byte, now time.Time) error {
	for len(text) > 0 {
		i := bytes.IndexByte(text, '\n')
		part := text
		if i >= 0 {
			part = text[:i]
		}
		if room := headMost - len(l.head); room > 0 {
			l.head = append(l.head, part[:min(room, len(part))]...)
		}
		l.length += len(part)
		if i < 0 {
			return nil
		}
		text = text[i+1:]
		if shape := l.script.mix.reply; shape != nil {
			more, err := l.moreLines(shape)
			if err != nil {
				return err
			}
			if more {
				continue
			}
		}
		if err := l.reply(now); err != nil {
			return err
		}
		l.head, l.length, l.lines = l.head[:0], 0, 0
	}
	return nil
}

// moreLines is called at the end of each line of a reply that has several.
func (l *lane) moreLines(s *shape) (bool, error) {
	l.lines++
	l.length++
	switch {
	case !bytes.HasPrefix(l.head, s.head):
		return false, fmt.Errorf("not the value, but %.40q", l.head)
	case l.lines < s.lines:
		return true, nil
	case l.length != s.length:
		return false, fmt.Errorf("a reply of %d bytes, not %d", l.length, s.length)
	}
	l.length-- // reply counts the last byte itself
	l.head = append(l.head[:0], "OK "...)
	return false, nil
}

// reply counts one whole reply.
func (l *lane) reply(now time.Time) error {
	head := l.head
	if len(l.free) == l.depth {
		return errors.New("the server sent a reply that nobody asked for")
	}
	slot := l.oldest
	if l.tags != nil {
		tag, rest, ok := bytes.Cut(head, []byte{' '})
		n, err := strconv.Atoi(string(bytes.TrimPrefix(tag, []byte{'@'})))
		if !ok || err != nil || n < 0 || n >= l.depth {
			return errors.New("the server sent a reply without our tag")
		}
		slot, head = n, rest
	} else {
		l.oldest = (l.oldest + 1) % l.depth
	}
	l.free = append(l.free, slot)
	l.tally.book(head, now.Sub(l.sent[slot]), l.length+1)
	l.load.done.Add(1)
	return nil
}
