package upstream

import (
	"context"
	"log/slog"
	"time"

	"github.com/neonauthd/neonauthd/internal/program"
)

// alarmInterval is how long one and the same alarm stays silent after it was raised.
const alarmInterval = 10 * time.Minute

// raise tells the operator of e if it concerns them, each thing once in a while rather than once per request. An error's
// text has only closed words and a status in it.
func (c *Client) raise(e *Error) {
	if e.Meaning != Misconfigured && !e.loud {
		return
	}
	c.config.Logger.LogAttrs(context.Background(), slog.LevelError, "upstream needs attention",
		program.Every(alarmInterval, c.config.Name, e.Error()), slog.String("error", e.Error()))
}
