package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

const day = 24 * time.Hour

// parseDuration reads Go's duration syntax, before which a whole number of days
// of 24 hours may stand: "30d", "1d12h".
func parseDuration(text string) (time.Duration, error) {
	number, rest, found := strings.Cut(text, "d")
	if !found {
		return time.ParseDuration(text)
	}
	days, err := strconv.ParseUint(number, 10, 32)
	if err != nil || days > uint64(math.MaxInt64/day)-1 {
		return 0, fmt.Errorf("%q is no number of days", cut(number))
	}
	if rest == "" {
		return time.Duration(days) * day, nil
	}
	more, err := time.ParseDuration(rest)
	if err != nil || more < 0 || more >= day {
		return 0, fmt.Errorf("%q is no time of a day", cut(rest))
	}
	return time.Duration(days)*day + more, nil
}

// Retention is how long something is kept, written as a duration of at least
// MinRetention, such as "30d", or as "forever", which is the zero value.
type Retention time.Duration

// Forever is the retention of what is kept until somebody takes it back.
const Forever Retention = 0

// MinRetention is the shortest retention that can be configured.
const MinRetention = time.Hour

// UnmarshalText reads "forever" or a duration.
func (r *Retention) UnmarshalText(text []byte) error {
	if string(text) == "forever" {
		*r = Forever
		return nil
	}
	var d Duration
	if err := d.UnmarshalText(text); err != nil {
		return err
	}
	if time.Duration(d) < MinRetention {
		return fmt.Errorf("retention %q is shorter than %s; write \"forever\" to keep what is not taken back", cut(string(text)), MinRetention)
	}
	*r = Retention(d)
	return nil
}

// MarshalText is the inverse of UnmarshalText.
func (r Retention) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// String is the retention as the configuration spells it.
func (r Retention) String() string {
	d := time.Duration(r)
	switch {
	case r == Forever:
		return "forever"
	case d%day == 0:
		return fmt.Sprintf("%dd", d/day)
	}
	return d.String()
}
