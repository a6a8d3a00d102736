package cache

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// churn sets entries of other keys until stopped, so that the window and ristretto are always on the move.
func churn(c *Cache[int], stop <-chan struct{}, seed uint64) {
	random := rand.New(rand.NewPCG(seed, seed))
	for {
		select {
		case <-stop:
			return
		default:
			n := random.Uint64N(4000)
			if n == 0 {
				c.Renew(func(int) (time.Duration, bool) { return time.Hour, true })
			}
			c.Set(digest(n+1<<40), n%100, int(n), int64(random.Uint64N(4000)), time.Hour)
		}
	}
}

// TestWhatIsRemovedStaysRemoved lets removals race with Sets and evictions, 100000 times.
func TestWhatIsRemovedStaysRemoved(t *testing.T) {
	rounds := 100_000
	if testing.Short() {
		rounds = 5_000
	}
	c := newCache[int](t, Config{})
	stop := make(chan struct{})
	var churners sync.WaitGroup
	churners.Go(func() { churn(c, stop, 1) })

	// The racing setter sets odd values and tells each when Set has returned.
	start, done := make(chan int), make(chan struct{})
	k := digest(7)
	churners.Go(func() {
		for round := range start {
			c.Set(k, 1, 2*round+1, 100, time.Hour)
			done <- struct{}{}
		}
	})
	hits := 0
	// A busy machine needs more rounds, until a Set has come after the removal: without one the test has not raced.
	for round := 0; round < rounds || hits == 0 && round < 100*rounds; round++ {
		c.Set(k, 1, 2*round, 100, time.Hour)
		if round%3 == 0 {
			c.Set(k, 1, 2*round, 100, time.Hour)
		}
		start <- round
		if round%2 == 0 {
			runtime.Gosched()
		}
		switch {
		case round%1000 == 0:
			c.Purge()
		case round%10 == 0:
			c.Set(k, 1, -1, 100, 0)
		default:
			c.Delete(k)
		}
		// Only the value set meanwhile may be there, never one whose Set had returned before the removal.
		if v, ok := c.Get(&k); ok && v != 2*round+1 {
			t.Fatalf("round %d: found %d", round, v)
		} else if ok {
			hits++
		}
		<-done
		if v, ok := c.Get(&k); ok && v != 2*round+1 {
			t.Fatalf("round %d: found %d", round, v)
		}
	}
	close(start)
	close(stop)
	churners.Wait()
	if hits == 0 {
		t.Error("no Set ever came after its removal: the test has not raced")
	}
	examine(t, c)
}

// TestStaleWritesFailTheirOwnCheck shows how a caller uses the promise: the caller reads the floor before it works, and
// stamps the value with it. A reader believes a value only if its stamp is not below the floor. After a removal a stale
// value may still be found, but only that of a write that was under way during the removal, and no earlier one.
func TestStaleWritesFailTheirOwnCheck(t *testing.T) {
	rounds := 100_000
	if testing.Short() {
		rounds = 5_000
	}
	c := newCache[int](t, Config{})
	k := digest(1)
	floor, served := 0, 0
	for range rounds {
		var writer sync.WaitGroup
		stamp := floor
		writer.Go(func() { c.Set(k, 0, stamp, 0, time.Hour) })
		floor++
		c.Delete(k)
		writer.Wait()
		if v, ok := c.Get(&k); ok {
			served++
			if v != floor-1 {
				t.Fatalf("floor %d: found a write begun at floor %d", floor, v)
			}
		}
	}
	t.Logf("%d of %d stale writes came after the removal", served, rounds)
	examine(t, c)
}

// TestEverythingAtOnce runs all methods together, Purge and at last Close among them.
func TestEverythingAtOnce(t *testing.T) {
	c := newCache[int](t, Config{PerGroup: 8})
	stop := make(chan struct{})
	var all sync.WaitGroup
	for seed := range uint64(3) {
		all.Go(func() { churn(c, stop, seed) })
	}
	all.Go(func() {
		for n := uint64(0); ; n++ {
			select {
			case <-stop:
				return
			default:
				k := digest(n%4000 + 1<<40)
				if v, ok := c.Get(&k); ok && v != int(n%4000) {
					t.Errorf("asked for %d, found %d", n%4000, v)
				}
				if n%50 == 0 {
					c.Delete(k)
				}
			}
		}
	})
	for range 200 {
		c.Purge()
		c.Sweep()
		if s := c.Stats(); s.Bytes > s.MaxBytes+2*c.limits.entry {
			t.Errorf("%d bytes of %d", s.Bytes, s.MaxBytes)
		}
	}
	if c.Stats().Sets == 0 {
		t.Error("nothing was set")
	}
	var closers sync.WaitGroup
	for range 3 {
		closers.Go(c.Close)
	}
	closers.Wait()
	close(stop)
	all.Wait()
	k := digest(1)
	c.Set(k, 0, 1, 0, time.Hour)
	if _, ok := c.Get(&k); ok || c.Stats().Entries != 0 {
		t.Error("a closed cache stores")
	}
	c.Delete(k)
	c.Purge()
	c.Sweep()
}

// TestPartsAgreeAfterAStorm checks the bookkeeping after concurrent use.
func TestPartsAgreeAfterAStorm(t *testing.T) {
	c := newCache[int](t, Config{PerGroup: 8})
	c.mask = 0x3ff // some collisions too
	var all sync.WaitGroup
	for seed := range uint64(4) {
		all.Go(func() {
			random := rand.New(rand.NewPCG(seed, 1))
			for range 20_000 {
				n := random.Uint64N(3000)
				switch k := digest(n); random.Uint64N(8) {
				case 0:
					c.Delete(k)
				case 1:
					c.Get(&k)
				default:
					c.Set(k, n%500, int(n), int64(random.Uint64N(8000)), time.Hour)
				}
			}
		})
	}
	all.Wait()
	examine(t, c)
	if c.Stats().Evictions == 0 {
		t.Error("nothing was evicted")
	}
}

// The operations of a history.
type operation struct {
	key    int
	action string // get, set, delete
	value  int    // of set
}

// register is one key of a cache that may lose what it holds, and then does not find it again.
var register = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		keys := make(map[int][]porcupine.Operation)
		for _, o := range history {
			k := o.Input.(operation).key
			keys[k] = append(keys[k], o)
		}
		var parts [][]porcupine.Operation
		for _, part := range keys {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() any { return 0 },
	Step: func(state, input, output any) (bool, any) {
		switch o := input.(operation); {
		case o.action == "set":
			return true, o.value
		case o.action == "delete", output.(int) == 0:
			return true, 0
		default:
			return output.(int) == state.(int), state
		}
	},
}

func TestOperationsOnOneKeyAreLinearizable(t *testing.T) {
	c := newCache[int](t, Config{})
	stop := make(chan struct{})
	var churners, clients sync.WaitGroup
	churners.Go(func() { churn(c, stop, 9) })
	const each = 3000
	histories := make([][]porcupine.Operation, 4)
	begin := time.Now()
	for client := range histories {
		clients.Go(func() {
			random := rand.New(rand.NewPCG(uint64(client), 2))
			for i := range each {
				in, out := operation{key: random.IntN(3), action: "get"}, 0
				switch random.IntN(6) {
				case 0:
					in.action = "delete"
				case 1, 2:
					in.action, in.value = "set", 1+client*each+i
				}
				k := digest(uint64(in.key))
				called := time.Since(begin)
				switch in.action {
				case "set":
					c.Set(k, uint64(in.key), in.value, 2000, time.Hour)
				case "delete":
					c.Delete(k)
				default:
					out, _ = c.Get(&k)
				}
				histories[client] = append(histories[client], porcupine.Operation{
					ClientId: client, Input: in, Output: out, Call: int64(called), Return: int64(time.Since(begin)),
				})
			}
		})
	}
	clients.Wait()
	close(stop)
	churners.Wait()
	var history []porcupine.Operation
	for _, h := range histories {
		history = append(history, h...)
	}
	if result := porcupine.CheckOperationsTimeout(register, history, time.Minute); result != porcupine.Ok {
		t.Errorf("history of %d operations: %v", len(history), result)
	}
}
