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
		if changed, err := r.Revoke(Mark{kind, "main", "one more"}, Origin{}, 0, time.Time{}); changed || !errors.Is(err, ErrFull) {
			t.Errorf("%s beyond the bound: changed %v, %v", kind, changed, err)
		}
	}
	s.revoke(r, Mark{KindSession, "main", "s3"})
	if changed, err := r.Unrevoke(Mark{KindSession, "main", "s3"}); !changed || err != nil {
		t.Errorf("changed %v, %v", changed, err)
	}
	s.revoke(r, Mark{KindKey, "main", "there is room again"})
	s.advance(retention + time.Second)
	s.hear(0)
	s.revoke(r, Mark{KindSession, "main", "old ones have made room"})
	if n := r.Len(); n != 2 {
		t.Errorf("%d are left, want the key's and the last", n)
	}
}

// TestARevocationIsKeptAsLongAsACoveredTokenCanLive, and not much longer, across
// a restart.
func TestARevocationIsKeptAsLongAsACoveredTokenCanLive(t *testing.T) {
	const long, forever = 100 * time.Hour, 0
	for _, c := range []struct {
		name      string
		retention time.Duration
		see       []time.Duration // lifetimes of tokens that are seen before the revocation
		seeAfter  time.Duration   // and of a token that is seen after it
		kind      Kind
		exp       time.Duration // the token's exp, from now
		keptUntil time.Duration // 0: for ever
	}{
		{"nothing seen", retention, nil, 0, KindSubject, 0, retention + testLeeway},
		{"short ones seen", retention, []time.Duration{time.Hour}, 0, KindSession, 0, retention + testLeeway},
		{"long ones seen", retention, []time.Duration{long}, 0, KindSubject, 0, long + testLeeway + time.Second},
		{"a little longer ones seen", retention, []time.Duration{long, long + 9*time.Hour}, 0, KindSession, 0, long + 9*time.Hour + testLeeway + time.Second},
		{"shorter ones seen since", retention, []time.Duration{long, time.Hour}, 0, KindSession, 0, long + testLeeway + time.Second},
		{"long ones seen later", retention, nil, long, KindSession, 0, long + testLeeway + time.Second},
		{"long retention, shorter ones seen", 30 * retention, []time.Duration{long}, 0, KindSubject, 0, 30*retention + testLeeway},
		{"kept for ever", forever, nil, 0, KindSession, 0, 0},
		{"kept for ever, long ones seen", forever, []time.Duration{long}, 0, KindSubject, 0, 0},
		{"key", retention, nil, 0, KindKey, 0, 0},
		{"token", retention, nil, 0, KindToken, time.Hour, time.Hour},
		{"long-lived token", retention, nil, 0, KindToken, long, long},
		{"token, all else kept for ever", forever, nil, 0, KindToken, time.Hour, time.Hour},
		{"token of which the end is not known", retention, nil, 0, KindToken, 0, retention + testLeeway},
		{"token of which the end is not known, kept for ever", forever, nil, 0, KindToken, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShelf(t)
			s.kept = c.retention
			r, began := s.open(), s.now()
			see := func(lifetime time.Duration) {
				r.Note(&Token{Project: "main", Issued: s.now().Unix(), Expires: s.now().Add(lifetime).Unix(), Verified: s.now()})
			}
			for _, lifetime := range c.see {
				see(lifetime)
			}
			m := Mark{c.kind, "main", "x"}
			var until time.Time
			if c.exp > 0 {
				until = s.now().Add(c.exp)
			}
			if _, err := r.Revoke(m, Origin{}, testLeeway, until); err != nil {
				t.Fatal(err)
			}
			if c.seeAfter > 0 {
				see(c.seeAfter)
			}
			if err := r.saveNews(); err != nil {
				t.Fatal(err)
			}
			kept := func(at time.Duration) bool {
				s.advance(at - s.now().Sub(began))
				return s.swept().Has(m)
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

// TestAChangeOfTheRetentionHoldsForWhatIsRevokedAlready, whether it gets shorter
// or longer.
func TestAChangeOfTheRetentionHoldsForWhatIsRevokedAlready(t *testing.T) {
	s := newShelf(t)
	r := s.open()
	m := Mark{KindSubject, "main", "ada"}
	s.revoke(r, m)
	s.advance(2 * retention)
	s.hear(0)
	for _, c := range []struct {
		retention time.Duration
		kept      bool
	}{{0, true}, {3 * retention, true}, {2*retention - time.Second, false}} {
		r.SetRetention(c.retention)
		r.Sweep()
		if r.Has(m) != c.kept {
			t.Errorf("%s: kept %v", c.retention, r.Has(m))
		}
	}
}

// TestEachKindCoversTheTokensThatItNames, and no other.
func TestEachKindCoversTheTokensThatItNames(t *testing.T) {
	s := newShelf(t)
	now := s.clock.Now().Unix()
	token := Token{Project: "main", Subject: "ada", Session: "s1", KeyID: "k1", Thumbprint: "t1", Signed: "d1", Issued: now, Expires: now + 3600}
	sessionless, unsigned := token, token
	sessionless.Session = ""
	unsigned.KeyID, unsigned.Thumbprint = "", ""
	for _, c := range []struct {
		mark                         Mark
		token, sessionless, unsigned bool
	}{
		{Mark{KindToken, "main", "d1"}, true, true, true},
		{Mark{KindSession, "main", "s1"}, true, false, true},
		{Mark{KindSession, "main", ""}, false, false, false},
		{Mark{KindSessionless, "main", "ada"}, false, true, false},
		{Mark{KindSubject, "main", "ada"}, true, true, true},
		{Mark{KindKey, "main", "k1"}, true, true, false},
		{Mark{KindKey, "main", "t1"}, true, true, false},
		{Mark{KindKey, "main", ""}, false, false, false},
		{Mark{KindSubject, "main", "bob"}, false, false, false},
		{Mark{KindSubject, "other", "ada"}, false, false, false},
		{Mark{KindKey, "other", "k1"}, false, false, false},
		{Mark{KindToken, "main", "ada"}, false, false, false},
	} {
		r := newShelf(t).open()
		if _, err := r.Revoke(c.mark, Origin{}, testLeeway, time.Time{}); err != nil {
			t.Fatal(err)
		}
		if a, b, d := r.Covers(&token), r.Covers(&sessionless), r.Covers(&unsigned); a != c.token || b != c.sessionless || d != c.unsigned {
			t.Errorf("%v covers a token: %t, without a session: %t, unsigned: %t", c.mark, a, b, d)
		}
	}
}

// TestAnEarlierSignOutTakesNothingBack: an issuer may report sign-outs in any order.
func TestAnEarlierSignOutTakesNothingBack(t *testing.T) {
	s := newShelf(t)
	r := s.open()
	for _, kind := range []Kind{KindSubject, KindSessionless} {
		m, ended := Mark{kind, "main", "ada"}, s.now()
		for i, step := range []struct {
			ended   time.Time
			changed bool
		}{{ended, true}, {ended.Add(-time.Minute), false}, {ended.Add(time.Minute), true}, {ended, false}} {
			changed, err := r.End(m, Origin{}, step.ended)
			if err != nil || changed != step.changed {
				t.Errorf("%s, report %d: changed %v, %v", kind, i, changed, err)
			}
		}
		token := Token{Project: "main", Subject: "ada", Issued: ended.Unix() + 60}
		if !r.Covers(&token) {
			t.Errorf("%s: a token from before the last sign-out is accepted again", kind)
		}
		if _, err := r.Unrevoke(m); err != nil {
			t.Fatal(err)
		}
	}
}
