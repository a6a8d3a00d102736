package revoke

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

const testLeeway = 5 * time.Second

func TestThereIsRoomForSoManyRevocations(t *testing.T) {
	s := newShelf(t)
	r := s.open()
	r.most = 10
	for i := range r.most {
		s.revoke(r, Mark{KindSession, "main", fmt.Sprint("s", i)})
	}
	for _, kind := range Kinds() {
		if changed, err := r.Revoke(Mark{kind, "main", "one more"}, 0, time.Time{}); changed || !errors.Is(err, ErrFull) {
			t.Errorf("%s beyond the bound: changed %v, %v", kind, changed, err)
		}
	}
	s.revoke(r, Mark{KindSession, "main", "s3"})
	if changed, err := r.Unrevoke(Mark{KindSession, "main", "s3"}); !changed || err != nil {
		t.Errorf("changed %v, %v", changed, err)
	}
	s.revoke(r, Mark{KindKey, "main", "there is room again"})
	s.advance(minRetention + time.Second)
	s.revoke(r, Mark{KindSession, "main", "old ones have made room"})
	if n := r.Len(); n != 2 {
		t.Errorf("%d are left, want the key's and the last", n)
	}
}

// TestARevocationIsKeptAsLongAsACoveredTokenCanLive and not much longer.
func TestARevocationIsKeptAsLongAsACoveredTokenCanLive(t *testing.T) {
	const long = 100 * time.Hour
	for _, c := range []struct {
		name      string
		see       []time.Duration // lifetimes of tokens seen before
		seeAfter  time.Duration   // and after the revocation
		kind      Kind
		keptUntil time.Duration
	}{
		{"nothing seen", nil, 0, KindSubject, minRetention + testLeeway},
		{"short ones seen", []time.Duration{time.Hour}, 0, KindSession, minRetention + testLeeway},
		{"long ones seen", []time.Duration{long}, 0, KindSubject, long + testLeeway + time.Second},
		{"a little longer ones seen", []time.Duration{long, long + 9*time.Hour}, 0, KindSession, long + 9*time.Hour + testLeeway + time.Second},
		{"shorter ones seen since", []time.Duration{long, time.Hour}, 0, KindSession, long + testLeeway + time.Second},
		{"long ones seen later", nil, long, KindSession, long + testLeeway + time.Second},
		{"key", nil, 0, KindKey, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShelf(t)
			r, began := s.open(), s.now
			see := func(lifetime time.Duration) {
				r.Note(&Token{Project: "main", Issued: s.now.Unix(), Expires: s.now.Add(lifetime).Unix(), Verified: s.now})
			}
			for _, lifetime := range c.see {
				see(lifetime)
			}
			m := Mark{c.kind, "main", "x"}
			if _, err := r.Revoke(m, testLeeway, time.Time{}); err != nil {
				t.Fatal(err)
			}
			if c.seeAfter > 0 {
				see(c.seeAfter)
			}
			kept := func(at time.Duration) bool {
				s.now = began.Add(at)
				r.sweep()
				return r.has(m)
			}
			if c.keptUntil == 0 {
				if !kept(10 * 365 * 24 * time.Hour) {
					t.Error("forgotten after ten years")
				}
				return
			}
			if !kept(c.keptUntil - time.Second) {
				t.Error("forgotten too early")
			}
			if kept(c.keptUntil + 2*time.Second) {
				t.Error("kept for ever")
			}
		})
	}
}
