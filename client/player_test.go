package client_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/protocol"
)

// patience is how long anything in a transcript may take that is not meant to
// time out.
const patience = 10 * time.Second

// player plays one transcript: it is the daemon, and it makes the calls.
type player struct {
	client *client.Client
	socket string
	listen net.Listener
	conn   net.Conn // the current one
	lines  *protocol.LineReader
	tags   map[string]string // name in the transcript -> what the client sent, with "@"
	calls  map[string]*started
	tokens []string
}

type started struct {
	cancel context.CancelFunc
	result chan any // client.Answer, client.Daemon, error or nil
}

func play(t *testing.T, path string, steps []step) {
	t.Helper()
	p := newPlayer(t)
	defer p.end()
	if err := p.play(steps); err != nil {
		t.Errorf("%s:%v", path, err)
	}
}

func newPlayer(t *testing.T) *player {
	t.Helper()
	dir, err := os.MkdirTemp("", "na") // t.TempDir would be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	p := &player{socket: filepath.Join(dir, "s"), tags: map[string]string{}, calls: map[string]*started{}}
	p.client = &client.Client{Socket: p.socket, Conns: 1, Timeout: patience, Name: "transcript"}
	if err := p.up(); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *player) up() (err error) {
	p.listen, err = net.Listen("unix", p.socket)
	return err
}

func (p *player) down() {
	_ = p.listen.Close() // which removes the socket file
	p.cut()
}

func (p *player) cut() {
	if p.conn != nil {
		_ = p.conn.Close()
		p.conn = nil
	}
}

func (p *player) end() {
	p.down()
	_ = p.client.Close()
	for _, s := range p.calls {
		s.cancel()
	}
}

func (p *player) play(steps []step) error {
	for _, s := range steps {
		if err := p.step(s); err != nil {
			return fmt.Errorf("%d: %s: %w", s.line, s.verb, err)
		}
	}
	if len(p.calls) > 0 {
		return fmt.Errorf("end: %d calls have no answer step", len(p.calls))
	}
	return p.quiet()
}

// quiet checks that the client did nothing that the transcript does not say.
func (p *player) quiet() error {
	// Whatever the calls did they did before they were answered, so that a
	// connection or a request would be waiting by now.
	_ = p.listen.(*net.UnixListener).SetDeadline(time.Now().Add(time.Millisecond))
	if nc, err := p.listen.Accept(); err == nil {
		_ = nc.Close()
		return errors.New("end: the client made a connection that is not in the transcript")
	}
	if p.conn == nil {
		return nil
	}
	_ = p.conn.SetReadDeadline(time.Now().Add(time.Millisecond))
	if line, err := p.lines.ReadLine(); err == nil {
		return fmt.Errorf("end: the client sent %q, which is not in the transcript", line)
	}
	return nil
}

func (p *player) step(s step) error {
	switch s.verb {
	case "call":
		return p.call(s.rest)
	case "cancel":
		p.calls[s.rest].cancel()
		return nil
	case "close":
		return p.client.Close()
	case "accept":
		return p.accept()
	case ">":
		return p.request(s.rest)
	case "<":
		return p.send(p.withTag(s.rest) + "\n")
	case "<<":
		raw, err := unescape(s.rest)
		if err != nil {
			return err
		}
		return p.send(p.withTag(raw))
	case "cut":
		p.cut()
		return nil
	case "gone":
		return p.gone()
	case "down":
		p.down()
		return nil
	case "up":
		return p.up()
	default:
		return p.answer(s.rest)
	}
}

func (p *player) accept() error {
	_ = p.listen.(*net.UnixListener).SetDeadline(time.Now().Add(patience))
	nc, err := p.listen.Accept()
	if err != nil {
		return err
	}
	p.conn, p.lines = nc, protocol.NewLineReader(nc, protocol.MaxRequestLine)
	return nil
}

// request reads a line and compares it: the order of fields is free, "*" as a
// value stands for any, and the tag gets its name.
func (p *player) request(want string) error {
	_ = p.conn.SetReadDeadline(time.Now().Add(patience))
	line, err := p.lines.ReadLine()
	if err != nil {
		return err
	}
	var w, g protocol.Request
	if err := protocol.ParseRequest(slices.Clone(line), &g); err != nil {
		return fmt.Errorf("the client sent %q: %w", line, err)
	}
	if err := protocol.ParseRequest([]byte(want), &w); err != nil {
		return fmt.Errorf("the transcript is wrong: %w", err)
	}
	if string(w.Verb) != string(g.Verb) || fmt.Sprintf("%s", w.Args) != fmt.Sprintf("%s", g.Args) || w.Fields.Len() != g.Fields.Len() {
		return fmt.Errorf("the client sent %q", line)
	}
	for i := range w.Fields.Len() {
		name, value := w.Fields.At(i)
		got, ok := g.Fields.Get(string(name))
		if !ok || string(value) != "*" && string(value) != string(got) {
			return fmt.Errorf("the client sent %q, wanted field %s", line, name)
		}
	}
	p.tags["@"+string(w.Tag)] = ""
	if g.Tag != nil {
		p.tags["@"+string(w.Tag)] = "@" + string(g.Tag) + " "
	}
	return nil
}

// withTag puts the client's tag in the place of the transcript's name for it.
func (p *player) withTag(line string) string {
	name, rest, _ := strings.Cut(line, " ")
	if tag, ok := p.tags[name]; ok {
		return tag + rest
	}
	return line
}

func (p *player) send(raw string) error {
	_ = p.conn.SetWriteDeadline(time.Now().Add(patience))
	_, err := p.conn.Write([]byte(raw))
	if err != nil && len(raw) > protocol.MaxReplyLine {
		return nil // the client hung up in the middle, as it should
	}
	return err
}

// gone waits for the client to end the current connection.
func (p *player) gone() error {
	_ = p.conn.SetReadDeadline(time.Now().Add(patience))
	if line, err := p.lines.ReadLine(); err == nil {
		return fmt.Errorf("the client sent %q", line)
	} else if errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	p.cut()
	return nil
}

// unescape decodes %XX.
func unescape(s string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		if i+3 > len(s) {
			return "", fmt.Errorf("cut escape in %q", s)
		}
		c, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
		if err != nil {
			return "", err
		}
		b.WriteByte(byte(c))
		i += 2
	}
	return b.String(), nil
}
