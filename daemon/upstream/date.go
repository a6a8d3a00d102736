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

// note takes what the last answer says, and reports whether since this answer the clocks
// differ, or agree again.
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

// ClockDiffers reports whether the clocks differ by more than clock.Tolerance.
func (c *Client) ClockDiffers() bool {
	ahead, _ := c.ClockAhead()
	return differs(ahead)
}

// instants are when an answer came. Its content is judged by this host's clock, as tokens
// are. Anybody on the way can write its Date: so the Date can make that judgement doubtful,
// but never decides.
type instants struct {
	own   time.Time // by this host's clock
	told  time.Time // by the Date; own where there is none, or where the clocks agree
	dated bool      // it has a Date
}

// heed learns from an answer's head what the time is, and tells the operator when
// this host's clock has another. Any answer counts, errors too: only its time has to be
// right.
func (c *Client) heed(header http.Header, asked time.Time) instants {
	now := c.config.Now()
	date, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return instants{own: now, told: now}
	}
	one := clock.Testimony{Date: date, Age: ageOf(header), Asked: asked, Answered: now}
	c.config.Wall.Hear(one)
	ahead := one.Ahead()
	began, ended := c.comparison.note(ahead)
	once := program.Every(attentionInterval, c.config.Name)
	switch by := slog.String("ahead", ahead.Round(time.Second).String()); {
	case began:
		c.config.Logger.Warn("this host's clock differs from the upstream's (below zero: it is behind): tokens are taken for expired or not yet valid too early or too late, and a clock that was never set judges none; set the clock, and see that something keeps it", by, once)
	case ended:
		c.config.Logger.Info("this host's clock agrees with the upstream's again", by, once)
	}
	if !differs(ahead) {
		ahead = 0
	}
	return instants{own: now, told: now.Add(-ahead), dated: true}
}

// holds reports whether something is so when the answer came, by this host's clock. sure
// tells that the answer's Date agrees.
func (i instants) holds(is func(now time.Time) bool) (so, sure bool) {
	so = is(i.own)
	return so, is(i.told) == so
}

// doubtful is the failure of an answer about which this host's clock and the answer's Date
// do not agree.
func doubtful(status int) *Error {
	e := unusable(status, "whether it is over depends on whether this host's clock is right or the answer's Date; set the clock, or mend what writes the Date")
	e.doubtful = true
	return e
}
