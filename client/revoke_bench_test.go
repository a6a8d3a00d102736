package client_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/client"
)

// BenchmarkRevokeWatched revokes a new session, which nobody has, at the real
// daemon each time. Meanwhile so many clients keep an answer, and each has to
// confirm every revocation.
func BenchmarkRevokeWatched(b *testing.B) {
	for _, watches := range []int{0, 1, 20, 200} {
		b.Run(fmt.Sprintf("%d watches", watches), func(b *testing.B) {
			s := newSystem(b, buildDaemon(b))
			for _, line := range []string{"reset", "mint ada"} {
				if _, err := s.do(line); err != nil {
					b.Fatal(err)
				}
			}
			admin := &client.Client{Socket: s.path("a"), Timeout: systemTimeout}
			defer admin.Close()
			revoke := func(n int) time.Duration {
				start := time.Now()
				if _, err := admin.Ask(b.Context(), "REVOKE", "session", fmt.Sprintf("nobody-%d", n)); err != nil {
					b.Fatal(err)
				}
				return time.Since(start)
			}
			revoke(0) // waits for the leases of a run before this one
			var clients []*client.Client
			for range watches {
				clients = append(clients, keepOne(b, s.path("s"), s.people["ada"].token))
			}
			asked := 0
			var took []time.Duration
			for b.Loop() {
				// A client that answers nothing gives its watch up. A few answer before each
				// revocation, so that none has the work of all of them beside it.
				for range min(watches, 4) {
					if !isAccepted(clients[asked%watches].Verify(b.Context(), s.people["ada"].token)) {
						b.Fatal("not accepted")
					}
					asked++
				}
				took = append(took, revoke(len(took)+1))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2]), "p50-ns")
			b.ReportMetric(float64(took[len(took)*99/100]), "p99-ns")
		})
	}
}

// keepOne returns a new client that keeps the answer about a token.
func keepOne(b *testing.B, socket, token string) *client.Client {
	b.Helper()
	c := &client.Client{Socket: socket, Timeout: systemTimeout}
	b.Cleanup(func() { _ = c.Close() })
	for kept := false; !kept; kept = c.Watching() {
		if !isAccepted(c.Verify(b.Context(), token)) {
			b.Fatal("not accepted")
		}
	}
	if !isAccepted(c.Verify(b.Context(), token)) {
		b.Fatal("not accepted")
	}
	return c
}
