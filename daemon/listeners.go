package daemon

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/internal/program"
	"github.com/neonauthd/neonauthd/internal/sockets"
)

// The names that the socket units give their descriptors (FileDescriptorName=).
const (
	socketName  = "neonauthd"
	adminName   = "neonauthd-admin"
	metricsName = "neonauthd-metrics"
)

// Listeners are the sockets that a daemon serves. A nil one is not served.
type Listeners struct {
	Ordinary, Admin, Metrics net.Listener
	// Inherited tells that the sockets came from the service manager.
	Inherited bool
}

// Close closes the listeners that are still open. It never unlinks an inherited
// socket: the net package unlinks only sockets that it has made.
func (l *Listeners) Close() error {
	var all []error
	for _, ln := range []net.Listener{l.Ordinary, l.Admin, l.Metrics} {
		if ln == nil {
			continue
		}
		if err := ln.Close(); !errors.Is(err, net.ErrClosed) {
			all = append(all, err)
		}
	}
	return errors.Join(all...)
}

// listenMetrics makes the listener of metrics_listen, "unix:PATH" or HOST:PORT.
func listenMetrics(address string) (net.Listener, error) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return sockets.Listen(path, 0o660)
	}
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("metrics_listen: %w", err)
	}
	return ln, nil
}

// Listen takes the sockets that systemd has passed, or makes those that cfg
// names. Call it first and only once, because it consumes the environment
// variables: later, other goroutines or child processes could mistake other
// descriptors for these sockets. A fault of what systemd has passed is a
// program.ConfigError.
func Listen(cfg *config.Config) (*Listeners, error) {
	inherited, err := sockets.Inherit(socketName, adminName, metricsName)
	if err != nil {
		return nil, program.ConfigError{Err: err}
	}
	l := &Listeners{Inherited: len(inherited) > 0}
	if l.Inherited {
		err = l.adopt(inherited)
	} else if l.Ordinary, err = sockets.Listen(cfg.Socket, 0o660); err == nil {
		l.Admin, err = sockets.Listen(cfg.AdminSocket, 0o600)
	}
	if err == nil && l.Metrics == nil && cfg.MetricsListen != "" {
		l.Metrics, err = listenMetrics(cfg.MetricsListen)
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// adopt takes inherited listeners. They must be Unix sockets, because no other socket tells who connects to it. An admin
// socket that every user can open is an error: every user could revoke and purge, and the cause is more likely a missing
// SocketMode= in the socket unit than a choice. The ordinary socket may be open to all; [[caller]] rules can limit it.
func (l *Listeners) adopt(inherited map[string]net.Listener) error {
	l.Ordinary, l.Admin, l.Metrics = inherited[socketName], inherited[adminName], inherited[metricsName]
	for name, ln := range map[string]net.Listener{socketName: l.Ordinary, adminName: l.Admin} {
		if _, unix := ln.(*net.UnixListener); ln != nil && !unix {
			return program.ConfigError{Err: fmt.Errorf("the inherited socket %q is not a Unix socket; write a path behind ListenStream= in the socket unit", name)}
		}
	}
	if l.Admin != nil && sockets.IsOpenToAll(l.Admin.Addr().String()) {
		return program.ConfigError{Err: fmt.Errorf("the inherited socket %q at %s is open to every user of this host, who could revoke and purge: write SocketMode=0600, or 0660 with a SocketGroup=, in the socket unit, "+
			"then systemctl daemon-reload and restart the socket", adminName, l.Admin.Addr())}
	}
	return nil
}
