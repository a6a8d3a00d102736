package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"time"
)

// Set at link time: go build -ldflags "-X main.release=1.2.3 -X main.commit=...".
var (
	release = "dev"
	commit  = ""
)

// version is what --version prints: what an operator puts into a report.
func version() string {
	c := commit
	if info, ok := debug.ReadBuildInfo(); ok && c == "" {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				c = s.Value
			}
		}
	}
	if c == "" {
		c = "unknown"
	}
	return fmt.Sprintf("neonauthd %s (commit %s, %s, %s/%s)", release, c, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// clockFloor is the earliest time the host's clock can rightly show: this code
// did not exist before. A clock that was never set reads 1970.
func clockFloor() time.Time { return time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC) }
