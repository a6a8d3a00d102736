// Package listen opens the sockets of the program: those that systemd passes, or those that
// the flags name.
package listen

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/neonauthd/neonauthd/internal/program"
	"github.com/neonauthd/neonauthd/internal/sockets"
)

// Names are the names that the socket units give their descriptors (FileDescriptorName=).
type Names struct {
	Main, Status string
	Logout       string // "": no such socket
}

// Web returns the names of the sockets for web servers.
func Web() Names { return Names{"neonauth-http", "neonauth-http-status", "neonauth-http-logout"} }

// Hooks returns the names of the sockets for webhooks.
func Hooks() Names {
	return Names{Main: "neonauth-http-hooks", Status: "neonauth-http-hooks-status"}
}

// Addresses are those that the flags name: unix:PATH, or HOST:PORT on loopback; "": none.
type Addresses struct{ Main, Status, Logout string }

// Listeners are the sockets on which the program serves. Status and Logout may be nil.
type Listeners struct{ Main, Status, Logout net.Listener }

// Close closes all listeners.
func (s *Listeners) Close() error {
	var all []error
	for _, ln := range []net.Listener{s.Main, s.Status, s.Logout} {
		if ln != nil {
			all = append(all, ln.Close())
		}
	}
	return errors.Join(all...)
}

// Open takes the sockets that systemd passed under the names, or opens those at the
// addresses. A fault of what systemd has passed is a program.ConfigError.
func Open(names Names, at Addresses) (*Listeners, error) {
	wanted := []string{names.Main, names.Status}
	if names.Logout != "" {
		wanted = append(wanted, names.Logout)
	}
	inherited, err := sockets.Inherit(wanted...)
	if err != nil {
		return nil, program.ConfigError{Err: err}
	}
	s := &Listeners{inherited[names.Main], inherited[names.Status], inherited[names.Logout]}
	switch {
	case len(inherited) > 0:
	case at.Main == "":
		err = program.Usage("--listen is missing, and no socket was inherited (see --help)")
	default:
		s.Main, err = open("--listen", at.Main)
	}
	if err == nil && s.Status == nil && at.Status != "" {
		s.Status, err = open("--status-listen", at.Status)
	}
	if err == nil && s.Logout == nil && at.Logout != "" {
		s.Logout, err = open("--logout-listen", at.Logout)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
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
