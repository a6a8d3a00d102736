package cache

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestManyCallersShareOneRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const callers = 10_000
		f := NewFlights[*int](t.Context(), FlightsConfig{})
		var runs, shared atomic.Int64
		land := make(chan struct{})
		answer := new(int)
		for range callers {
			go func() {
				v, joined, err := f.Do(t.Context(), Key{1}, func(context.Context) *int {
					runs.Add(1)
					<-land
					return answer
				})
				if v != answer || err != nil {
					t.Errorf("got %p, %v", v, err)
				}
				if joined {
					shared.Add(1)
				}
			}()
		}
		synctest.Wait()
		if waiting := waitersOf(f, Key{1}); waiting != callers {
			t.Errorf("%d callers wait", waiting)
		}
		close(land)
		synctest.Wait()
		if runs.Load() != 1 || shared.Load() != callers-1 {
			t.Errorf("%d runs, %d callers joined", runs.Load(), shared.Load())
		}
	})
}

// waitersOf returns how many callers wait for the flight of k; none if there is no flight.
func waitersOf[V any](f *Flights[V], k Key) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fl := f.flights[k]; fl != nil {
		return fl.waiters
	}
	return 0
}

func TestLeavingWaitersStopNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFlights[string](t.Context(), FlightsConfig{})
		land := make(chan struct{})
		run := func(ctx context.Context) string {
			select {
			case <-land:
				return "landed"
			case <-ctx.Done():
				return "ended"
			}
		}
		type secret struct{}
		first, leave := context.WithCancel(context.WithValue(t.Context(), secret{}, "of the first caller"))
		errs := make(chan error, 1)
		go func() {
			_, _, err := f.Do(first, Key{}, func(ctx context.Context) string {
				if ctx.Value(secret{}) != nil {
					t.Error("the run sees its first caller's context")
				}
				return run(ctx)
			})
			errs <- err
		}()
		synctest.Wait()
		var second string
		var err2 error
		go func() { second, _, err2 = f.Do(t.Context(), Key{}, run) }()
		impatient, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, shared, err := f.Do(impatient, Key{}, run); !errors.Is(err, context.DeadlineExceeded) || !shared {
			t.Errorf("impatient: %v, %v", shared, err)
		}
		leave()
		if err := <-errs; !errors.Is(err, context.Canceled) {
			t.Errorf("first: %v", err)
		}
		if waiting := waitersOf(f, Key{}); waiting != 1 {
			t.Errorf("%d callers wait", waiting)
		}
		close(land)
		f.Wait()
		synctest.Wait()
		if second != "landed" || err2 != nil {
			t.Errorf("second: %q, %v", second, err2)
		}
	})
}

func TestRunGoesOnWithNobodyWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFlights[int](t.Context(), FlightsConfig{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		stored := 0
		f.Do(ctx, Key{}, func(context.Context) int {
			time.Sleep(2 * time.Second)
			stored = 1
			return 1
		})
		f.Wait()
		if stored != 1 {
			t.Error("the run was cut")
		}
	})
}

func TestDeadCallerStartsNothing(t *testing.T) {
	f := NewFlights[int](t.Context(), FlightsConfig{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := f.Do(ctx, Key{}, func(context.Context) int { t.Error("run"); return 0 }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	f.Wait()
}

func TestRunEndsWithItsTimeoutOrItsOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		owner, stop := context.WithCancel(t.Context())
		f := NewFlights[error](owner, FlightsConfig{Timeout: 3 * time.Second})
		run := func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}
		begin := time.Now()
		if v, _, err := f.Do(t.Context(), Key{}, run); !errors.Is(v, context.DeadlineExceeded) || err != nil {
			t.Errorf("timeout: %v, %v", v, err)
		}
		if took := time.Since(begin); took != 3*time.Second {
			t.Errorf("took %v", took)
		}
		time.AfterFunc(time.Second, stop)
		if v, _, err := f.Do(t.Context(), Key{}, run); !errors.Is(v, context.Canceled) || err != nil {
			t.Errorf("owner: %v, %v", v, err)
		}
		if _, _, err := f.Do(t.Context(), Key{}, run); err != ErrStopped {
			t.Errorf("after the owner: %v", err)
		}
		f.Wait()
	})
}

func TestPanicReleasesAllWaiters(t *testing.T) {
	for _, tt := range []struct {
		name  string
		run   func(context.Context) int
		value any
	}{
		{"panic", func(context.Context) int { panic("a secret") }, "a secret"},
		{"goexit", func(context.Context) int { runtime.Goexit(); return 1 }, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var told any
				var stack []byte
				f := NewFlights[int](t.Context(), FlightsConfig{Panicked: func(value any, s []byte) {
					told, stack = value, s
					panic("the owner's own")
				}})
				var released atomic.Int64
				land := make(chan struct{})
				for range 100 {
					go func() {
						v, _, err := f.Do(t.Context(), Key{}, func(ctx context.Context) int { <-land; return tt.run(ctx) })
						if v != 0 || err != ErrPanicked {
							t.Errorf("got %d, %v", v, err)
						}
						released.Add(1)
					}()
				}
				synctest.Wait()
				close(land)
				f.Wait()
				synctest.Wait()
				if released.Load() != 100 || told != tt.value || len(stack) == 0 {
					t.Errorf("released %d, told %v, stack of %d bytes", released.Load(), told, len(stack))
				}
				if v, _, err := f.Do(t.Context(), Key{}, func(context.Context) int { return 7 }); v != 7 || err != nil {
					t.Errorf("after it: %d, %v", v, err)
				}
			})
		})
	}
}

func TestFlightsAndWaitersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFlights[int](t.Context(), FlightsConfig{MaxFlights: 2, MaxWaiters: 3})
		land := make(chan struct{})
		run := func(context.Context) int { <-land; return 1 }
		busy := func(k Key) bool {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			_, _, err := f.Do(ctx, k, run)
			return err == ErrBusy
		}
		for range 3 {
			go f.Do(t.Context(), Key{1}, run)
		}
		synctest.Wait()
		if !busy(Key{1}) {
			t.Error("a fourth waiter was let in")
		}
		go f.Do(t.Context(), Key{2}, run)
		synctest.Wait()
		if !busy(Key{3}) {
			t.Error("a third flight was begun")
		}
		if busy(Key{2}) || busy(Key{2}) || busy(Key{2}) {
			t.Error("those who left still take places")
		}
		close(land)
		f.Wait()
		synctest.Wait()
		if busy(Key{3}) {
			t.Error("still busy after all have landed")
		}
		f.Wait()
	})
}

func TestNewFlightBeginsAfterTheOldOneLanded(t *testing.T) {
	f := NewFlights[int](t.Context(), FlightsConfig{})
	for i := range 1000 {
		if v, shared, err := f.Do(t.Context(), Key{}, func(context.Context) int { return i }); v != i || shared || err != nil {
			t.Fatalf("call %d: %d, %v, %v", i, v, shared, err)
		}
	}
	f.Wait()
}

// TestFlightsFillTheCacheOnce is the whole use: look, fly, look again, store.
func TestFlightsFillTheCacheOnce(t *testing.T) {
	c := newCache[*int](t, Config{MaxBytes: 4 << 20})
	f := NewFlights[*int](t.Context(), FlightsConfig{})
	const keys, callers = 200, 8
	var fills [keys]atomic.Int64
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for i := range keys {
				k := digest(uint64(i))
				if _, ok := c.Get(&k); ok {
					continue
				}
				v, _, err := f.Do(t.Context(), k, func(context.Context) *int {
					if v, ok := c.Get(&k); ok {
						return v
					}
					fills[i].Add(1)
					v := new(int)
					*v = i
					c.Set(k, uint64(i), v, 8, time.Hour)
					return v
				})
				if err != nil || *v != i {
					t.Errorf("key %d: %v", i, err)
				}
			}
		})
	}
	all.Wait()
	f.Wait()
	for i := range fills {
		if n := fills[i].Load(); n != 1 {
			t.Errorf("key %d filled %d times", i, n)
		}
	}
}

// TestCallersDecideAboutARunThatTakesLong: one leaves, one stays, and one asks only after the run has said so.
func TestCallersDecideAboutARunThatTakesLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFlights[string](t.Context(), FlightsConfig{})
		var runs atomic.Int64
		run := func(_ context.Context, slow func()) string {
			runs.Add(1)
			time.Sleep(time.Second)
			slow()
			slow()
			time.Sleep(time.Second)
			return "landed"
		}
		began := time.Now()
		var all sync.WaitGroup
		ask := func(after time.Duration, stays bool, wantErr error, took time.Duration) {
			all.Go(func() {
				time.Sleep(after)
				asked := 0
				v, _, err := f.DoSlow(t.Context(), Key{1}, run, func() bool { asked++; return stays })
				if err != wantErr || (err == nil) != (v == "landed") || asked != 1 || time.Since(began) != took {
					t.Errorf("%q, %v, asked %d times, after %s", v, err, asked, time.Since(began))
				}
			})
		}
		ask(0, false, ErrBusy, time.Second)
		ask(0, true, nil, 2*time.Second)
		ask(1500*time.Millisecond, false, ErrBusy, 1500*time.Millisecond)
		all.Go(func() { // a caller without stay is not asked
			if v, _, err := f.DoSlow(t.Context(), Key{1}, run, nil); err != nil || v != "landed" {
				t.Errorf("%q, %v", v, err)
			}
		})
		all.Wait()
		if runs.Load() != 1 {
			t.Errorf("%d runs", runs.Load())
		}
	})
}

func TestAResultThatIsThereIsWorthMoreThanAReasonToLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFlights[string](t.Context(), FlightsConfig{})
		run := func(_ context.Context, slow func()) string { slow(); return "landed" }
		v, _, err := f.DoSlow(t.Context(), Key{1}, run, func() bool { synctest.Wait(); return false })
		if v != "landed" || err != nil {
			t.Errorf("%q, %v", v, err)
		}
	})
}
