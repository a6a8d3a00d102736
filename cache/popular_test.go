package cache

import (
	"testing"
	"time"
)

func TestPolicyIsToldOfAnEntrysHitsNowAndThen(t *testing.T) {
	e := &entry[int]{}
	for _, hit := range []struct {
		at   time.Duration
		told bool
	}{
		{0, true}, // also at the very start of the clock
		{1, false},
		{touchEvery, false}, // 0 is kept as 1 ns
		{touchEvery + 1, true},
		{touchEvery + 2, false},
		{2*touchEvery + 1, true},
		{time.Hour, true},
	} {
		if told := e.popular(hit.at); told != hit.told {
			t.Errorf("hit at %v: told %v, want %v", hit.at, told, hit.told)
		}
	}
}
