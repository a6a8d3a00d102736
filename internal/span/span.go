// Package span reads and writes durations as people do: "500ms", "48h", "7d",
// "1d12h". A day has 24 hours.
package span

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// Day is 24 hours.
const Day = 24 * time.Hour

// ErrForm is the error of a text that is no duration. It repeats nothing.
var ErrForm = errors.New(`not a duration such as "500ms", "60s", "5m", "48h" or "7d"`)

// Parse reads a duration: a whole number of days, what time.ParseDuration
// reads, or days followed by that.
func Parse(text string) (time.Duration, error) {
	number, rest, days := strings.Cut(text, "d")
	if !days {
		d, err := time.ParseDuration(text)
		if err != nil {
			return 0, ErrForm
		}
		return d, nil
	}
	n, err := strconv.ParseUint(number, 10, 32)
	if err != nil || n > uint64(math.MaxInt64/Day)-1 {
		return 0, ErrForm
	}
	d := time.Duration(n) * Day
	if rest == "" {
		return d, nil
	}
	more, err := time.ParseDuration(rest)
	if err != nil || more < 0 || more >= Day {
		return 0, ErrForm
	}
	return d + more, nil
}

// String writes a duration in days if there are two or more, and without units
// that are zero: "48h" is "2d", "1h0m0s" is "1h".
func String(d time.Duration) string {
	if d < 0 && d != math.MinInt64 {
		return "-" + String(-d)
	}
	days := ""
	if d >= 2*Day {
		days, d = strconv.FormatInt(int64(d/Day), 10)+"d", d%Day
	}
	rest := ""
	if d > 0 || days == "" {
		rest = d.String()
	}
	if strings.HasSuffix(rest, "m0s") {
		rest = strings.TrimSuffix(rest, "0s")
	}
	if strings.HasSuffix(rest, "h0m") {
		rest = strings.TrimSuffix(rest, "0m")
	}
	return days + rest
}
