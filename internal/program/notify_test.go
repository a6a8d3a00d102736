package program_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/internal/program"
)

// fed is what a Watchdog told during a time, and what it logged.
type fed struct {
	told   atomic.Int64
	failed atomic.Bool // the check fails
	log    bytes.Buffer
}

// run runs the Watchdog beside a function. limit is what the service manager has set.
func (f *fed) run(t *testing.T, limit string, during func()) {
	t.Setenv("WATCHDOG_PID", "")
	t.Setenv("WATCHDOG_USEC", limit)
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			program.Watchdog{
				Check: func(ctx context.Context) error {
					if till, ok := ctx.Deadline(); !ok || time.Until(till) > 2*time.Second {
						t.Error("the check may take longer than a third of the limit")
					}
					if f.failed.Load() {
						return errors.New("deaf")
					}
					return nil
				},
				Notify: func(state string) {
					if state != program.Alive {
						t.Errorf("told %q", state)
					}
					f.told.Add(1)
				},
				Log: slog.New(slog.NewTextHandler(&f.log, nil)),
			}.Run(ctx)
		})
		during()
		stop()
		wg.Wait()
	})
}

// after lets time pass by the clock of the bubble, and returns how often the service manager was told something
// meanwhile.
func (f *fed) after(span time.Duration) int64 {
	time.Sleep(span)
	synctest.Wait()
	return f.told.Swap(0)
}

func TestAWatchdogIsFedWhileTheProgramWorks(t *testing.T) {
	var f fed
	f.run(t, "6000000", func() { // 6 s
		wait := func(span time.Duration, told int64) {
			t.Helper()
			if n := f.after(span); n != told {
				t.Errorf("told %d times, want %d", n, told)
			}
		}
		wait(5*time.Second, 3) // at once, after 2 s and after 4 s
		f.failed.Store(true)
		wait(4*time.Second, 0)
		f.failed.Store(false)
		wait(2*time.Second, 1)
		f.failed.Store(true)
		wait(2*time.Second, 0)
	})
	if n := strings.Count(f.log.String(), "does not answer itself; the service manager will restart it\" error=deaf within=6s"); n != 2 {
		t.Errorf("two runs of failures, logged %d times:\n%s", n, f.log.String())
	}
}

func TestNobodyIsFedWithoutAWatchdog(t *testing.T) {
	var f fed
	var told int64
	f.run(t, "", func() { told = f.after(time.Hour) })
	if told != 0 || f.log.Len() != 0 {
		t.Errorf("told %d times, logged %q", told, f.log.String())
	}
}

func TestAWatchdogWhoseTimeCannotBeReadIsLogged(t *testing.T) {
	var f fed
	var told int64
	f.run(t, "soon", func() { told = f.after(time.Hour) })
	if told != 0 || !strings.Contains(f.log.String(), "mend WatchdogSec=") {
		t.Errorf("told %d times, logged %q", told, f.log.String())
	}
}
