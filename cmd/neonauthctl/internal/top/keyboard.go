package top

import (
	"bytes"
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// keyPause is how long a read waits for a key, in tenths of a second, the unit
// of terminals. The end of a run may wait as long.
const keyPause = 1

// keyboard is a terminal that passes keys on at once and does not echo them.
type keyboard struct {
	fd    int
	saved unix.Termios
	stop  context.CancelFunc
	done  sync.WaitGroup
}

// openKeyboard reads keys from a terminal until it is closed or ctx ends. "q"
// calls quit. Ctrl-C stays a signal. Ctrl-Z is off, because the shell would be
// left with our screen.
func openKeyboard(ctx context.Context, in *os.File, quit func()) (*keyboard, error) {
	fd := int(in.Fd())
	saved, err := unix.IoctlGetTermios(fd, getTermios)
	if err != nil {
		return nil, err
	}
	mode := *saved
	mode.Lflag &^= unix.ICANON | unix.ECHO
	mode.Cc[unix.VMIN], mode.Cc[unix.VTIME] = 0, keyPause
	mode.Cc[unix.VSUSP] = noCharacter
	if err := unix.IoctlSetTermios(fd, setTermios, &mode); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(ctx)
	k := &keyboard{fd: fd, saved: *saved, stop: stop}
	k.done.Go(func() { k.read(ctx, quit) })
	return k, nil
}

func (k *keyboard) read(ctx context.Context, quit func()) {
	buf := make([]byte, 64)
	for ctx.Err() == nil {
		n, err := unix.Read(k.fd, buf)
		switch {
		case errors.Is(err, unix.EAGAIN): // somebody made it non-blocking
			select {
			case <-ctx.Done():
			case <-time.After(keyPause * 100 * time.Millisecond):
			}
		case errors.Is(err, unix.EINTR):
		case err != nil: // the terminal has gone
			quit()
			return
		case bytes.ContainsAny(buf[:max(n, 0)], "qQ"):
			quit()
			return
		}
	}
}

// close restores the terminal's settings.
func (k *keyboard) close() {
	k.stop()
	k.done.Wait()
	_ = unix.IoctlSetTermios(k.fd, setTermios, &k.saved)
}

// sizeOf returns the terminal's size in characters, or the usual size if the
// terminal does not report it.
func sizeOf(f *os.File) (width, height int) {
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil || size.Col == 0 || size.Row == 0 {
		return 80, 24
	}
	return int(size.Col), int(size.Row)
}
