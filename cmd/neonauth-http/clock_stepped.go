//go:build steppedclock

package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

// fixedClock names the variable with the time that it always is, in seconds since
// 1970.
const fixedClock = "NEONAUTH_HTTP_FIXED_CLOCK"

// now is the time of the variable, for deliveries that somebody else has signed at
// a time. No program that is shipped has this file: it needs the build tag
// steppedclock.
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
