package bench

import (
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/bench/storetest"
	"github.com/neonauthd/neonauthd/cmd/neonauthctl/internal/cli"
)

// TestStoreIsAskedForOneValueAndLeftAsItWas measures a store and looks at the
// requests that the store got.
func TestStoreIsAskedForOneValueAndLeftAsItWas(t *testing.T) {
	for _, kind := range []string{"memcached", "redis"} {
		for _, depth := range []int{1, 7} {
			path := t.TempDir() + "/s"
			fake, err := storetest.Start(path, kind)
			if err != nil {
				t.Fatal(err)
			}
			defer fake.Stop()
			h, err := parseStore(kind+":"+path).put(t.Context(), 300, time.Second)
			if err != nil {
				t.Fatal(err)
			}
			b := &bench{settings: new(cli.Settings), connections: 2, depth: depth, tagged: true}
			l, err := b.open(t.Context(), path, h.mix())
			if err != nil {
				t.Fatal(err)
			}
			defer l.close()
			got, err := l.run(t.Context(), 20*time.Millisecond)
			if err != nil {
				t.Fatal(err)
			}
			h.drop()
			sets, values, gets := fake.Asked()
			if len(sets) != 1 || len(sets[0]) != 64 || values != 0 {
				t.Errorf("%s was given the keys %v and is left with %d values", kind, sets, values)
			}
			if got.accepted == 0 || got.accepted != uint64(gets) || got.requests() != got.accepted {
				t.Errorf("%s: %d values from %d GETs, %d replies", kind, got.accepted, gets, got.requests())
			}
			if got.meanReply() != h.shape.length || got.meanReply() < 300 {
				t.Errorf("%s: replies of %d bytes, expected %d", kind, got.meanReply(), h.shape.length)
			}
		}
	}
}
