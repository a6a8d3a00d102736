package protocol

import (
	"bytes"
	"errors"
	"io"
)

const (
	// smallBuffer is the buffer's first size, to which it shrinks again: four common requests, so that thousands of
	// idle connections cost little.
	smallBuffer = 4 << 10
	// readAhead is the greatest size of the buffer for a peer that sends faster than the lines are read. The buffer
	// grows further only for a line that needs more, and is released as soon as that line has been used.
	readAhead = 64 << 10
	// quietFills is the number of small fills in a row after which a grown buffer is no longer needed.
	quietFills = 8
	// maxEmptyReads is how often a source may return neither bytes nor an error.
	maxEmptyReads = 100
)

// LineReader cuts a stream into lines ended by LF. It holds at most one buffer, of 4 KiB at first, that grows up to the
// limit for a long line, or to 64 KiB for a busy peer, and shrinks again. It is not safe for concurrent use.
type LineReader struct {
	src   io.Reader
	max   int
	buf   []byte
	r, w  int   // buf[r:w] is read but not handed out
	clean int   // buf[r:clean] holds no LF
	peak  int   // greatest w since makeRoom last chose a size
	quiet int   // fills in a row that smallBuffer would have held
	err   error // from the source, due when the buffer holds no whole line
	over  bool  // a line was too long
}

// NewLineReader returns a reader of lines of at most max bytes each, LF included. It panics when max is less than 1.
func NewLineReader(src io.Reader, max int) *LineReader {
	if max < 1 {
		panic("protocol: NewLineReader: max is less than 1")
	}
	return &LineReader{src: src, max: max, buf: make([]byte, min(max, smallBuffer))}
}

// ReadLine returns the next line without its LF. The slice is valid until the next call.
//
// It returns [ErrLineTooLong], now and on every later call, when max bytes hold no LF; [io.EOF] when the stream ends
// after a line; [io.ErrUnexpectedEOF] when it ends inside one; and any other error of the source as it is, a timeout
// for example. Lines read before such an error come first, and nothing is lost by it: a later call goes on where this
// one stopped.
func (l *LineReader) ReadLine() ([]byte, error) {
	if l.over {
		return nil, ErrLineTooLong
	}
	for {
		if l.Buffered() {
			if l.clean-l.r >= l.max { // the whole line was read ahead, but is too long
				l.over, l.buf = true, nil
				return nil, ErrLineTooLong
			}
			line := l.buf[l.r:l.clean]
			l.r, l.clean = l.clean+1, l.clean+1
			return line, nil
		}
		if l.w-l.r >= l.max {
			l.over, l.buf = true, nil
			return nil, ErrLineTooLong
		}
		if l.err != nil {
			return nil, l.takeError()
		}
		l.fill()
	}
}

// Buffered reports whether the next [LineReader.ReadLine] returns a line without reading from the source.
func (l *LineReader) Buffered() bool {
	if l.over {
		return false
	}
	if l.clean < l.w && l.buf[l.clean] == '\n' {
		return true
	}
	i := bytes.IndexByte(l.buf[l.clean:l.w], '\n')
	if i < 0 {
		l.clean = l.w
		return false
	}
	l.clean += i
	return true
}

// Empty reports whether everything that was read from the source has been handed out.
func (l *LineReader) Empty() bool { return l.r == l.w && !l.over }

// takeError returns the pending error of the source and forgets it.
func (l *LineReader) takeError() error {
	err := l.err
	l.err = nil
	if errors.Is(err, io.EOF) && l.w > l.r {
		return io.ErrUnexpectedEOF
	}
	return err
}

// fill reads once from the source, after making room.
func (l *LineReader) fill() {
	l.makeRoom()
	for range maxEmptyReads {
		n, err := l.src.Read(l.buf[l.w:])
		if n < 0 || n > len(l.buf)-l.w {
			panic("protocol: LineReader: source returned an impossible count")
		}
		l.w += n
		l.peak = max(l.peak, l.w)
		l.err = err
		if n > 0 || err != nil {
			return
		}
	}
	l.err = io.ErrNoProgress
}

// makeRoom leaves at least one free byte at the end of the buffer. It moves the pending bytes to the front, and chooses
// the buffer's size, only if no bytes are pending or no room is left behind them.
func (l *LineReader) makeRoom() {
	pending := l.w - l.r
	if pending > 0 && l.w < len(l.buf) {
		return
	}
	to := l.buf
	if size := l.nextSize(pending); size != len(l.buf) {
		to = make([]byte, size)
	}
	copy(to, l.buf[l.r:l.w])
	l.buf, l.r, l.w, l.clean, l.peak = to, 0, pending, l.clean-l.r, pending
}

// nextSize returns the size that the buffer should have, which is more than pending. It is larger if one line or the
// last fills used the whole buffer, and small again if the buffer was too large for a while or is larger than readAhead.
func (l *LineReader) nextSize(pending int) int {
	size, small := len(l.buf), min(l.max, smallBuffer)
	if l.peak <= smallBuffer {
		l.quiet++
	} else {
		l.quiet = 0
	}
	switch {
	case pending == size:
		return min(l.max, 4*size)
	case size > small && pending < small && (size > readAhead || l.quiet >= quietFills):
		l.quiet = 0
		return small
	case l.peak == size && size < readAhead && l.max >= smallBuffer:
		return min(readAhead, 4*size)
	default:
		return size
	}
}
