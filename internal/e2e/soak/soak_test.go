// Package soak_test exposes a daemon to all kinds of trouble at once, and asks
// all the time. An oracle knows what is true and nothing of how the daemon
// works. It says for each answer whether it is one of the right ones.
package soak_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

// soakFor asks for the soak. soakProgram names another build of the daemon,
// which needs the build tag steppedclock.
const (
	soakFor     = "NEONAUTHD_SOAK"
	soakProgram = "NEONAUTHD_SOAK_PROGRAM"
)

// connections is how many connections ask at the same time.
const connections = 6

// soak is one run.
type soak struct {
	model  *model
	host   *host
	pool   pool
	counts counts
	admin  sync.Mutex // one admin verb at a time
	stop   context.CancelFunc

	mu     sync.Mutex
	events []string
	story  string // about the first wrong answer
}

// TestSoak asks a daemon for as long as the variable says, and stops at the
// first wrong answer. "make soak SOAK=10m" runs it.
func TestSoak(t *testing.T) {
	need.Wish(t, soakFor, "soak the daemon; instead of 1, say for how long, such as 10m")
	length, err := time.ParseDuration(os.Getenv(soakFor))
	if err != nil {
		length = time.Minute
	}
	s := newSoak(t)
	ctx, stop := context.WithTimeout(t.Context(), length)
	defer stop()
	s.stop = stop
	for range poolSize {
		s.pool.add(s.anyProject().mint())
	}
	if err := s.host.start(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	s.run(ctx)
	if err := s.host.end(15); err != nil {
		s.found(&wrong{"trouble", err.Error()}, nil, nil)
	}
	fmt.Printf("\nsoaked for %s\n%s", time.Since(began).Round(time.Second), s.counts.table())
	if s.story != "" {
		t.Fatalf("%s", s.story)
	}
	fmt.Println("wrong answers                                 0")
	s.lookComplete(t, length)
}

// run asks and makes trouble until ctx ends.
func (s *soak) run(ctx context.Context) {
	var all sync.WaitGroup
	for range connections {
		all.Go(func() { s.ask(ctx) })
	}
	for range keepers {
		all.Go(func() { s.keep(ctx) })
	}
	for _, trouble := range s.troubles() {
		all.Go(func() { s.endure(ctx, trouble) })
	}
	all.Wait()
}

// newSoak makes two upstreams with the same users, and three projects: a stack
// project at each, and a neon project.
func newSoak(t *testing.T) *soak {
	w := &model{offset: always(time.Duration(0)), marks: map[markID]*mark{}}
	users := make([]string, 24)
	for i := range users {
		users[i] = "user-" + strings.ToLower(rand.Text()[:12])
	}
	first, second := w.newUpstream("first", users), w.newUpstream("second", users)
	w.newProject("a", first, standin.Stack)
	w.newProject("b", second, standin.Stack)
	w.newProject("n", second, standin.Neon)
	program := os.Getenv(soakProgram)
	if program == "" {
		program = e2e.Build(t, "neonauthd", "-tags", "steppedclock")
	}
	return &soak{model: w, host: newHost(t, w, program)}
}

// happened records an event for the story.
func (s *soak) happened(what, where string) {
	s.counts.add(what, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, fmt.Sprintf("%s  %s  %s", time.Now().Format("15:04:05.000"), what, where))
	if len(s.events) > 40 {
		s.events = s.events[1:]
	}
}

// found writes the story of the first wrong answer, and ends the soak.
func (s *soak) found(w *wrong, q *question, a *answer) {
	s.counts.add("WRONG: "+w.kind, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.story != "" {
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "the first wrong answer: %s: %s\n", w.kind, w.why)
	if q != nil {
		t := q.token
		fmt.Fprintf(&b, "asked    %s  %s project=%s max-age=%d fallback=%v, by a client that keeps %v, run %d\n", q.sent.Format("15:04:05.000"), q.verb, q.project.name, q.maxAge, q.fallback, q.kept, q.run)
		fmt.Fprintf(&b, "token    of project %s, jti %s, kid %s, sub %s, session %s, iat %d, exp %d, anonymous %v, flaw %q\n",
			t.project.name, t.id, t.key, t.subject, t.session, t.issued, t.expires, t.anonymous, t.flaw)
		k, known := t.project.key(t.key)
		fmt.Fprintf(&b, "key      known %v: %+v\n", known, k)
	}
	if a != nil {
		fmt.Fprintf(&b, "answered %s  %s, run %d\n", a.came.Format("15:04:05.000"), e2e.Shorten(a.line), a.run)
	}
	fmt.Fprintf(&b, "before it\n  %s\n", strings.Join(s.events, "\n  "))
	s.story = b.String()
	s.stop()
}

// lookComplete fails a soak in which some kind of event never happened, because
// such a soak shows nothing about it.
func (s *soak) lookComplete(t *testing.T, length time.Duration) {
	wanted := []string{"answers OK claims cache", "answers OK profile cache", "answers NO revoked", "answers NO expired", "answers NO unknown-key", "answers NO bad-signature",
		"client OK claims cache", "client OK profile cache", "client NO revoked"}
	if length >= time.Minute {
		wanted = append(wanted, "answers OK claims stale", "answers OK profile stale", "answers ERR keys-pending", "answers ERR unavailable",
			"answers NO class-not-allowed", "answers NO user-not-found", "kill -9", "clock stepped", "configuration reloaded", "keys replaced at once")
	}
	for _, name := range wanted {
		if s.counts.of(name) == 0 {
			t.Errorf("there were no %s", name)
		}
	}
}

// counts are numbers by name. They are safe for concurrent use.
type counts struct {
	mu     sync.Mutex
	byName map[string]int
}

func (c *counts) add(name string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byName == nil {
		c.byName = map[string]int{}
	}
	c.byName[name] += n
}

func (c *counts) of(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.byName[name]
}

// table returns them as lines, sorted by name.
func (c *counts) table() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(c.byName)) {
		fmt.Fprintf(&b, "%-40s %9d\n", name, c.byName[name])
	}
	return b.String()
}
