package upstream

import (
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/neonauthd/neonauthd/daemon/clock"
	"github.com/neonauthd/neonauthd/internal/program"
)

// comparison is how this host's clock compares with the upstream's, by the Date
// header of the last answer that had one. The zero value has seen none. Safe for
// concurrent use.
type comparison struct {
	mu    sync.Mutex
	known bool
	ahead time.Duration
}

// note takes what the last answer says, and reports whether the clocks have
// begun to differ, or to agree again, with it.
func (c *comparison) note(ahead time.Duration) (began, ended bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.ahead
	c.known, c.ahead = true, ahead
	return differs(ahead) && !differs(was), !differs(ahead) && differs(was)
}

func differs(ahead time.Duration) bool { return ahead.Abs() > clock.Tolerance }

// ClockAhead is how far this host's wall clock was ahead of the upstream's when
// the last answer came, below zero if it was behind, and 0 as far as that cannot
// be told from the answer. Not known means that no answer had a Date.
func (c *Client) ClockAhead() (ahead time.Duration, known bool) {
	c.comparison.mu.Lock()
	defer c.comparison.mu.Unlock()
	return c.comparison.ahead, c.comparison.known
}

// ClockDiffers reports whether that is more than hosts that keep the time differ
// by.
func (c *Client) ClockDiffers() bool {
	ahead, _ := c.ClockAhead()
	return differs(ahead)
}

// heed learns from an answer's head what the time is, and tells the operator when
// this host's clock has another. Any answer counts, errors too: it need not be
// right in anything but the time.
func (c *Client) heed(header http.Header, asked time.Time) {
	date, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return
	}
	age, _ := parseSeconds(header.Get("Age"))
	one := clock.Testimony{Date: date, Age: age, Asked: asked, Answered: c.config.Now()}
	c.config.Wall.Hear(one)
	ahead := one.Ahead()
	began, ended := c.comparison.note(ahead)
	once := program.Every(attentionInterval, c.config.Name)
	switch by := slog.String("ahead", ahead.Round(time.Second).String()); {
	case began:
		c.config.Logger.Warn("this host's clock differs from the upstream's (below zero: it is behind): tokens are taken for expired or not yet valid too early or too late; set the clock, and see that something keeps it", by, once)
	case ended:
		c.config.Logger.Info("this host's clock agrees with the upstream's again", by, once)
	}
}
