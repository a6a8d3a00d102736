package program

import (
	"context"
	"log/slog"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"
)

// States that a program tells the service manager (sd_notify(3)). They can be
// joined by line ends, and followed by "STATUS=" and a line for people.
const (
	Ready    = sd.SdNotifyReady
	Stopping = sd.SdNotifyStopping
	Alive    = sd.SdNotifyWatchdog // the message for the watchdog
)

// Reloading returns the message that begins a reload. A message that begins with
// Ready must follow, also if the reload fails. The message has the time of the
// call, because systemd wants both in one datagram.
func Reloading() string { return sd.SdNotifyReloading + "\n" + sd.SdNotifyMonotonicUsec() }

// Notify tells the service manager, if there is one, of a change of state. It is
// safe for concurrent use. It ignores errors: nobody could be told of them.
func Notify(state string) { _, _ = sd.SdNotify(false, state) }

// Watchdog feeds the service manager's watchdog, so that the service manager restarts a
// program that does not work any more.
type Watchdog struct {
	// Check returns an error if this program does not work. Its context ends after a third
	// of the time in which the service manager expects a message.
	Check func(context.Context) error
	// Notify tells the service manager: the function of this package, except in tests.
	Notify func(state string)
	// Log gets a line when the watchdog is not fed, and why.
	Log *slog.Logger
}

// Run sends Alive while Check returns nil, until ctx ends. It returns at once if the service
// manager expects nothing.
func (w Watchdog) Run(ctx context.Context) {
	limit, err := sd.SdWatchdogEnabled(false)
	switch {
	case err != nil:
		w.Log.Error("watchdog not fed: the service manager will end this process; mend WatchdogSec=", "error", err)
		return
	case limit <= 0:
		return
	}
	interval := limit / 3
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	failing := false
	for {
		err := w.check(ctx, interval)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			w.Notify(Alive)
		case !failing:
			w.Log.Error("watchdog not fed: this program does not answer itself; the service manager will restart it", "error", err, "within", limit)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (w Watchdog) check(ctx context.Context, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return w.Check(ctx)
}
