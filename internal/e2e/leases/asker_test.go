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

// askerVariable makes this test binary an asking program.
const askerVariable = "NEONAUTHD_E2E_ASKER"

// profileEvery: one of so many lookups is for a profile.
const profileEvery = 16

// ask is the asking program for Go; ask.mjs and ask.py are those for Node and Python. Each has a number of callers
// (goroutines, threads or tasks) that share a client. A caller asks about tokens at random. After each burst of
// lookups, and when nothing was learnt, it pauses for a millisecond. The program writes runs to its standard output,
// and ends with its standard input.
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
				time.Sleep(time.Millisecond)
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

// askBurst asks burst times, but stops when nothing is learnt.
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

// outcomeOf returns the outcome as one word. For a rejection this is the reason.
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
