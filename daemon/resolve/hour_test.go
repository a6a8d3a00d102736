package resolve

import (
	"fmt"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/protocol"
)

// TestAnHourOfUsersCostsAboutACallPerFreshTime: users renew their tokens every
// 75 s and ask 50 times a minute.
func TestAnHourOfUsersCostsAboutACallPerFreshTime(t *testing.T) {
	const users = 5
	calls, lookups := anHour(t, users)
	t.Logf("%d lookups, %d upstream calls", lookups, calls)
	if least, most := users*60, users*70; calls < least-users || calls > most {
		t.Errorf("%d calls, want %d to %d", calls, least, most)
	}
}

// BenchmarkAnHourOfTwoHundredUsers reports the number of calls for 200 such
// users.
func BenchmarkAnHourOfTwoHundredUsers(b *testing.B) {
	for b.Loop() {
		calls, lookups := anHour(b, 200)
		b.ReportMetric(float64(calls), "calls")
		b.ReportMetric(float64(lookups), "lookups")
	}
}

func anHour(t testing.TB, users int) (calls, lookups int) {
	const step = 1200 * time.Millisecond
	k := newHarness(t, func(c *config.Config) { c.Projects[0].UpstreamRate = 10000 })
	people := make([]string, users)
	tokens := make([]string, users)
	for i := range people {
		people[i] = k.upstream.AddUser(standin.User{Name: fmt.Sprint("user ", i)}).ID
	}
	p := k.project("stack")
	for at := time.Duration(0); at < time.Hour; at += step {
		for i := range people {
			if at%(75*time.Second) < step {
				tokens[i] = k.upstream.StackToken(standin.TokenSpec{Subject: people[i]})
			}
			v, _ := k.askFully(k.profile(p, tokens[i]))
			if v.Status() != protocol.OK {
				t.Fatalf("at %s: %v", at, v.Outcome)
			}
			lookups++
		}
		k.resolver.profiles.background.Wait()
		k.clock.Advance(step)
	}
	return k.upstream.Calls(standin.Me), lookups
}
