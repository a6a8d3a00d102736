package sockets

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sys/unix"

	"github.com/neonauthd/neonauthd/internal/foreign"
)

// Inherit takes the listeners that a service manager passed (sd_listen_fds(3)),
// by the names that names lists. The first of names is the socket that the
// program cannot do without. If no socket was passed, the result is empty;
// otherwise it holds the first name, and each other name that was passed.
//
// The service manager need not give names (LISTEN_FDNAMES): a single socket
// without a name is the first of names. systemd names a socket after its unit
// if FileDescriptorName= is not set, so "NAME.socket" is NAME too.
//
// Anything else is an error in the units, and Inherit then closes all sockets:
// the error is better found at the start than by the first client. A socket is
// never removed from the file system, because it belongs to the service
// manager.
//
// Call Inherit once, before anything else opens files or starts processes: it
// consumes the variables and takes over the descriptors.
func Inherit(names ...string) (map[string]net.Listener, error) {
	return sorted(activation.Files(true), names)
}

func sorted(files []*os.File, names []string) (map[string]net.Listener, error) {
	found := map[string]net.Listener{}
	var faults []error
	for _, f := range files {
		faults = append(faults, adopt(found, f, nameOf(f.Name(), names, len(files)), names))
	}
	if len(files) > 0 && found[names[0]] == nil && errors.Join(faults...) == nil {
		faults = append(faults, fmt.Errorf("no inherited socket is named %q (FileDescriptorName= in the socket unit)", names[0]))
	}
	if err := errors.Join(faults...); err != nil {
		for _, ln := range found {
			err = errors.Join(err, ln.Close())
		}
		return nil, err
	}
	return found, nil
}

// adopt makes the listener of one descriptor, and closes the descriptor.
func adopt(found map[string]net.Listener, f *os.File, name string, names []string) (err error) {
	defer func() { err = errors.Join(err, f.Close()) }() // the listener has a copy
	switch {
	case name == "":
		return fmt.Errorf("inherited several sockets, and one of them has no name; give each one of %s (FileDescriptorName= in the socket units)", quoted(names))
	case !slices.Contains(names, name):
		return fmt.Errorf("inherited a socket named %q; expected one each of %s (FileDescriptorName= in the socket units)", foreign.Cut(name, maxShown), quoted(names))
	case found[name] != nil:
		return fmt.Errorf("inherited two sockets named %q; expected one (FileDescriptorName= in the socket units)", name)
	}
	if err := checkKind(f); err != nil {
		return fmt.Errorf("the inherited socket %q %w", name, err)
	}
	ln, err := net.FileListener(f)
	if err != nil {
		return fmt.Errorf("the inherited descriptor named %q is not a socket that connections come in at: %w", name, err)
	}
	if strings.HasPrefix(ln.Addr().String(), "@") {
		return errors.Join(fmt.Errorf("the inherited socket %q: %w", name, errAbstract), ln.Close())
	}
	found[name] = ln
	return nil
}

// checkKind refuses a socket that accepts no streams, which package net takes too: each accept would
// fail. It says nothing of a descriptor that is no socket.
func checkKind(f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var kind, listens int
	var fault error
	err = raw.Control(func(fd uintptr) {
		if kind, fault = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TYPE); fault == nil {
			listens, fault = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
		}
	})
	switch {
	case errors.Is(fault, unix.ENOTSOCK):
		return nil
	case err != nil || fault != nil:
		return fmt.Errorf("cannot be looked at: %w", errors.Join(err, fault))
	case kind != unix.SOCK_STREAM:
		return errors.New("is not a stream socket; write ListenStream= in the socket unit, neither ListenDatagram= nor ListenSequentialPacket=")
	case listens == 0:
		return errors.New("does not listen; write ListenStream= and Accept=no in the socket unit")
	}
	return nil
}

// IsOpenToAll reports whether the path is a socket that every user of this host can connect to: its
// mode lets others write, and each folder on the way lets others in. It is false for what cannot be
// looked at.
func IsOpenToAll(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&fs.ModeSocket == 0 || info.Mode().Perm()&0o002 == 0 {
		return false
	}
	path, err = filepath.EvalSymlinks(path)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return false
	}
	for path != "/" {
		path = filepath.Dir(path)
		if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o001 == 0 {
			return false
		}
	}
	return true
}

// nameOf returns the name that a socket was given, the first of names for a
// single socket without a name, and "" for every other socket without a name.
func nameOf(given string, names []string, count int) string {
	stem, unit := strings.CutSuffix(given, ".socket")
	switch {
	case unit && slices.Contains(names, stem):
		return stem
	case !unit && given != "unknown" && !strings.HasPrefix(given, "LISTEN_FD_"): // see sd_listen_fds_with_names(3), and package activation
		return given
	case count == 1:
		return names[0]
	}
	return ""
}

func quoted(names []string) string {
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = fmt.Sprintf("%q", name)
	}
	return strings.Join(all, ", ")
}

// maxShown bounds how much of a foreign name a message repeats, in bytes.
const maxShown = 64
