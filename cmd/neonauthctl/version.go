package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// Set at link time, see the Makefile; nothing else writes them.
var (
	release = "dev"
	commit  = ""
)

// version is what --version prints. A build without the Makefile has its commit
// from the toolchain, if that knew one.
func version() string {
	from := commit
	if info, ok := debug.ReadBuildInfo(); ok && from == "" {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				from = s.Value
			}
		}
	}
	if from == "" {
		from = "unknown"
	}
	return fmt.Sprintf("neonauthctl %s (commit %s, %s, %s/%s)", release, from, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
