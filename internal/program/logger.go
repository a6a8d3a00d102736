package program

import (
	"context"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/coreos/go-systemd/v22/journal"
)

// OutliveLog makes the program go on when nobody reads its log any more. Without it, a write
// to a standard error that nobody reads ends the program (SIGPIPE). It is for programs that
// serve: others should end.
func OutliveLog() { signal.Ignore(syscall.SIGPIPE) }

// NewLogger writes one line for each event of at least the given level to w, as
// name=value, or as a JSON object. A duration is a text with its unit (17µs), and in
// JSON a number of seconds, as in the access log.
// Where w is a standard error that the journal reads, each line begins with its
// priority (sd-daemon(3)), and as text leaves the time to the journal.
func NewLogger(w io.Writer, level slog.Leveler, asJSON bool) *slog.Logger {
	journaled, err := journal.StderrIsJournalStream()
	return slog.New(newHandler(w, level, asJSON, err == nil && journaled && w == os.Stderr))
}

func newHandler(w io.Writer, level slog.Leveler, asJSON, journaled bool) slog.Handler {
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: joined}
	lines := func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, options) }
	switch {
	case asJSON:
		options.ReplaceAttr = inSeconds
		lines = func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, options) }
	case journaled:
		options.ReplaceAttr = untimed
	}
	if !journaled {
		return lines(w)
	}
	h := &journalHandler{}
	for i, prefix := range [...]string{"<7>", "<6>", "<4>", "<3>"} {
		h.byLevel[i] = lines(prefixed{w, prefix})
	}
	return h
}

// joined writes several errors (errors.Join) one after the other: in a line, their line ends would be escapes.
func joined(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() != slog.KindAny {
		return a
	}
	if err, ok := a.Value.Any().(error); ok && strings.Contains(err.Error(), "\n") {
		a.Value = slog.StringValue(strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return a
}

// inSeconds is joined, and writes a duration as a number of seconds: JSON has no
// durations, and slog would write nanoseconds, which nothing in the line says.
func inSeconds(groups []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.Float64Value(a.Value.Duration().Seconds())
	}
	return joined(groups, a)
}

// untimed is joined, and leaves out time and level of the line, which the journal has.
func untimed(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
		return slog.Attr{}
	}
	return joined(groups, a)
}

// journalHandler gives each record to the handler that writes its priority.
type journalHandler struct{ byLevel [4]slog.Handler }

func (h *journalHandler) at(l slog.Level) slog.Handler {
	switch {
	case l < slog.LevelInfo:
		return h.byLevel[0]
	case l < slog.LevelWarn:
		return h.byLevel[1]
	case l < slog.LevelError:
		return h.byLevel[2]
	default:
		return h.byLevel[3]
	}
}

func (h *journalHandler) Enabled(ctx context.Context, l slog.Level) bool {
	return h.at(l).Enabled(ctx, l)
}

func (h *journalHandler) Handle(ctx context.Context, r slog.Record) error {
	return h.at(r.Level).Handle(ctx, r)
}

func (h *journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.each(func(one slog.Handler) slog.Handler { return one.WithAttrs(attrs) })
}

func (h *journalHandler) WithGroup(name string) slog.Handler {
	return h.each(func(one slog.Handler) slog.Handler { return one.WithGroup(name) })
}

func (h *journalHandler) each(change func(slog.Handler) slog.Handler) slog.Handler {
	changed := &journalHandler{}
	for i, one := range h.byLevel {
		changed.byLevel[i] = change(one)
	}
	return changed
}

// prefixed writes a prefix before each record; the text handler writes a record
// with one call.
type prefixed struct {
	w      io.Writer
	prefix string
}

func (p prefixed) Write(line []byte) (int, error) {
	if _, err := p.w.Write(append([]byte(p.prefix), line...)); err != nil {
		return 0, err
	}
	return len(line), nil
}
