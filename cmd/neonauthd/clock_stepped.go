//go:build steppedclock

package main

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/neonauthd/neonauthd/daemon/clock/clocktest"
)

// steppedClock names the environment variable with the path of a file of eight
// bytes: by how many nanoseconds the wall clock is wrong, in the host's byte
// order.
const steppedClock = "NEONAUTHD_STEPPED_CLOCK"

// clock returns the host's clock, wrong by as much as the file says. Writing to
// the file steps the clock of a running daemon; the daemon's monotonic clock
// goes on, and a restarted daemon reads the same file. No released program has
// this code: it needs the build tag steppedclock, which the soak test sets.
func clock() func() time.Time {
	path := os.Getenv(steppedClock)
	if path == "" {
		return nil
	}
	wrong, err := mapped(path)
	if err != nil {
		panic(fmt.Sprintf("%s: %v", steppedClock, err))
	}
	var mu sync.Mutex
	var stepped time.Duration
	following := clocktest.Following()
	return func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		if to := time.Duration(wrong.Load()); to != stepped {
			following.Step(to - stepped)
			stepped = to
		}
		return following.Now()
	}
}

// mapped returns the number in the file. It changes when somebody writes to the
// file.
func mapped(path string) (*atomic.Int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	page, err := syscall.Mmap(int(f.Fd()), 0, 8, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	return (*atomic.Int64)(unsafe.Pointer(&page[0])), nil
}
