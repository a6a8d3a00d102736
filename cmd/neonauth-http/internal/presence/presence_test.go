package presence

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/protocol"
)

// fake is a daemon's socket.
type fake struct {
	mu    sync.Mutex
	does  string // "answers", "refuses", "hangs", "breaks", "" for nobody listens
	pings int
}

// now makes the fake behave so from now on, and returns how many pings came before.
func (f *fake) now(does string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.does = does
	return f.pings
}

// pinged counts n pings, and returns what the fake does.
func (f *fake) pinged(n int) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pings += n
	return f.does
}

func (f *fake) dial(context.Context) (net.Conn, error) {
	if f.pinged(0) == "" {
		return nil, errors.New("nobody listens")
	}
	near, far := net.Pipe()
	go f.serve(far)
	return near, nil
}

func (f *fake) serve(nc net.Conn) {
	defer nc.Close()
	lines := protocol.NewLineReader(nc, protocol.MaxRequestLine)
	for {
		line, err := lines.ReadLine()
		if err != nil {
			return
		}
		tag, _, _ := strings.Cut(string(line), " ")
		switch f.pinged(1) {
		case "answers":
			_, err = fmt.Fprintf(nc, "%s OK\n", tag)
		case "refuses":
			_, err = fmt.Fprintf(nc, "%s ERR busy retry-after=1\n", tag)
		case "breaks", "":
			return
		}
		if err != nil {
			return
		}
	}
}

// watched is a Daemon that watches a fake, and what it told.
type watched struct {
	*Daemon
	fake *fake
	mu   sync.Mutex
	told []string
}

func (w *watched) tell(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told = append(w.told, what)
}

func watch(t *testing.T, f *fake) *watched {
	w := &watched{fake: f}
	c := &client.Client{Dial: f.dial}
	w.Daemon = New(c, time.Now, func(error) { w.tell("away") }, func(time.Duration) { w.tell("back") })
	ctx, end := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.Watch(ctx, func() time.Duration { return 3 * time.Second }, func(err error) { t.Error(err) })
	}()
	t.Cleanup(func() {
		end()
		<-done
		_ = w.Close()
	})
	return w
}

// lives lets the fake behave in a way for a while, and returns what was told meanwhile.
func (w *watched) lives(does string, span time.Duration) []string {
	w.fake.now(does)
	time.Sleep(span)
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	told := w.told
	w.told = nil
	return told
}

func TestOnlyAnAnswerShowsThatTheDaemonIsThere(t *testing.T) {
	for does, want := range map[string]float64{"answers": 1, "refuses": 1, "hangs": 0, "breaks": 0, "": 0} {
		t.Run(does, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := watch(t, &fake{does: does})
				time.Sleep(2 * time.Second)
				synctest.Wait()
				if got := w.Gauge(); got != want {
					t.Errorf("the gauge is %v, want %v", got, want)
				}
			})
		})
	}
}

func TestAnAbsenceIsToldWhenItIsLongerThanARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, &fake{does: "answers"})
		for _, step := range []struct {
			does string
			span time.Duration
			want []string
		}{
			{"answers", 10*time.Second - time.Millisecond, nil},
			{"breaks", 2 * time.Second, nil}, // the ping at 10 s
			{"answers", 8 * time.Second, nil},
			{"hangs", 30 * time.Second, []string{"away", "away", "away"}},
			{"answers", 10 * time.Second, []string{"back"}},
			{"answers", time.Hour, nil},
		} {
			if got := w.lives(step.does, step.span); !slices.Equal(got, step.want) {
				t.Errorf("%s for %s: told %q, want %q", step.does, step.span, got, step.want)
			}
		}
	})
}

func TestADoubtIsResolvedSoonAndWithoutAFloodOfPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := watch(t, &fake{does: "answers"})
		w.lives("answers", 2*time.Second)
		before := w.fake.now("answers")
		for range 100 { // for two seconds
			w.Doubt()
			w.lives("answers", 20*time.Millisecond)
		}
		if n := w.fake.now("answers") - before; n < 1 || n > 3 {
			t.Errorf("%d pings in two seconds full of doubts", n)
		}
		if w.Away() {
			t.Error("a daemon that answers is called away")
		}
		w.fake.now("hangs")
		w.Doubt()
		w.lives("hangs", 2100*time.Millisecond)
		if !w.Away() {
			t.Error("a daemon that hangs is not called away")
		}
	})
}

// TestAQuestionsOwnTroubleIsNoAbsence: a caller that leaves, and an answer that is an error.
func TestAQuestionsOwnTroubleIsNoAbsence(t *testing.T) {
	for name, test := range map[string]struct {
		err             error
		answers, absent bool
	}{
		"an answer":       {nil, true, false},
		"a refusal":       {&client.ReplyError{Code: protocol.CodeBusy}, true, false},
		"nobody listens":  {fmt.Errorf("dial: %w", client.ErrUnreachable), false, true},
		"a broken line":   {client.ErrBroken, false, true},
		"no time left":    {context.DeadlineExceeded, false, true},
		"the caller left": {context.Canceled, false, false},
		"another service": {client.ErrGarbled, false, false},
		"it was closed":   {client.ErrClosed, false, false},
	} {
		if got := [2]bool{Answers(test.err), NoAnswer(test.err)}; got != [2]bool{test.answers, test.absent} {
			t.Errorf("%s: %v", name, got)
		}
	}
}
