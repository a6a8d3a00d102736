package leases_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/neonauthd/neonauthd/client"
)

// askerVariable makes this binary an asking program.
const askerVariable = "NEONAUTHD_E2E_ASKER"

// profileEvery is of how many lookups one is for a profile.
const profileEvery = 16

// ask is the asking program for Go; ask.mjs and ask.py are those for Node and Python. Each has so many callers, that is
// goroutines, threads or tasks, which share a client. A caller asks about tokens at random, and after each burst of lookups,
// or when nothing was learnt, it pauses for a millisecond. It tells runs on its standard output, and ends with its
// standard input.
func ask(args []string) error {
	if len(args) != 4 {
		return fmt.Errorf("usage: SOCKET TOKENS CALLERS BURST")
	}
	text, err := os.ReadFile(args[1])
	if err != nil {
		return err
	}
	tokens := strings.Fields(string(text))
	callers, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	burst, err := strconv.Atoi(args[3])
	if err != nil {
		return err
	}
	var over atomic.Bool
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		over.Store(true)
	}()
	c := &client.Client{Socket: args[0]}
	var all sync.WaitGroup
	var writing sync.Mutex
	for range callers {
		all.Go(func() {
			var lines strings.Builder
			r := runs{open: map[int]*run{}, tell: func(one run) { lines.WriteString(one.line()) }}
			for !over.Load() {
				askBurst(c, tokens, burst, &r)
				<-time.After(time.Millisecond)
				writing.Lock()
				fmt.Print(lines.String())
				writing.Unlock()
				lines.Reset()
			}
			r.end()
			writing.Lock()
			defer writing.Unlock()
			fmt.Print(lines.String())
		})
	}
	all.Wait()
	return c.Close()
}

// askBurst asks so many times, unless nothing is learnt.
func askBurst(c *client.Client, tokens []string, burst int, r *runs) {
	for range burst {
		n := rand.N(len(tokens))
		ask := c.Verify
		if rand.N(profileEvery) == 0 {
			ask = c.Profile
		}
		begin := now()
		answer := ask(context.Background(), tokens[n])
		r.add(n, outcomeOf(answer), span{begin, now()})
		if _, nothing := answer.(client.Unknown); nothing {
			return
		}
	}
}

// outcomeOf is the outcome in a word: a rejection's is its reason.
func outcomeOf(answer client.Answer) string {
	switch a := answer.(type) {
	case client.Accepted:
		return "accepted"
	case client.Rejected:
		return string(a.Reason)
	default:
		return "unknown"
	}
}
