package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"
)

// unixDialer returns a dial function for the socket at path. Its errors say
// what to look at.
func unixDialer(path string) func(ctx context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		if len(path) > maxSocketPath {
			return nil, fmt.Errorf("socket path has %d bytes, more than the %d that a Unix socket can have", len(path), maxSocketPath)
		}
		nc, err := dialUnix(ctx, path)
		if err != nil {
			return nil, fmt.Errorf("connect to %s: %w", quoted(path), hint(err))
		}
		return nc, nil
	}
}

// dialUnix connects. While the daemon's queue of new connections is full,
// which Linux reports at once as EAGAIN, it tries again until ctx ends.
func dialUnix(ctx context.Context, path string) (net.Conn, error) {
	var d net.Dialer
	for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		nc, err := d.DialContext(ctx, "unix", path)
		if !errors.Is(err, syscall.EAGAIN) {
			return nc, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// hint adds to the usual causes what to do about them, and drops the address
// that net.OpError repeats.
func hint(err error) error {
	cause := err
	if op, ok := errors.AsType[*net.OpError](err); ok {
		cause = op.Err
	}
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w (is neonauthd running, and is this its socket?)", cause)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%w (is this user in the group of the socket?)", cause)
	}
	return cause
}
