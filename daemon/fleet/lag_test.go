package fleet

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/internal/e2e"
)

// TestTheLagIsThatOfTheHostFurthestBehind, of those that are heard: of the others nobody knows
// what they have confirmed. An entry that this host has not met is none that a host lacks.
func TestTheLagIsThatOfTheHostFurthestBehind(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	place := func(age time.Duration) cursor { return cursor(fmt.Sprint(now.Add(-age).UnixMilli(), "-0 abc")) }
	met := []cursor{place(3 * time.Second), place(2 * time.Second), place(time.Second)}
	newest := met[2]
	heard := func(at cursor) *peer { return &peer{opens: true, at: now, words: words{Confirmed: at}} }
	for name, c := range map[string]struct {
		from   cursor // of the last exchange
		own    cursor
		others []*peer
		behind int
		lag    time.Duration
	}{
		"all have confirmed all":                 {start, newest, []*peer{heard(newest), heard(newest)}, 0, 0},
		"one of the others has not":              {start, newest, []*peer{heard(met[0]), heard(met[1])}, 2, 2 * time.Second},
		"this host has not":                      {start, met[1], []*peer{heard(newest)}, 1, time.Second},
		"one that has confirmed nothing":         {start, start, nil, 3, 3 * time.Second},
		"one that is ahead of this host":         {start, newest, []*peer{heard(place(0))}, 0, 0},
		"nothing was there at the last exchange": {start, newest, []*peer{heard(place(time.Hour))}, 3, 3 * time.Second},
		"an entry was there":                     {place(time.Minute), newest, []*peer{heard(place(time.Hour))}, 4, time.Minute},
		"one that is silent":                     {start, newest, []*peer{{opens: true, at: now.Add(-time.Minute), words: words{Confirmed: start}}}, 0, 0},
		"one with another key":                   {start, newest, []*peer{{at: now, writes: true}}, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			f := must[*Fleet](t)(New(Options{Name: "f", URLs: []string{"redis://localhost"}, Keys: []Key{testKey(t, 1)}, ID: "own", Journal: newJournal(), Now: func() time.Time { return now }}))
			f.chain.restart(c.from, "")
			for _, at := range append([]cursor{c.from}, met...) {
				f.chain.meet(at, digest{}, true)
			}
			f.state.confirmed = c.own
			for i, one := range c.others {
				one.id = fmt.Sprint(i)
				f.peers.all[one.id] = one
			}
			if s := f.Stats(); s.Behind != c.behind || s.Lag != c.lag {
				t.Errorf("%d entries, %s; want %d, %s", s.Behind, s.Lag, c.behind, c.lag)
			}
		})
	}
}

// TestNoHostLagsBeforeTheFirstExchange: nothing is known of the log then.
func TestNoHostLagsBeforeTheFirstExchange(t *testing.T) {
	s, _ := quiet(t)
	if s := s.Stats(); s.Behind != 0 || s.Lag != 0 {
		t.Errorf("%d entries, %s", s.Behind, s.Lag)
	}
}

// TestAHostWhoseOldAnswersAreInUseLags, as it sees itself and as another host sees it, until it
// has confirmed.
func TestAHostWhoseOldAnswersAreInUseLags(t *testing.T) {
	t.Parallel()
	hosts := newHosts(t, 2, newServer(t))
	lag := func(yes bool) func() bool {
		return func() bool {
			a, b := hosts[0].Stats(), hosts[1].Stats()
			return a.Behind > 0 == yes && b.Behind > 0 == yes && a.Lag > 0 == yes && b.Lag > 0 == yes
		}
	}
	hold := make(chan struct{})
	hosts[1].journal.mu.Lock()
	hosts[1].journal.hold = hold
	hosts[1].journal.mu.Unlock()
	hosts[0].revoke(subject("u"))
	e2e.Until(t, "the host lags", lag(true))
	close(hold)
	e2e.Until(t, "no host lags", lag(false))
}

// TestAClaimThatWaitsIsCounted once, and again by what it comes to, if it comes to something.
func TestAClaimThatWaitsIsCounted(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	first := newHosts(t, 1, s)[0]
	o := options(t, 1, s.url())
	o.Wait, o.Timeout = 2*testTimeout, testTimeout
	second := newHost(t, o)
	e2e.Until(t, "it is connected", second.Connected)
	ask := askFor("u")
	ask.Timeout = testTimeout // and so long is the lease
	fetch := first.claimed(ask, Go)
	for i, c := range []struct {
		end  func(cancel context.CancelFunc)
		want ClaimStats
	}{
		{func(cancel context.CancelFunc) { cancel() }, ClaimStats{Wait: 1}},
		{func(context.CancelFunc) { first.finish(fetch, Result{Profile: []byte("profile")}) }, ClaimStats{Wait: 2, Have: 1}},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		var waiting sync.WaitGroup
		waiting.Go(func() { second.Claim(ctx, ask) })
		e2e.Until(t, "it waits", func() bool { return second.Stats().Claims.Wait == uint64(i+1) })
		c.end(cancel)
		waiting.Wait()
		cancel()
		if got := second.Stats().Claims; got != c.want {
			t.Errorf("%+v, want %+v", got, c.want)
		}
	}
}
