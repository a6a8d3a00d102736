package upstream

import (
	"context"
	"log/slog"
	"time"

	"github.com/neonauthd/neonauthd/internal/program"
)

// attentionInterval is the shortest time between two lines about the same
// thing.
const attentionInterval = 10 * time.Minute

// callAttention tells the operator of e if it concerns them. Each cause is told
// once per attentionInterval and not once per request, for all acts together.
// An error's text has only closed words and a status in it.
func (c *Client) callAttention(e *Error) {
	if e.Meaning != Misconfigured && !e.loud {
		return
	}
	c.config.Logger.LogAttrs(context.Background(), slog.LevelError, "upstream needs attention",
		program.Every(attentionInterval, c.config.Name, e.Cause()), slog.String("error", e.Error()), slog.String("next", e.next()))
}

// next says what an operator can do about e.
func (e *Error) next() string {
	switch {
	case e.loud:
		return "see what answers in the upstream's place, or between it and this host"
	case e.act == actIntrospect:
		return "tokens are answered misconfigured; check the client's id and secret in [project.introspection], then reload (a systemd credential is delivered anew by a restart only)"
	case e.Code != "" || e.Local:
		return "profiles are answered misconfigured, claims are still verified; mend project_id or the server key, then reload (a systemd credential is delivered anew by a restart only)"
	default:
		return "see that base_url is right, and that nothing answers in the upstream's place"
	}
}
