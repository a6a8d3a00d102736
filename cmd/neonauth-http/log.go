package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"
)

// newLogger writes one line per event. The journal notes the time itself.
func newLogger(w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{}
	if os.Getenv("JOURNAL_STREAM") != "" {
		options.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// complaintInterval is the least time between two complaints of one kind:
// requests cause them, and requests are the visitor's to send.
const complaintInterval = 10 * time.Second

// complaints writes what goes wrong, each kind rarely.
type complaints struct {
	log *slog.Logger
	now func() time.Time

	mu    sync.Mutex
	kinds map[string]*complaint // by message, of which there are few
}

type complaint struct {
	next       time.Time
	suppressed int
}

func newComplaints(log *slog.Logger, now func() time.Time) *complaints {
	return &complaints{log: log, now: now, kinds: map[string]*complaint{}}
}

// warn logs, unless the same message was logged a moment ago.
func (c *complaints) warn(message string, attrs ...slog.Attr) {
	now := c.now()
	c.mu.Lock()
	kind := c.kinds[message]
	if kind == nil {
		kind = new(complaint)
		c.kinds[message] = kind
	}
	if now.Before(kind.next) {
		kind.suppressed++
		c.mu.Unlock()
		return
	}
	suppressed := kind.suppressed
	kind.next, kind.suppressed = now.Add(complaintInterval), 0
	c.mu.Unlock()
	if suppressed > 0 {
		attrs = append(attrs, slog.Int("suppressed", suppressed))
	}
	c.log.LogAttrs(context.Background(), slog.LevelWarn, message, attrs...)
}
