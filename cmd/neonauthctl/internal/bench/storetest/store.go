// Package storetest provides stores for the tests of bench.
package storetest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
)

// Store implements the part of a store's protocol that bench needs. The kind
// "full" is a memcached without memory, "forgetful" one that keeps nothing.
type Store struct {
	kind     string
	listener net.Listener
	mu       sync.Mutex
	values   map[string]string
	sets     []string // keys
	gets     int
}

// Start serves a store of this kind on a Unix socket.
func Start(path, kind string) (*Store, error) {
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	s := &Store{kind: kind, listener: l, values: map[string]string{}}
	go func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer nc.Close()
				in := bufio.NewReader(nc)
				for {
					reply, err := s.serve(in)
					if err != nil {
						return
					}
					if _, err := io.WriteString(nc, reply); err != nil {
						return
					}
				}
			}()
		}
	}()
	return s, nil
}

// Stop ends the store.
func (s *Store) Stop() { _ = s.listener.Close() }

func (s *Store) serve(in *bufio.Reader) (string, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return "", err
	}
	words := strings.Fields(line)
	if s.kind == "redis" {
		n, err := strconv.Atoi(strings.TrimPrefix(words[0], "*"))
		if err != nil {
			return "", err
		}
		words = words[:0]
		for range n {
			word, err := bulk(in)
			if err != nil {
				return "", err
			}
			words = append(words, word)
		}
		return s.redis(words), nil
	}
	if words[0] == "set" {
		n, err := strconv.Atoi(words[4])
		if err != nil {
			return "", err
		}
		value := make([]byte, n+2)
		if _, err := io.ReadFull(in, value); err != nil {
			return "", err
		}
		words[4] = string(value[:n])
	}
	return s.memcached(words), nil
}

// bulk reads a word in the encoding of Redis clients.
func bulk(in *bufio.Reader) (string, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return "", err
	}
	n, err := strconv.Atoi(strings.Trim(line, "$\r\n"))
	if err != nil {
		return "", err
	}
	text := make([]byte, n+2)
	_, err = io.ReadFull(in, text)
	return string(text[:n]), err
}

func (s *Store) keep(key, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.values[key] = value
	s.sets = append(s.sets, key)
}

func (s *Store) find(key string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gets++
	value, ok := s.values[key]
	return value, ok
}

func (s *Store) forget(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.values, key)
}

func (s *Store) memcached(words []string) string {
	switch {
	case s.kind == "full":
		return "SERVER_ERROR out of memory storing object\r\n"
	case words[0] == "set" && s.kind == "forgetful":
		return "STORED\r\n"
	case words[0] == "set":
		s.keep(words[1], words[4])
		return "STORED\r\n"
	case words[0] == "get":
		if value, ok := s.find(words[1]); ok {
			return fmt.Sprintf("VALUE %s 0 %d\r\n%s\r\nEND\r\n", words[1], len(value), value)
		}
		return "END\r\n"
	case words[0] == "delete":
		s.forget(words[1])
		return "DELETED\r\n"
	}
	return "ERROR\r\n"
}

func (s *Store) redis(words []string) string {
	switch {
	case words[0] == "SET" && len(words) == 5 && words[3] == "EX":
		s.keep(words[1], words[2])
		return "+OK\r\n"
	case words[0] == "GET":
		if value, ok := s.find(words[1]); ok {
			return fmt.Sprintf("$%d\r\n%s\r\n", len(value), value)
		}
		return "$-1\r\n"
	case words[0] == "DEL":
		s.forget(words[1])
		return ":1\r\n"
	}
	return "-ERR unknown command\r\n"
}

// Asked returns the keys that were set, the number of values now, and the
// number of gets.
func (s *Store) Asked() (sets []string, values, gets int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sets, len(s.values), s.gets
}
