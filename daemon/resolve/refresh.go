package resolve

import (
	"time"

	"github.com/neonauthd/neonauthd/cache"
	"github.com/neonauthd/neonauthd/daemon/clock"
	"github.com/neonauthd/neonauthd/daemon/upstream"
)

// wantsRefresh decides, at each lookup from half the fresh time on, whether a
// refresh is due: when the next lookup, should it follow this one as this one
// followed the last, would find nine tenths of the fresh time gone. So a busy
// user costs little more than one call per fresh time, and a rare one is still
// found fresh.
func (p *profile) wantsRefresh(now time.Time) bool {
	fresh := time.Duration(p.project.config.ProfileFresh)
	age := clock.Elapsed(p.asked, now)
	gap := age - time.Duration(p.lookedUp.Swap(int64(age)))
	return age >= fresh/2 && age+gap >= fresh*9/10
}

// refresh fetches anew in the background, at most now and then for one profile
// and never more than MaxRefreshes at once.
func (s *profiles) refresh(key cache.Key, l *Lookup, e *entry) {
	if _, lately := s.recent.Get(&key); lately {
		return
	}
	select {
	case s.refreshes <- struct{}{}:
	default:
		return
	}
	s.recent.Set(key, struct{}{}, refreshPause)
	own := *l
	own.place = nil // nobody waits
	own.Token = append([]byte(nil), l.Token...)
	s.background.Go(func() {
		defer func() { <-s.refreshes }()
		_, _, err := s.flights.Do(s.owner, own.Project.flight(key), s.fetch(key, &own, e, upstream.Background))
		if err != nil && s.owner.Err() == nil {
			s.log.Debug("background refresh skipped", "project", own.Project.name, "error", err)
		}
	})
}
