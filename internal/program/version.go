package program

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
)

// Version is what --version prints: what an operator puts into a report. The
// release and the commit are those that the linker wrote into the program; a
// build without a commit has it from the toolchain, if that knew one.
func Version(name, release, commit string) string {
	if info, ok := debug.ReadBuildInfo(); ok && commit == "" {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				commit = s.Value
			}
		}
	}
	return fmt.Sprintf("%s %s (commit %s, %s, %s/%s)", name, release, cmp.Or(commit, "unknown"), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
