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
	Alive    = sd.SdNotifyWatchdog // the message for the watchdog
)

// Reloading returns the message that begins a reload. A message that begins with
// Ready must follow, also if the reload fails. The message has the time of the
// call, because systemd wants both in one datagram.
func Reloading() string { return sd.SdNotifyReloading + "\n" + sd.SdNotifyMonotonicUsec() }

// Notify tells the service manager, if there is one, of a change of state. It is
// safe for concurrent use. It ignores errors: nobody could be told of them.
func Notify(state string) { _, _ = sd.SdNotify(false, state) }

// Watchdog returns the interval in which the service manager expects Alive; 0: it
// does not expect that. An error means that the setting cannot be read: the
// service manager will end this program.
func Watchdog() (time.Duration, error) { return sd.SdWatchdogEnabled(false) }

// Watch sends Alive to the service manager's watchdog while alive returns true, until ctx
// ends. It returns at once if there is no watchdog.
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
