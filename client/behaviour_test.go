package client_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

// stepDeadline is the deadline of a question whose step names none. It is long,
// so that a busy machine does not fail the test.
const stepDeadline = 10 * time.Second

// TestBehaviours plays testdata/behaviours with the Go client; TestLanguages
// plays the same files with the others.
func TestBehaviours(t *testing.T) {
	need.Time(t, "it starts the real daemon many times")
	paths, err := filepath.Glob("testdata/behaviours/*.txt")
	if err != nil || len(paths) < 8 {
		t.Fatalf("found %d behaviours, expected at least 8 (error: %v)", len(paths), err)
	}
	need.Program(t, "redis-server", "redis-server") // the engine of a fleet
	s := newSystem(t, buildDaemon(t))
	t.Setenv(client.SocketVariable, s.path("s"))
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			a := &actor{system: s, people: map[string]person{}}
			defer a.client.Close()
			if err := a.play(string(text)); err != nil {
				t.Errorf("%s:%v", path, err)
			}
		})
	}
}

// TestBehavioursCanFail: these behaviours are wrong, and a player that passes
// them would prove nothing.
func TestBehavioursCanFail(t *testing.T) {
	need.Time(t, "it starts the real daemon")
	s := newSystem(t, buildDaemon(t))
	t.Setenv(client.SocketVariable, s.path("s"))
	for name, text := range map[string]string{
		"other outcome":    "do mint a\nask verify a = rejected",
		"other source":     "do mint a\nask verify a = accepted source=stale",
		"impossible line":  "do vanish",
		"callers unserved": "callers 2 verify\nserved\ndo stop\ndo start\nfinish rejected",
	} {
		t.Run(name, func(t *testing.T) {
			a := &actor{system: s, people: map[string]person{}}
			defer a.client.Close()
			if err := a.play(text); err == nil {
				t.Error("this behaviour must fail, and did not")
			}
		})
	}
}

// actor runs one behaviour.
type actor struct {
	system  *system
	client  client.Client
	people  map[string]person
	callers []*member
	stop    chan struct{} // closed to end the callers
	gone    sync.WaitGroup
}

// member is one of several concurrent callers.
type member struct {
	mu       sync.Mutex
	accepted int
	changed  chan struct{} // closed and replaced with each accepted answer
	outcomes map[string]bool
	mixed    bool
}

func (a *actor) play(text string) (err error) {
	defer func() { err = errors.Join(err, a.finish("accepted|rejected|unknown")) }()
	if _, err := a.system.do("reset"); err != nil {
		return err
	}
	for i, line := range strings.Split(text, "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		if err := a.step(line); err != nil {
			return fmt.Errorf("%d: %s: %w", i+1, line, err)
		}
	}
	return nil
}

func (a *actor) step(line string) error {
	verb, rest, _ := strings.Cut(line, " ")
	switch verb {
	case "do":
		return a.do(rest)
	case "ask":
		return a.ask(rest)
	case "until":
		end := time.Now().Add(systemTimeout)
		err := a.ask(rest)
		for err != nil && time.Now().Before(end) {
			err = a.ask(rest)
		}
		return err
	case "callers":
		return a.gather(rest)
	case "served":
		return a.served()
	case "finish":
		return a.finish(rest)
	}
	return errors.New("no such step")
}

func (a *actor) do(line string) error {
	answer, err := a.system.do(line)
	if words := strings.Split(line, " "); err == nil && words[0] == "mint" {
		token, subject, _ := strings.Cut(answer, " ")
		a.people[words[1]] = person{token, subject}
	}
	return err
}

// ask does "METHOD [NAME] [option=value...] = OUTCOME [name=value...]".
func (a *actor) ask(text string) error {
	question, want, _ := strings.Cut(text, " = ")
	words := strings.Split(question, " ")
	method, who := words[0], person{}
	opts := []client.Option{client.Deadline(stepDeadline)}
	for _, word := range words[1:] {
		name, value, option := strings.Cut(word, "=")
		number, _ := strconv.Atoi(value)
		switch {
		case !option:
			who = a.people[name]
		case name == "project":
			opts = append(opts, client.WithProject(value))
		case name == "max-age":
			opts = append(opts, client.MaxAge(time.Duration(number)*time.Second))
		case name == "heard":
			opts = append(opts, client.Heard(time.Duration(number)*time.Second))
		case name == "deadline":
			opts = append(opts, client.Deadline(time.Duration(number)*time.Millisecond))
		case name == "fallback":
			opts = append(opts, client.FallbackClaims())
		default:
			return errors.New("no such option")
		}
	}
	have := facts(a.result(method, who.token, opts))
	words = strings.Split(want, " ")
	words[0] = "outcome=" + words[0]
	if have["outcome"] == "accepted" {
		words = append(words, "subject="+who.subject)
	}
	for _, word := range words {
		name, values, _ := strings.Cut(word, "=")
		if !slices.Contains(strings.Split(values, "|"), have[name]) {
			delete(have, "json")
			return fmt.Errorf("got %v", have)
		}
	}
	return nil
}

func (a *actor) result(method, token string, opts []client.Option) any {
	ctx := context.Background()
	switch method {
	case "verify":
		return a.client.Verify(ctx, token, opts...)
	case "profile":
		return a.client.Profile(ctx, token, opts...)
	case "ping":
		return a.client.Ping(ctx)
	}
	d, err := a.client.Hello(ctx)
	if err != nil {
		return err
	}
	return d
}

// gather starts "N METHOD".
func (a *actor) gather(text string) error {
	number, method, _ := strings.Cut(text, " ")
	n, err := strconv.Atoi(number)
	if err != nil {
		return err
	}
	a.stop = make(chan struct{})
	for i := range n {
		if err := a.do(fmt.Sprintf("mint %d", i+1)); err != nil {
			return err
		}
		m := &member{changed: make(chan struct{}), outcomes: map[string]bool{}}
		a.callers = append(a.callers, m)
		who := a.people[strconv.Itoa(i+1)]
		a.gone.Go(func() {
			for {
				select {
				case <-a.stop:
					return
				default:
					m.note(facts(a.result(method, who.token, nil)), who.subject)
				}
			}
		})
	}
	return nil
}

func (m *member) note(have map[string]string, subject string) {
	if have["cause"] == "timeout" {
		return // the machine was busy
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.outcomes[have["outcome"]] = true
	if have["outcome"] == "accepted" {
		m.mixed = m.mixed || have["subject"] != subject
		m.accepted++
		close(m.changed)
		m.changed = make(chan struct{})
	}
}

func (a *actor) served() error {
	var waits []<-chan struct{}
	for _, m := range a.callers {
		m.mu.Lock()
		waits = append(waits, m.changed)
		m.mu.Unlock()
	}
	late := time.After(systemTimeout)
	for i, wait := range waits {
		select {
		case <-wait:
		case <-late:
			return fmt.Errorf("caller %d is not served", i+1)
		}
	}
	return nil
}

func (a *actor) finish(outcomes string) error {
	if a.callers == nil {
		return nil
	}
	close(a.stop)
	a.gone.Wait()
	callers := a.callers
	a.callers = nil
	for i, m := range callers {
		if m.mixed {
			return fmt.Errorf("caller %d got another's answer", i+1)
		}
		for outcome := range m.outcomes {
			if !slices.Contains(strings.Split(outcomes, "|"), outcome) {
				return fmt.Errorf("caller %d got %s", i+1, outcome)
			}
		}
	}
	return nil
}
