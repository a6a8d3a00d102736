package main

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/neonauthd/neonauthd/internal/program"
	"github.com/neonauthd/neonauthd/internal/sockets"
)

// The names that the socket units give their descriptors (FileDescriptorName=).
const (
	authName   = "neonauth-http"
	statusName = "neonauth-http-status"
	logoutName = "neonauth-http-logout"

	hooksName       = "neonauth-http-hooks"
	hooksStatusName = "neonauth-http-hooks-status"
)

// listeners are the sockets on which the program serves. status and logout may
// be nil.
type listeners struct{ auth, status, logout net.Listener }

func (s *listeners) close() error {
	var all []error
	for _, ln := range []net.Listener{s.auth, s.status, s.logout} {
		if ln != nil {
			all = append(all, ln.Close())
		}
	}
	return errors.Join(all...)
}

// openSockets takes the sockets that systemd passed under these names, two or
// three, or opens those that the flags name. A fault of what systemd has passed is
// a program.ConfigError.
func openSockets(names []string, listen, status, logout string) (*listeners, error) {
	inherited, err := sockets.Inherit(names...)
	if err != nil {
		return nil, program.ConfigError{Err: err}
	}
	s := &listeners{auth: inherited[names[0]], status: inherited[names[1]]}
	if len(names) > 2 {
		s.logout = inherited[names[2]]
	}
	switch {
	case len(inherited) > 0:
	case listen == "":
		err = program.Usage("--listen is missing, and no socket was inherited (see --help)")
	default:
		s.auth, err = open("--listen", listen)
	}
	if err == nil && s.status == nil && status != "" {
		s.status, err = open("--status-listen", status)
	}
	if err == nil && s.logout == nil && logout != "" {
		s.logout, err = open("--logout-listen", logout)
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// open makes a listener: unix:PATH, or HOST:PORT on loopback. The flags refuse other
// addresses ([command.Listen]), because who reaches these sockets can learn whose token a
// request carries, or sends data about users without encryption.
func open(flag, address string) (net.Listener, error) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		ln, err := sockets.Listen(path, 0o660)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", flag, err)
		}
		return ln, nil
	}
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	return ln, nil
}

// The limits of open connections: of web servers, and of monitors.
const (
	maxConnections = 8192
	maxMonitors    = 64
)
