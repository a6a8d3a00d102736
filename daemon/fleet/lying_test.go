package fleet

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// lying is an engine that answers each claim with the same words, whatever the claim takes.
// asked counts the claims.
func lying(t *testing.T, word, value string) (url string, asked *atomic.Int32) {
	asked = new(atomic.Int32)
	address := listening(t, func(c net.Conn) {
		for r := bufio.NewReader(c); ; {
			words, err := request(r)
			if err != nil {
				return
			}
			answer := "-ERR unknown command\r\n"
			switch {
			case words[0] == "HELLO":
				answer = "%1\r\n$5\r\nproto\r\n:3\r\n"
			case words[0] == "CLUSTER":
				answer = "-ERR This instance has cluster support disabled\r\n"
			case words[0] == "EVALSHA" && words[2] == "4":
				asked.Add(1)
				answer = array(strconv.FormatInt(time.Now().UnixMilli(), 10), word, value, "0")
			}
			if _, err := io.WriteString(c, answer); err != nil {
				return
			}
		}
	})
	return "redis://" + address, asked
}

// request reads one request: an array of texts.
func request(r *bufio.Reader) (words []string, err error) {
	size := func() (n int) {
		line, e := r.ReadString('\n')
		if err == nil {
			err = e
		}
		n, _ = strconv.Atoi(strings.Trim(line, "*$\r\n"))
		return n
	}
	for range size() {
		text := make([]byte, size()+len("\r\n"))
		if _, e := io.ReadFull(r, text); e != nil {
			return nil, e
		}
		words = append(words, strings.TrimSuffix(string(text), "\r\n"))
	}
	return words, err
}

// array is an answer that has these texts.
func array(texts ...string) string {
	answer := fmt.Sprintf("*%d\r\n", len(texts))
	for _, text := range texts {
		answer += fmt.Sprintf("$%d\r\n%s\r\n", len(text), text)
	}
	return answer
}

// TestAnEngineThatLiesIsNotAskedForEver: it answers a claim with what the script cannot
// answer, and the host decides alone.
func TestAnEngineThatLiesIsNotAskedForEver(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		word, value string
		maxAge      time.Duration
		most        int32 // questions
	}{
		"a value that does not open, again and again":   {"have", strings.Repeat("1", 200), time.Minute, 2},
		"a value, and the asker takes none":             {"have", strings.Repeat("1", 200), 0, 2},
		"another's lease, also when it is taken over":   {"wait", "60000", time.Minute, 2},
		"another's lease, and the asker waits for none": {"wait", "60000", 0, 1},
		"no word of the script":                         {"hello", "", time.Minute, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, asked := lying(t, c.word, c.value)
			o := options(t, 0, url)
			o.Wait, o.Timeout = 0, testTimeout
			f := must[*Fleet](t)(New(o))
			e := must[*engine](t)(dial(t.Context(), &o))
			defer e.close()
			f.engine.Store(e)
			ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
			defer cancel()
			ask := askFor("u")
			ask.MaxAge = c.maxAge
			if a := f.Claim(ctx, ask); a.Decision != Go || !a.Flight.Alone() || asked.Load() > c.most {
				t.Errorf("%+v after %d questions", a, asked.Load())
			}
		})
	}
}
