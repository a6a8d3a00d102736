package program

import (
	"context"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"
)

// States that a program tells the service manager (sd_notify(3)). They can be
// joined by line ends, and followed by "STATUS=" and a line for people.
const (
	Ready    = sd.SdNotifyReady
	Stopping = sd.SdNotifyStopping
	Alive    = sd.SdNotifyWatchdog // what the watchdog waits for
)

// Reloading is the message that begins a reload. It must be followed by one
// that begins with Ready, also if the reload fails. The instant in it is that
// of the call: systemd wants both in one datagram.
func Reloading() string { return sd.SdNotifyReloading + "\n" + sd.SdNotifyMonotonicUsec() }

// Notify tells the service manager, if there is one, of a change of state. It
// can be called from any number of goroutines. That the manager cannot be told
// cannot be told to it either.
func Notify(state string) { _, _ = sd.SdNotify(false, state) }

// Watchdog is the time within which the service manager wants to hear that the
// program is Alive, again and again. It is 0 where nobody wants to. An error is
// a setting that cannot be read: the manager will end this program.
func Watchdog() (time.Duration, error) { return sd.SdWatchdogEnabled(false) }

// Watch tells the service manager's watchdog that the program is Alive, whenever alive
// says so, until ctx ends. It returns at once where nobody waits for that.
func Watch(ctx context.Context, alive func(context.Context) bool) {
	interval, err := Watchdog()
	if err != nil || interval <= 0 {
		return
	}
	ticker := time.NewTicker(interval / 3)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if alive(ctx) {
				Notify(Alive)
			}
		}
	}
}
