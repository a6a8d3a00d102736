//go:build steppedclock

package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

// fixedClock names the environment variable with a fixed time, in seconds since
// 1970.
const fixedClock = "NEONAUTH_HTTP_FIXED_CLOCK"

// now returns the fixed time, for deliveries that were signed at a time in the
// past. No released program has this code: it needs the build tag steppedclock.
func now() time.Time {
	text := os.Getenv(fixedClock)
	if text == "" {
		return time.Now()
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		panic(fmt.Sprintf("%s: %v", fixedClock, err))
	}
	return time.Unix(seconds, 0)
}
