package program

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
)

// Version returns the text of --version, which an operator puts into a report. The
// linker writes release and commit into the program. If it has written no commit,
// Version takes the one that the toolchain has written, if there is one.
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
