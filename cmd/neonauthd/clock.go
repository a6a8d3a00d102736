//go:build !steppedclock

package main

import "time"

// clock returns the daemon's clock; nil: the host's clocks.
func clock() func() time.Time { return nil }
