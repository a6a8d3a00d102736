package bench

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/cli"
)

// store is another cache with which the daemon is compared.
type store struct {
	kind, path string
	wire       storeWire
}

// storeWire are the lines of a store's protocol. Each reply of the store ends
// with CR LF.
type storeWire struct {
	set    func(key string, value []byte, lifetime time.Duration) []byte
	stored string // the reply to set
	get    func(key string) []byte
	found  func(key string, value []byte) string // the reply to get
	drop   func(key string) []byte
}

// parseStore reads KIND:PATH; nil if the text has another form.
func parseStore(text string) *store {
	kind, path, _ := strings.Cut(text, ":")
	wire, ok := map[string]storeWire{"memcached": memcached(), "redis": redis()}[kind]
	if !ok || path == "" {
		return nil
	}
	return &store{kind: kind, path: path, wire: wire}
}

// advise adds to an error of the store what to do next.
func (s *store) advise(err error) error {
	return cli.Advised{Err: err, Next: "it is the store that does not do its part: see that " + s.kind + " runs, and that --compare names its socket"}
}

// memcached speaks the classic text protocol (protocol.txt of its sources).
func memcached() storeWire {
	return storeWire{
		set: func(key string, value []byte, lifetime time.Duration) []byte {
			return fmt.Appendf(nil, "set %s 0 %d %d\r\n%s\r\n", key, seconds(lifetime), len(value), value)
		},
		stored: "STORED\r\n",
		get:    func(key string) []byte { return []byte("get " + key + "\r\n") },
		found: func(key string, value []byte) string {
			return fmt.Sprintf("VALUE %s 0 %d\r\n%s\r\nEND\r\n", key, len(value), value)
		},
		drop: func(key string) []byte { return []byte("delete " + key + "\r\n") },
	}
}

// redis speaks RESP 2, which Redis and its descendants share.
func redis() storeWire {
	command := func(words ...string) []byte {
		line := fmt.Appendf(nil, "*%d\r\n", len(words))
		for _, w := range words {
			line = fmt.Appendf(line, "$%d\r\n%s\r\n", len(w), w)
		}
		return line
	}
	return storeWire{
		set: func(key string, value []byte, lifetime time.Duration) []byte {
			return command("SET", key, string(value), "EX", fmt.Sprint(seconds(lifetime)))
		},
		stored: "+OK\r\n",
		get:    func(key string) []byte { return command("GET", key) },
		found:  func(_ string, value []byte) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(value), value) },
		drop:   func(key string) []byte { return command("DEL", key) },
	}
}

func seconds(d time.Duration) int64 { return int64(d/time.Second) + 1 }

// shape is the form of a store's replies.
type shape struct {
	head   []byte // how it begins
	lines  int
	length int // in bytes, all line ends included
}

// held is a value in a store.
type held struct {
	store *store
	nc    net.Conn
	key   string
	shape *shape
}

// put stores a value of the given length. The value expires a minute after a
// run of d, if the program does not delete it before.
func (s *store) put(ctx context.Context, length int, d time.Duration) (*held, error) {
	nc, err := new(net.Dialer).DialContext(ctx, "unix", s.path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.kind, err)
	}
	// This is not the digest of a token: a foreign store must not get anything
	// of a token.
	sum := sha256.Sum256(fmt.Append(nil, "neonauthctl bench ", time.Now().UnixNano()))
	h := &held{store: s, nc: nc, key: hex.EncodeToString(sum[:])}
	value := bytes.Repeat([]byte{'.'}, max(length, 1))
	err = h.do(s.wire.set(h.key, value, 4*d+time.Minute), s.wire.stored)
	if err != nil {
		_ = nc.Close()
		return nil, fmt.Errorf("%s: %w", s.kind, err)
	}
	reply := s.wire.found(h.key, value)
	first, _, _ := strings.Cut(reply, "\n")
	h.shape = &shape{head: []byte(first[:min(len(first), headMost)]), lines: strings.Count(reply, "\n"), length: len(reply)}
	return h, nil
}

// do sends a command and expects a reply of one line.
func (h *held) do(command []byte, want string) error {
	_ = h.nc.SetDeadline(time.Now().Add(stall))
	if _, err := h.nc.Write(command); err != nil {
		return err
	}
	got, err := bufio.NewReaderSize(h.nc, 512).ReadSlice('\n')
	if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
		return err
	}
	if string(got) != want {
		return fmt.Errorf("it does not store the value: %.60q", got)
	}
	return nil
}

// drop deletes the value.
func (h *held) drop() {
	_ = h.nc.SetDeadline(time.Now().Add(stall))
	if _, err := h.nc.Write(h.store.wire.drop(h.key)); err == nil {
		_, _ = h.nc.Read(make([]byte, 64)) // it was done then
	}
	_ = h.nc.Close()
}

// mix returns a mix that only asks for the value.
func (h *held) mix() *mix {
	return &mix{hits: [][]byte{h.store.wire.get(h.key)}, reply: h.shape, schedule: schedule(0, 0)}
}
