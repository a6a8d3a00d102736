package client_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/protocol"
)

// testTimeout is the time limit for each step of a transcript that is not meant to
// time out.
const testTimeout = 10 * time.Second

// player plays one transcript: it is the daemon, and it makes the calls.
type player struct {
	client *client.Client
	clocks *client.Clocks // nil: the host's clocks
	socket string
	listen net.Listener
	conns  map[string]*accepted // by their names
	on     *accepted            // the current one; nil: none
	tags   map[string]string    // name in the transcript -> what the client sent, with "@"
	calls  map[string]*started
	tokens []string
}

// accepted is one connection of the client.
type accepted struct {
	net.Conn
	lines *protocol.LineReader
	name  string
}

type started struct {
	cancel context.CancelFunc
	result chan any // client.Answer, client.Daemon, error or nil
}

func play(t *testing.T, path string, steps []step, keeps bool) {
	t.Helper()
	p := newPlayer(t, keeps)
	defer p.end()
	if err := p.play(steps); err != nil {
		t.Errorf("%s:%v", path, err)
	}
}

// newPlayer returns a player. If keeps is true, its client keeps answers and
// uses clocks that the transcript moves.
func newPlayer(t *testing.T, keeps bool) *player {
	t.Helper()
	dir, err := os.MkdirTemp("", "na") // t.TempDir would be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	p := &player{socket: filepath.Join(dir, "s"), conns: map[string]*accepted{}, tags: map[string]string{}, calls: map[string]*started{}}
	p.client = &client.Client{Socket: p.socket, Conns: 1, Keep: -1, Timeout: testTimeout, Name: "transcript"}
	if keeps {
		p.client.Keep = 0
		p.clocks = p.client.SetClocks(time.Now())
	}
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
	for _, conn := range p.conns {
		_ = conn.Close()
	}
	clear(p.conns)
	p.on = nil
}

func (p *player) cut() {
	if p.on != nil {
		_ = p.on.Close()
		delete(p.conns, p.on.name)
		p.on = nil
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
	// Everything that a call causes happens before the call is answered, so a
	// connection or a request would be waiting by now.
	_ = p.listen.(*net.UnixListener).SetDeadline(time.Now().Add(time.Millisecond))
	if nc, err := p.listen.Accept(); err == nil {
		_ = nc.Close()
		return errors.New("end: the client made a connection that is not in the transcript")
	}
	for name, conn := range p.conns {
		_ = conn.SetReadDeadline(time.Now().Add(time.Millisecond))
		if line, err := conn.lines.ReadLine(); err == nil {
			return fmt.Errorf("end: the client sent %q on connection %q, which is not in the transcript", line, name)
		}
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
		return p.accept(s.rest)
	case "on":
		return p.turnTo(s.rest)
	case "clock", "wall":
		return p.move(s)
	case "until":
		return p.until(s.rest)
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

func (p *player) accept(name string) error {
	_ = p.listen.(*net.UnixListener).SetDeadline(time.Now().Add(testTimeout))
	nc, err := p.listen.Accept()
	if err != nil {
		return err
	}
	p.on = &accepted{nc, protocol.NewLineReader(nc, protocol.MaxRequestLine), name}
	p.conns[name] = p.on
	return nil
}

func (p *player) turnTo(name string) error {
	p.on = p.conns[name]
	if p.on == nil {
		return fmt.Errorf("no connection is called %q", name)
	}
	return nil
}

// move moves both clocks, or only the wall clock.
func (p *player) move(s step) error {
	number, err := strconv.Atoi(s.rest)
	if err != nil {
		return err
	}
	span := time.Duration(number) * time.Millisecond
	if s.verb == "wall" {
		p.clocks.Move(0, span)
	} else {
		p.clocks.Move(span, span)
	}
	return nil
}

// until waits for a state that only the client knows.
func (p *player) until(text string) error {
	what, number, _ := strings.Cut(text, " ")
	rev, _ := strconv.ParseInt(number, 10, 64)
	known := map[string]func() bool{
		"watching": p.client.Watching, "unwatched": p.client.Unwatched, "still": p.client.Still,
		"heard": func() bool { return p.client.Heard() == rev },
	}
	so := known[what]
	if so == nil {
		return errors.New("nothing is called so")
	}
	for end := time.Now().Add(testTimeout); !so(); runtime.Gosched() {
		if time.Now().After(end) {
			return errors.New("it does not get so")
		}
	}
	return nil
}

// request reads a line and compares it. The fields may be in any order, a "*"
// matches any value, and the tag is kept under the transcript's name for it.
func (p *player) request(want string) error {
	_ = p.on.SetReadDeadline(time.Now().Add(testTimeout))
	line, err := p.on.lines.ReadLine()
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

// withTag replaces the transcript's name of a tag by the client's tag.
func (p *player) withTag(line string) string {
	name, rest, _ := strings.Cut(line, " ")
	if tag, ok := p.tags[name]; ok {
		return tag + rest
	}
	return line
}

var times = regexp.MustCompile(`\{now\+([0-9]+)\}`)

// withTimes replaces each {now+N} by the instant N seconds from now.
func (p *player) withTimes(text string) string {
	return times.ReplaceAllStringFunc(text, func(m string) string {
		seconds, _ := strconv.ParseInt(times.FindStringSubmatch(m)[1], 10, 64)
		return strconv.FormatInt(p.clocks.Wall().Unix()+seconds, 10)
	})
}

func (p *player) send(raw string) error {
	_ = p.on.SetWriteDeadline(time.Now().Add(testTimeout))
	_, err := p.on.Write([]byte(p.withTimes(raw)))
	if err != nil && len(raw) > protocol.MaxReplyLine {
		return nil // the client hung up in the middle, as it should
	}
	return err
}

// gone waits for the client to end the current connection.
func (p *player) gone() error {
	_ = p.on.SetReadDeadline(time.Now().Add(testTimeout))
	if line, err := p.on.lines.ReadLine(); err == nil {
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
