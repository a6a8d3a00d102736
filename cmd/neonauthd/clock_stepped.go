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

// steppedClock names the variable with the path of a file of eight bytes: how far
// the wall clock is wrong, in nanoseconds, in the host's byte order.
const steppedClock = "NEONAUTHD_STEPPED_CLOCK"

// clock is the host's clock, set wrong by as much as the file says. Whoever writes to it steps the clock of a running
// daemon, whose monotonic clock goes on, and it stays so over its end. No program that is shipped has this file: it
// needs the build tag steppedclock, which the soak sets.
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

// mapped is the file's number, which changes when somebody writes to the file.
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
