package middleware

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/client/httpauth"
)

// traceInterval is the shortest time between two log lines of a Guard about an
// outage.
const traceInterval = time.Minute

// trace limits the log lines about an outage: one at once, then at most one for
// each traceInterval.
type trace struct {
	mu    sync.Mutex
	next  time.Time // the earliest time of the next line
	since int       // requests that were refused since the last line
}

// due counts a refused request. If a line is due now, it returns the number of
// requests that the line stands for, else 0.
func (t *trace) due(now time.Time) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.since++
	if now.Before(t.next) {
		return 0
	}
	n := t.since
	t.since, t.next = 0, now.Add(traceInterval)
	return n
}

// traceUnknown reports why a request gets 503. A visitor who has left is not an
// outage.
func (g *Guard) traceUnknown(r *http.Request, u client.Unknown) {
	if errors.Is(u.Err, context.Canceled) {
		return
	}
	if g.OnUnknown != nil {
		g.OnUnknown(r, u)
		return
	}
	if n := g.trace.due(time.Now()); n > 0 {
		attributes := []any{"socket", g.socket(), "cause", u.String(), "requests", n}
		text := "neonauthd cannot tell whether tokens are good: requests get 503"
		if hint := httpauth.Hint(u.Code); hint != "" {
			text = "neonauthd does not answer what the guard asks: requests get 503"
			attributes = append(attributes, "hint", hint)
		} else if os.Getenv(client.SocketVariable) == "" && g.socket() == new(client.Client).Path() {
			attributes = append(attributes, "hint", client.SocketVariable+" is not set")
		}
		slog.Default().WarnContext(r.Context(), text, attributes...)
	}
}

// socket returns the path of the daemon's socket; "" if the Asker has none.
func (g *Guard) socket() string {
	if c, ok := g.asker().(interface{ Path() string }); ok {
		return c.Path()
	}
	return ""
}
