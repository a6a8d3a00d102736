package configcheck

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/revoke"
	"github.com/neonauthd/neonauthd/daemon/statedir"
	"github.com/neonauthd/neonauthd/internal/accesslog"
	"github.com/neonauthd/neonauthd/internal/sockets"
)

// checkMetrics writes where metrics are served, and warns if other hosts can read them.
func checkMetrics(out io.Writer, cfg *config.Config) {
	if cfg.MetricsListen != "" {
		fmt.Fprintf(out, "metrics       %s\n", cfg.MetricsListen)
	}
	if cfg.MetricsExposed() {
		fmt.Fprintf(out, "warn          metrics are served to every host that reaches this one, and name projects and callers' users; set metrics_listen to 127.0.0.1:PORT or unix:PATH\n")
	}
}

// checkAccessLog writes where the access log goes, and what is wrong with that place.
func checkAccessLog(out io.Writer, destination string) (wrong int) {
	if destination == "" {
		return 0
	}
	fmt.Fprintf(out, "access log    %s\n", destination)
	if err := accesslog.Unsafe(destination); err != nil {
		fmt.Fprintf(out, "WRONG         %v\n", err)
		return 1
	}
	if err := accesslog.Inspect(destination); err != nil {
		remedy := "" // a socket is made by the program that listens on it
		if strings.HasPrefix(destination, "file:") {
			remedy = " (LogsDirectory= in the unit makes a folder at the start)"
		}
		fmt.Fprintf(out, "warn          access log: %v; lines are lost until it is there%s\n", err, remedy)
	}
	return 0
}

// checkStateChoice tells of revocations that a start would not use, because the unit names
// another state directory than the configuration does. unfit refuses such a start. Outside
// of the unit nobody knows what it names.
func checkStateChoice(out io.Writer, state config.StateChoice, unfit error) (wrong int) {
	switch {
	case unfit != nil:
		fmt.Fprintf(out, "WRONG         state: %v\n", unfit)
		return 1
	case state.Warning != "":
		fmt.Fprintf(out, "warn          state: %s\n", state.Warning)
	case !state.ByUnit && state.Path != config.Default().StateDir:
		fmt.Fprintf(out, "note          state: this is state_dir; a unit with a StateDirectory=, such as the one that comes with neonauthd, uses that directory instead (docs/state.md)\n")
	}
	return 0
}

// checkState judges the state directory and the journal of revocations as a start would,
// and changes nothing.
func checkState(out io.Writer, state config.StateChoice) (wrong int) {
	path := state.Path
	report := func(err error) int {
		fmt.Fprintf(out, "WRONG         state: %v\n", state.Explain(err))
		return 1
	}
	if err := statedir.Inspect(path, accesslog.KeyFile); err != nil {
		return report(err)
	}
	if err := statedir.CanWrite(path); err != nil {
		fmt.Fprintf(out, "warn          state: this process cannot write to %v; if the daemon cannot either, revocations and key sets are lost at a restart (systemd makes the folder with StateDirectory=)\n", err)
	}
	dir, err := statedir.Look(path)
	if errors.Is(err, fs.ErrNotExist) { // the first start makes it
		return 0
	}
	if err != nil {
		return report(err)
	}
	warnings, err := revoke.Inspect(dir)
	for _, text := range warnings {
		fmt.Fprintf(out, "warn          state: %s\n", text)
	}
	if err = errors.Join(err, dir.Close()); err != nil {
		return report(fmt.Errorf("revocations: %w", err))
	}
	return 0
}

// checkSockets warns of sockets that a start cannot make. These are no faults: this
// process does not know whether systemd makes the sockets, and passes them.
func checkSockets(out io.Writer, cfg *config.Config, state string) {
	all := []struct{ key, path string }{{"socket", cfg.Socket}, {"admin_socket", cfg.AdminSocket}}
	if path, ok := strings.CutPrefix(cfg.MetricsListen, "unix:"); ok {
		all = append(all, struct{ key, path string }{"metrics_listen", path})
	}
	for _, s := range all {
		if err := sockets.Inspect(s.path, state); err != nil {
			fmt.Fprintf(out, "warn          %s: %v; a start fails, unless systemd passes the socket\n", s.key, err)
		}
	}
	if sockets.IsOpenToAll(cfg.AdminSocket) {
		fmt.Fprintf(out, "warn          admin_socket: %s is open to every user of this host, who could revoke and purge; a start fails if systemd passes it: write SocketMode=0600, or 0660 with a SocketGroup=, in the socket unit\n", cfg.AdminSocket)
	}
}
