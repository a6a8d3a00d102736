package fleet

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/internal/e2e"
)

// BenchmarkAnnounce tells how long it takes until the last of so many hosts has
// heard a change, and until all have confirmed it.
func BenchmarkAnnounce(b *testing.B) {
	for _, n := range []int{3, 20, 100} {
		b.Run(fmt.Sprint(n, "hosts"), func(b *testing.B) {
			hosts := newHosts(b, n, newServer(b))
			var heard, confirmed []time.Duration
			b.ResetTimer()
			for i := range b.N {
				name := subject(fmt.Sprint(i))
				m := hosts[0].revokeHere(name)
				began := time.Now()
				done := make(chan time.Duration, 1)
				go func() {
					for _, h := range hosts[1:] {
						for h.table.get(name).Revoked == 0 && time.Since(began) < testTimeout {
							breathe()
						}
					}
					done <- time.Since(began)
				}()
				reach := must[Reach](b)(hosts[0].Announce(context.Background(), m))
				confirmed = append(confirmed, time.Since(began))
				heard = append(heard, <-done)
				if reach.Reached != n || reach.Of != n {
					b.Fatalf("reached %+v", reach)
				}
			}
			b.StopTimer()
			report(b, "heard", heard)
			report(b, "confirmed", confirmed)
		})
	}
}

func report(b *testing.B, what string, all []time.Duration) {
	b.Helper()
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)/2].Microseconds()), what+"-p50-us")
	b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), what+"-p99-us")
}

// breathe lets other goroutines run for a moment.
func breathe() {
	timer := time.NewTimer(20 * time.Microsecond)
	<-timer.C
}

// BenchmarkClaim asks for what is there, one after the other and many at once.
func BenchmarkClaim(b *testing.B) {
	h := newHosts(b, 1, newServer(b))[0]
	h.share(askFor("u"), string(make([]byte, 2000)))
	b.Run("one", func(b *testing.B) {
		for range b.N {
			if h.Claim(context.Background(), askFor("u")).Decision != Have {
				b.Fatal("not there")
			}
		}
	})
	b.Run("many", func(b *testing.B) {
		b.SetParallelism(16)
		var missed atomic.Int64
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if h.Claim(context.Background(), askFor("u")).Decision != Have {
					missed.Add(1)
				}
			}
		})
		if missed.Load() > 0 {
			b.Fatal("not there")
		}
	})
}

// BenchmarkScan reads as many marks as a host can have, as a full exchange does.
func BenchmarkScan(b *testing.B) {
	s := newServer(b)
	o := options(b, 0, s.url())
	var marks []Mark
	for i := range 100_000 {
		m := Mark{Name: subject(fmt.Sprint(i)), At: 1, Until: Never}
		m.Revoked = NewStamp(time.Now(), 0, "h", m)
		marks = append(marks, m)
	}
	_ = o.Journal.Join(marks)
	first := newHost(b, o)
	e2e.Until(b, "the engine has all", func() bool {
		all, lacking := first.table.size()
		return all == len(marks) && lacking == 0 && first.Connected()
	})
	for b.Loop() {
		late := newHost(b, options(b, 1, s.url()))
		e2e.Until(b, "a new host hears", late.Connected)
		late.stop()
	}
}
