package revoke

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestARevocationSaysSinceWhenByWhomAndWhy, also after a restart, and after the
// journal was written anew.
func TestARevocationSaysSinceWhenByWhomAndWhy(t *testing.T) {
	s := newShelf(t)
	r := s.open()
	began := s.now()
	lost, kid, token := Mark{KindSession, "main", "s"}, Mark{KindKey, "main", "k"}, Mark{KindToken, "other", "digest"}
	revoke := func(m Mark, o Origin, until time.Time) (changed bool) {
		t.Helper()
		changed, err := r.Revoke(m, o, 0, until)
		if err != nil {
			t.Fatal(err)
		}
		return changed
	}
	revoke(lost, Origin{"0", "laptop \"lost\"\u2028"}, time.Time{})
	revoke(kid, Origin{"1000", ""}, time.Time{})
	revoke(token, Origin{}, began.Add(time.Hour))
	s.advance(time.Minute)
	if revoke(kid, Origin{"1001", ""}, time.Time{}) {
		t.Error("a key is revoked twice")
	}
	revoke(lost, Origin{"1001", ""}, time.Time{})
	r = s.open()
	revoke(kid, Origin{"1002", "leaked"}, time.Time{})
	r = s.open()
	at := time.Unix(began.Unix(), 0)
	want := map[Mark]Entry{
		lost:  {lost, Origin{"0", "laptop \"lost\"\u2028"}, at, time.Unix(began.Add(time.Minute+retention).Unix(), 0)},
		kid:   {kid, Origin{"1002", "leaked"}, at, time.Time{}},
		token: {token, Origin{}, at, time.Unix(began.Add(time.Hour).Unix(), 0)},
	}
	page, more := r.Page("", Mark{}, 10)
	if len(page) != len(want) || more {
		t.Errorf("%+v, %v", page, more)
	}
	for _, e := range page {
		if e != want[e.Mark] {
			t.Errorf("%+v\nwant %+v", e, want[e.Mark])
		}
	}
	if of, _ := r.Page("other", Mark{}, 10); len(of) != 1 || of[0].Mark != token {
		t.Errorf("%+v", of)
	}
}

// TestWhatAnotherHostRevokedHasNobodysReason, not even the reason of an earlier
// revocation that was taken back.
func TestWhatAnotherHostRevokedHasNobodysReason(t *testing.T) {
	l := member(t).open()
	m := Mark{KindSubject, "main", "u"}
	if _, err := l.Revoke(m, Origin{"7", "ours"}, 0, time.Time{}); err != nil {
		t.Fatal(err)
	}
	ours, _ := l.Get(m)
	for _, step := range []struct {
		told Shared
		want Origin
	}{
		{Shared{m, ours.Revoked + 1, 0, ours.At + 1, Never}, Origin{"7", "ours"}}, // made again on another host
		{Shared{m, 0, ours.Revoked + 1, 0, 0}, Origin{}},                          // taken back
		{Shared{m, ours.Revoked + 2, 0, ours.At + 2, Never}, Origin{}},
	} {
		if _, err := l.Join([]Shared{step.told}); err != nil {
			t.Fatal(err)
		}
		page, _ := l.Page("", Mark{}, 1)
		if len(page) == 1 && (page[0].Origin != step.want || page[0].Since.IsZero()) {
			t.Errorf("%+v: %+v", step.told, page[0])
		}
	}
	if n := l.Len(); n != 1 {
		t.Errorf("%d in force", n)
	}
}

// TestPagesHaveEachRevocationOnce, for pages of n-1, n and n+1 revocations.
func TestPagesHaveEachRevocationOnce(t *testing.T) {
	r := newShelf(t).open()
	const n = 7
	for i := range n {
		if _, err := r.Revoke(Mark{Kinds()[i%4], "main", fmt.Sprint(i)}, Origin{}, 0, time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, size := range []int{1, n - 1, n, n + 1} {
		seen := map[Mark]bool{}
		after, pages := Mark{}, 0
		for more := true; more; pages++ {
			var page []Entry
			page, more = r.Page("main", after, size)
			for _, e := range page {
				if seen[e.Mark] || e.Compare(after) <= 0 {
					t.Errorf("pages of %d: %+v comes after %+v", size, e, after)
				}
				seen[e.Mark], after = true, e.Mark
			}
		}
		if len(seen) != n || pages != (n+size-1)/size {
			t.Errorf("pages of %d: %d with %d", size, pages, len(seen))
		}
	}
}

func TestALineWithAnImpossibleOriginIsNone(t *testing.T) {
	good := line{Op: opRevoke, Mark: Mark{KindSession, "main", "s"}, Made: 1, By: "0", Reason: strings.Repeat("r", MaxReason)}
	if !good.valid() {
		t.Error("a good line is refused")
	}
	for name, change := range map[string]func(*line){
		"reason too long": func(l *line) { l.Reason += "r" },
		"user a name":     func(l *line) { l.By = "root" },
		"taken back":      func(l *line) { l.Op = opUnrevoke },
		"longest":         func(l *line) { *l = line{Op: opLongest, Until: 1, Reason: "r"} },
	} {
		bad := good
		if change(&bad); bad.valid() {
			t.Errorf("%s: %+v", name, bad)
		}
	}
}
