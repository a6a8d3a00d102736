package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of the log.
const (
	// MaxLines is how many lines of one kind are logged within a second; the
	// others are counted, and the count is logged.
	MaxLines = 50
	// maxKinds bounds how many kinds of line are told apart.
	maxKinds = 256
)

// thrifty is a handler that keeps a flood of one event out of the log. Lines of
// one message are of one kind: what differs is in their attributes. Safe for
// concurrent use.
type thrifty struct {
	slog.Handler
	*spending // shared by all that WithAttrs and WithGroup make of one
}

// spending is what has been logged of late.
type spending struct {
	root   slog.Handler // for the counts
	unsaid atomic.Uint64

	mu    sync.Mutex
	kinds map[string]*kind
}

// kind is one message's share of the log in the second that began at since.
type kind struct {
	since  time.Time
	level  slog.Level
	logged int
	unsaid int
}

func newThrifty(h slog.Handler) thrifty {
	return thrifty{h, &spending{root: h, kinds: map[string]*kind{}}}
}

func (t thrifty) WithAttrs(attrs []slog.Attr) slog.Handler {
	return thrifty{t.Handler.WithAttrs(attrs), t.spending}
}

func (t thrifty) WithGroup(name string) slog.Handler {
	return thrifty{t.Handler.WithGroup(name), t.spending}
}

func (t thrifty) Handle(ctx context.Context, r slog.Record) error {
	at := r.Time
	if at.IsZero() {
		at = time.Now()
	}
	if !t.affords(r.Message, r.Level, at) {
		t.unsaid.Add(1)
		return nil
	}
	return t.Handler.Handle(ctx, r)
}

// affords reports whether another line of the message may be logged at now.
func (s *spending) affords(message string, level slog.Level, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.kinds[message]
	if k == nil {
		if len(s.kinds) >= maxKinds {
			s.tellLocked(now)
			clear(s.kinds)
		}
		k = &kind{since: now}
		s.kinds[message] = k
	}
	if now.Sub(k.since) >= time.Second {
		k.tell(s.root, message, now)
		k.since, k.logged = now, 0
	}
	k.level = level
	if k.logged >= MaxLines {
		k.unsaid++
		return false
	}
	k.logged++
	return true
}

// tell logs how many lines were left out since it was last told, if any.
func (s *spending) tell(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tellLocked(now)
}

func (s *spending) tellLocked(now time.Time) {
	for message, k := range s.kinds {
		k.tell(s.root, message, now)
	}
}

func (k *kind) tell(to slog.Handler, message string, now time.Time) {
	if k.unsaid == 0 {
		return
	}
	r := slog.NewRecord(now, k.level, "more lines of this kind were left out", 0)
	r.AddAttrs(slog.String("kind", message), slog.Int("lines", k.unsaid))
	_ = to.Handle(context.Background(), r) // a log that cannot be written cannot say so
	k.unsaid = 0
}

// panicked records a panic without what it was about, which may be a token.
func (s *server) panicked(p any) {
	s.ledger.panics.Add(1)
	s.log.Error("a connection failed by a fault of ours; it was closed, the others go on; please report this line",
		"kind", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
}
