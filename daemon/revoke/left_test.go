package revoke

import (
	"testing"
	"time"
)

// leaving has a host leave its fleet, either by a reload or by a restart.
func leaving() map[string]func(s *shelf, l *List) *List {
	return map[string]func(s *shelf, l *List) *List{
		"reload":  func(_ *shelf, l *List) *List { l.SetStamp(nil); return l },
		"restart": func(s *shelf, _ *List) *List { s.stamp = nil; return s.open() },
	}
}

// TestAHostThatHasLeftItsFleetRevokesAgain what was taken back while it was in the fleet:
// this is in force at once, and after a restart, and when the host is in the fleet again.
func TestAHostThatHasLeftItsFleetRevokesAgain(t *testing.T) {
	revoked := func(l *List, m Mark, _ time.Time) (bool, error) {
		return l.Revoke(m, Origin{}, testLeeway, time.Time{})
	}
	ended := func(l *List, m Mark, now time.Time) (bool, error) { return l.End(m, Origin{}, now) }
	for way, leave := range leaving() {
		for kind, revoke := range map[Kind]func(*List, Mark, time.Time) (bool, error){
			KindToken: revoked, KindSession: revoked, KindSubject: revoked, KindKey: revoked, KindSessionless: ended,
		} {
			t.Run(way+", "+string(kind), func(t *testing.T) {
				s := member(t)
				stamp := s.stamp
				l := s.open()
				m := Mark{kind, "main", "x"}
				if _, err := revoke(l, m, s.now()); err != nil {
					t.Fatal(err)
				}
				if _, err := l.Unrevoke(m); err != nil {
					t.Fatal(err)
				}
				l = leave(s, l)
				s.stamp = nil
				if changed, err := revoke(l, m, s.now()); !changed || err != nil || !l.Has(m) || l.Len() != 1 {
					t.Errorf("changed %v, %v; in force: %v, %d in all", changed, err, l.Has(m), l.Len())
				}
				if l = s.open(); !l.Has(m) {
					t.Error("not in force after a restart")
				}
				s.stamp = stamp // the host joins again
				if l = s.open(); !l.Has(m) {
					t.Error("not in force in the fleet")
				}
				if one, _ := l.Get(m); one.Revoked <= one.Undone {
					t.Errorf("the fleet is told %+v", one)
				}
			})
		}
	}
}

// TestWhatAHostRevokesOutsideItsFleetIsNewerThanWhatTheFleetTookBack meanwhile, whether it
// was in force when the host left or not.
func TestWhatAHostRevokesOutsideItsFleetIsNewerThanWhatTheFleetTookBack(t *testing.T) {
	for way, leave := range leaving() {
		for name, takenBack := range map[string]bool{"in force": false, "taken back": true} {
			t.Run(way+", "+name, func(t *testing.T) {
				s := newShelf(t)
				fleet := func(Mark, uint64) uint64 { return stampAt(s.now().Unix()) }
				s.stamp = fleet
				l := s.open()
				m := Mark{KindSubject, "main", "ada"}
				s.revoke(l, m)
				if takenBack {
					if _, err := l.Unrevoke(m); err != nil {
						t.Fatal(err)
					}
				}
				l = leave(s, l)
				s.advance(time.Minute)
				elsewhere := fleet(m, 0) // another host revokes m, and takes this back
				s.advance(time.Minute)
				s.revoke(l, m)
				l.SetStamp(fleet)
				if _, err := l.Join([]Shared{{m, elsewhere, elsewhere, s.now().Unix(), Never}}); err != nil || !l.Has(m) {
					t.Errorf("in force %v, %v", l.Has(m), err)
				}
			})
		}
	}
}

// TestATakenBackRevocationOfWhichNothingElseIsKnownIsNotInForce: the engine keeps the two
// stamps of a mark apart, and may have lost one.
func TestATakenBackRevocationOfWhichNothingElseIsKnownIsNotInForce(t *testing.T) {
	s := member(t)
	l := s.open()
	m := Mark{KindSession, "main", "s"}
	if _, err := l.Join([]Shared{{Mark: m, Undone: 5, Until: Never}}); err != nil || l.Has(m) {
		t.Errorf("in force %v, %v", l.Has(m), err)
	}
	l = s.open()
	if one, known := l.Get(m); l.Has(m) || !known || one.Undone != 5 {
		t.Errorf("after a restart: in force %v, %+v", l.Has(m), one)
	}
	l.SetStamp(nil)
	if s.revoke(l, m); !l.Has(m) {
		t.Error("a revocation after it is not in force")
	}
}
