package main

import "time"

// Set at link time: go build -ldflags "-X main.release=1.2.3 -X main.commit=...".
var (
	release = "dev"
	commit  = ""
)

// clockFloor returns the earliest time that the host's clock can rightly show:
// this code did not exist before. A clock that was never set shows 1970.
func clockFloor() time.Time { return time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC) }
