package main

import "time"

// Set at link time: go build -ldflags "-X main.release=1.2.3 -X main.commit=...".
var (
	release = "dev"
	commit  = ""
)

// clockFloor is the earliest time the host's clock can rightly show: this code
// did not exist before. A clock that was never set reads 1970.
func clockFloor() time.Time { return time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC) }
