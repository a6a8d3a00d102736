package config

import (
	"errors"
	"time"

	"github.com/neonauthd/neonauthd/internal/span"
)

// Retention is how long something is kept, written as a duration of at least
// MinRetention, such as "30d", or as "forever", which is the zero value.
type Retention time.Duration

// Forever is the retention of what is kept until somebody takes it back.
const Forever Retention = 0

// MinRetention is the shortest retention that can be configured.
const MinRetention = time.Hour

// Wants is what the string must be.
func (Retention) Wants() string {
	return `"forever" or a duration of at least ` + span.String(MinRetention) + `, such as "30d"`
}

// UnmarshalText reads "forever" or a duration.
func (r *Retention) UnmarshalText(text []byte) error {
	if string(text) == "forever" {
		*r = Forever
		return nil
	}
	var d Duration
	if err := d.UnmarshalText(text); err != nil || time.Duration(d) < MinRetention {
		return errors.New("must be " + r.Wants())
	}
	*r = Retention(d)
	return nil
}

// MarshalText is the inverse of UnmarshalText.
func (r Retention) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// String is the retention as the configuration spells it.
func (r Retention) String() string {
	if r == Forever {
		return "forever"
	}
	return span.String(time.Duration(r))
}
