package upstream

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// attentionInterval is the shortest time between two lines about the same
// thing.
const attentionInterval = 10 * time.Minute

// callAttention tells the operator of e if it concerns them. Each cause is told
// once per attentionInterval and not once per request, for all acts together.
// An error's text has only closed words and a status in it.
func (c *Client) callAttention(e *Error) {
	if e.Meaning != Misconfigured && !e.loud || !c.attention.due(e.Cause(), c.config.Now()) {
		return
	}
	c.config.Logger.LogAttrs(context.Background(), slog.LevelError, "upstream needs attention", slog.String("error", e.Error()), slog.String("next", e.next()))
}

// attention remembers when each cause was told. A reload that changes more of the project than
// times and rates makes another Client, so the operator hears at once that the change was not the right one. The
// zero value is ready to use.
type attention struct {
	mu   sync.Mutex
	told map[string]time.Time // by cause
}

// due reports whether the cause is to be told now, and notes that it is.
func (a *attention) due(cause string, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if at, ok := a.told[cause]; ok && now.Sub(at) < attentionInterval {
		return false
	}
	if a.told == nil {
		a.told = map[string]time.Time{}
	}
	a.told[cause] = now
	return true
}

// next says what an operator can do about e.
func (e *Error) next() string {
	switch {
	case e.ofOne:
		return "one user's data breaks a limit of this daemon, and other users are not concerned; make it smaller or simpler at the upstream (metadata, most likely); docs/operating.md has the limits, and neonauthctl explain tells of a token whether its user is the one"
	case e.loud:
		return "see what answers in the upstream's place, or between it and this host"
	case e.act == actIntrospect:
		return "tokens are answered misconfigured; check the client's id and secret in [project.introspection], then reload (a systemd credential is delivered anew by a restart only)"
	case e.Code != "" || e.Local && !e.earlier:
		return "profiles are answered misconfigured, claims are still verified; mend project_id or the server key, then reload (a systemd credential is delivered anew by a restart only)"
	default:
		return "see that base_url is right, and that nothing answers in the upstream's place"
	}
}
