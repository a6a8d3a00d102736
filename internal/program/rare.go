package program

import (
	"context"
	"log/slog"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds of a log.
const (
	// MaxLines is how many lines of one kind are logged in a second, unless the
	// line has Every or Once. Further lines are counted, and the count is logged.
	MaxLines = 50
	// maxKinds is the largest number of kinds that are distinguished.
	maxKinds = 256
)

// frequency is how often lines of a kind may be logged. The zero value is
// MaxLines a second.
type frequency struct {
	lines    int
	interval time.Duration
	of       string // distinguishes kinds of lines with the same message
}

// forever is the interval of lines that are logged once.
const forever = time.Duration(math.MaxInt64)

// LogValue hides the frequency from handlers other than Rare: it is a group
// without attributes, which slog leaves out.
func (frequency) LogValue() slog.Value { return slog.GroupValue() }

// Every returns an attribute for a call of a logger. Of the lines with it, one is
// logged in the interval, and the others are counted. All lines with the same
// message are of one kind, unless of distinguishes them. The values of of must
// come from a closed list, never from outside.
//
// The attribute works if the logger's handler is a Rare. It is not written.
func Every(interval time.Duration, of ...string) slog.Attr {
	return slog.Any("", frequency{1, interval, strings.Join(of, ": ")})
}

// Once is Every with an endless interval, for facts that do not change. Repeated
// lines are not counted.
func Once(of ...string) slog.Attr { return Every(forever, of...) }

// Rare is a handler that limits how many lines of one kind reach the next handler.
// Lines with the same message are of one kind; their attributes may differ. Rare
// passes MaxLines lines of each kind in a second, or as many as Every or Once
// allow. Make it with NewRare. It is safe for concurrent use.
type Rare struct {
	slog.Handler
	*counts // shared by all that WithAttrs and WithGroup make of one
}

// counts counts the recent lines.
type counts struct {
	root    slog.Handler // for the counts
	leftOut atomic.Uint64

	mu    sync.Mutex
	kinds map[kindKey]*kind
}

type kindKey struct{ message, of string }

// kind is one kind's share of the log in the interval that began at since.
type kind struct {
	since    time.Time
	interval time.Duration
	level    slog.Level
	logged   int
	leftOut  int
}

// NewRare returns a Rare before h.
func NewRare(h slog.Handler) Rare {
	return Rare{h, &counts{root: h, kinds: map[kindKey]*kind{}}}
}

// WithAttrs returns a handler that shares its counts with r.
func (r Rare) WithAttrs(attrs []slog.Attr) slog.Handler {
	return Rare{r.Handler.WithAttrs(attrs), r.counts}
}

// WithGroup returns a handler that shares its counts with r.
func (r Rare) WithGroup(name string) slog.Handler {
	return Rare{r.Handler.WithGroup(name), r.counts}
}

// Handle passes the record to the next handler, or counts it.
func (r Rare) Handle(ctx context.Context, record slog.Record) error {
	at := record.Time
	if at.IsZero() {
		at = time.Now()
	}
	if !r.allows(&record, at) {
		return nil
	}
	return r.Handler.Handle(ctx, record)
}

// LeftOut returns how many lines were left out so far, without repeated lines with
// Once.
func (r Rare) LeftOut() uint64 { return r.counts.leftOut.Load() }

// Tell logs how many lines were left out since the last count, for each kind whose
// interval is over. Call it regularly: without it, the count of a flood is logged
// only when the next line of its kind comes, or never.
func (r Rare) Tell(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, k := range r.kinds {
		if k.over(now) {
			k.tell(r.root, key, now)
		}
	}
}

// tellInterval is how often Run calls Tell.
const tellInterval = 5 * time.Second

// Run calls Tell regularly until ctx ends, and then TellAll.
func (r Rare) Run(ctx context.Context) {
	ticker := time.NewTicker(tellInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			r.TellAll(time.Now())
			return
		case now := <-ticker.C:
			r.Tell(now)
		}
	}
}

// TellAll is Tell for all kinds. Call it at the end.
func (r Rare) TellAll(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tellAll(now)
}

func (c *counts) tellAll(now time.Time) {
	for key, k := range c.kinds {
		k.tell(c.root, key, now)
	}
}

// allows reports whether another line like the record may be logged at now.
func (c *counts) allows(record *slog.Record, now time.Time) bool {
	f := frequencyOf(record)
	key := kindKey{record.Message, f.of}
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.kinds[key]
	if k == nil {
		if len(c.kinds) >= maxKinds {
			c.tellAll(now)
			clear(c.kinds)
		}
		k = &kind{since: now}
		c.kinds[key] = k
	}
	k.interval, k.level = f.interval, record.Level
	if k.over(now) {
		k.tell(c.root, key, now)
		k.since, k.logged = now, 0
	}
	if k.logged < f.lines {
		k.logged++
		return true
	}
	if f.interval != forever {
		c.leftOut.Add(1)
		k.leftOut++
	}
	return false
}

func frequencyOf(record *slog.Record) frequency {
	f := frequency{MaxLines, time.Second, ""}
	record.Attrs(func(a slog.Attr) bool {
		if a.Value.Kind() != slog.KindLogValuer {
			return true
		}
		own, found := a.Value.Any().(frequency)
		if found {
			f = own
		}
		return !found
	})
	return f
}

func (k *kind) over(now time.Time) bool { return now.Sub(k.since) >= k.interval }

func (k *kind) tell(to slog.Handler, key kindKey, now time.Time) {
	if k.leftOut == 0 {
		return
	}
	r := slog.NewRecord(now, k.level, "more lines of this kind were left out", 0)
	r.AddAttrs(slog.String("kind", key.message), slog.Int("lines", k.leftOut))
	if key.of != "" {
		r.AddAttrs(slog.String("of", key.of))
	}
	_ = to.Handle(context.Background(), r) // a log that cannot be written cannot say so
	k.leftOut = 0
}
