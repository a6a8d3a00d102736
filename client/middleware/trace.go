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

// traceInterval is how long a Guard is silent about an outage after a line.
const traceInterval = time.Minute

// trace leaves one line about an outage at once, and then rarely.
type trace struct {
	mu    sync.Mutex
	next  time.Time // the earliest time of the next line
	since int       // requests that were refused since the last line
}

// due counts a refused request. It returns how many the line that is due now
// stands for, 0 while none is.
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

// traceUnknown tells those who run the application why requests get 503. That
// a visitor has left is no outage.
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

// socket is the path of the daemon's socket; "" where the Asker has none.
func (g *Guard) socket() string {
	if c, ok := g.asker().(interface{ Path() string }); ok {
		return c.Path()
	}
	return ""
}
