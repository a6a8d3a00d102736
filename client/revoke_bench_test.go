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
			var clients []*client.Client
			for range watches {
				clients = append(clients, keepOne(b, s.path("s"), s.people["ada"].token))
			}
			admin := &client.Client{Socket: s.path("a"), Timeout: systemTimeout}
			defer admin.Close()
			var took []time.Duration
			for b.Loop() {
				for n := 0; n < len(clients) && len(took)%100 == 0; n++ { // a client that answers nothing gives its watch up
					if !isAccepted(clients[n].Verify(b.Context(), s.people["ada"].token)) {
						b.Fatal("not accepted")
					}
				}
				start := time.Now()
				if _, err := admin.Ask(b.Context(), "REVOKE", "session", fmt.Sprintf("nobody-%d", len(took))); err != nil {
					b.Fatal(err)
				}
				took = append(took, time.Since(start))
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
