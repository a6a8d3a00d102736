// Package delay reads how long an HTTP header field says to wait, or how old an answer is.
package delay

import (
	"net/http"
	"strings"
	"time"
)

// Least is used instead of a Retry-After of zero or in the past.
const Least = time.Second

// RetryAfter returns how long the upstream asks not to be called: the longest of Retry-After (RFC 9110 section 10.2.3:
// seconds or a date) and Better Auth's X-Retry-After, at least a second, at most the given time. A value that makes no
// sense, such as a negative number, counts as absent. A result of 0 means that there is no hint.
//
// A date is compared with the answer's own Date: this host's clock, which is now, may be another.
func RetryAfter(header http.Header, now time.Time, most time.Duration) time.Duration {
	var longest time.Duration
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		now = date
	}
	for _, name := range []string{"Retry-After", "X-Retry-After"} {
		for _, value := range header.Values(name) {
			if d, ok := parse(strings.TrimSpace(value), now); ok {
				longest = max(longest, min(max(d, Least), most))
			}
		}
	}
	return longest
}

func parse(value string, now time.Time) (time.Duration, bool) {
	if seconds, ok := Seconds(value); ok {
		return seconds, true
	}
	date, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	return date.Sub(now), true
}

// MaxSeconds is the largest number of seconds worth telling apart (RFC 9111 section 1.2.2).
const MaxSeconds = 1<<31 - 1

// Seconds reads a non-negative decimal number of seconds of any length; more than MaxSeconds are MaxSeconds. It returns
// false for any other text.
func Seconds(text string) (time.Duration, bool) {
	n := int64(0)
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return 0, false
		}
		n = min(n*10+int64(text[i]-'0'), MaxSeconds)
	}
	return time.Duration(n) * time.Second, text != ""
}
