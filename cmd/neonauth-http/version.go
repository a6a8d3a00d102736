package main

import (
	"cmp"
	"fmt"
	"runtime"
)

// Set at link time, see the Makefile. They are variables because the linker
// sets no constants; nothing else writes them.
var (
	release = "dev"
	commit  = ""
)

func version() string {
	return fmt.Sprintf("neonauth-http %s (commit %s, %s, %s/%s)", release, cmp.Or(commit, "unknown"), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
