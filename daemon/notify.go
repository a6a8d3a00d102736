package daemon

import sd "github.com/coreos/go-systemd/v22/daemon"

// reloading is the message that begins a reload (sd_notify(3)): systemd wants
// both assignments in one datagram.
func reloading() string { return sd.SdNotifyReloading + "\n" + sd.SdNotifyMonotonicUsec() }
