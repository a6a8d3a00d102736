package upstream

import (
	"context"
	"log/slog"
	"time"

	"github.com/neonauthd/neonauthd/internal/program"
)

// attentionInterval is how often one and the same thing is told at most.
const attentionInterval = 10 * time.Minute

// callAttention tells the operator of e if it concerns them, each thing once in a while rather than once per request. An error's
// text has only closed words and a status in it.
func (c *Client) callAttention(e *Error) {
	if e.Meaning != Misconfigured && !e.loud {
		return
	}
	c.config.Logger.LogAttrs(context.Background(), slog.LevelError, "upstream needs attention",
		program.Every(attentionInterval, c.config.Name, e.Error()), slog.String("error", e.Error()))
}
