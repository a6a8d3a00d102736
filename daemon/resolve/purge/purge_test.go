package purge

import (
	"sync"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/cache"
)

func TestMorePurgesThanAreKeptPurgeEverything(t *testing.T) {
	f := &List{}
	first := Subject{"main", "first"}
	stamp := f.Current()
	f.Purge(first)
	for i := range MaxKept {
		f.Purge(Subject{"main", time.Duration(i).String()})
	}
	if n := f.count.Load(); n > MaxKept {
		t.Errorf("%d purges are kept, more than %d", n, MaxKept)
	}
	if !f.Covers(stamp, cache.Key{}, first) {
		t.Error("what was purged first came back to life")
	}
	if f.Covers(f.Current(), cache.Key{}, first) {
		t.Error("what is new is purged as well")
	}
}

// TestPurgesHoldWhileEverythingIsPurged reads an entry that one purge has
// killed, while a second purge kills everything older. The entry must not seem
// alive at any instant.
func TestPurgesHoldWhileEverythingIsPurged(t *testing.T) {
	rounds := 20_000
	if testing.Short() {
		rounds = 1000
	}
	user := Subject{"main", "ada"}
	for range rounds {
		f := &List{}
		stamp := f.Current()
		f.Purge(user)
		var wg sync.WaitGroup
		wg.Go(f.All)
		for range 8 {
			if !f.Covers(stamp, cache.Key{}, user) {
				t.Error("a purged entry came back to life while another purge ran")
			}
		}
		wg.Wait()
		if t.Failed() {
			return
		}
	}
}
