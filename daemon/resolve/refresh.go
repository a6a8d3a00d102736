package resolve

import (
	"time"

	"github.com/neonauthd/neonauthd/cache"
	"github.com/neonauthd/neonauthd/daemon/clock"
	"github.com/neonauthd/neonauthd/daemon/upstream"
)

// wantsRefresh decides at each lookup, from half of the fresh time fresh on, whether to refresh
// the profile. It assumes that the next lookup comes after the same interval as this one,
// and returns true if nine tenths of the fresh time will have passed by then. So a busy user
// costs little more than one call for each fresh time, and the profile of a rare user is
// still fresh at the next lookup.
func (p *profile) wantsRefresh(fresh time.Duration, now time.Time) bool {
	age := clock.Elapsed(p.asked, now)
	gap := age - time.Duration(p.lookedUp.Swap(int64(age)))
	return age >= fresh/2 && age+gap >= fresh*9/10
}

// refresh fetches the profile again in the background: once in refreshPause for one profile,
// and at most MaxRefreshes at the same time.
func (s *profiles) refresh(key cache.Key, l *Lookup, e *entry) {
	if _, lately := s.recent.Get(&key); lately {
		return
	}
	if _, held := s.held(key, l, e, s.now()); held {
		return
	}
	select {
	case s.refreshes <- struct{}{}:
	default:
		return
	}
	s.recent.Set(key, struct{}{}, refreshPause)
	own := *l
	own.place = nil // nobody waits for the answer
	own.Token = append([]byte(nil), l.Token...)
	s.background.Go(func() {
		defer func() { <-s.refreshes }()
		_, _, err := s.flights.Do(s.owner, own.Project.flight(key), s.fetch(key, &own, e, upstream.Background))
		if err != nil && s.owner.Err() == nil {
			s.log.Debug("background refresh skipped", "project", own.Project.name, "error", err)
		}
	})
}
