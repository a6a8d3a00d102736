package revoke

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// member returns the state directory of a host in a fleet. Its stamps count by
// ten.
func member(t *testing.T) *shelf {
	s := newShelf(t)
	n := uint64(0)
	s.stamp = func(Mark, uint64) uint64 { n += 10; return n }
	return s
}

// shares returns everything that the list tells a fleet.
func shares(l *List) map[Mark]Shared {
	all := map[Mark]Shared{}
	for s := range l.Shared() {
		all[s.Mark] = s
	}
	return all
}

// TestAFleetsClockCountsWhereItIsAhead, and never where it is behind.
func TestAFleetsClockCountsWhereItIsAhead(t *testing.T) {
	for ahead, want := range map[time.Duration]time.Duration{time.Hour: time.Hour, -time.Hour: 0} {
		s := member(t)
		l := s.open()
		l.SetCommonClock(func() time.Time { return s.now().Add(ahead) })
		m := Mark{KindSubject, "main", "u"}
		if _, err := l.Revoke(m, Origin{}, 5*time.Second, time.Time{}); err != nil {
			t.Fatal(err)
		}
		ended := Mark{KindSession, "main", "s"}
		if _, err := l.End(ended, Origin{}, s.now()); err != nil {
			t.Fatal(err)
		}
		purge := Mark{KindPurgeAll, "", ""}
		if err := l.Purge(purge, time.Minute); err != nil {
			t.Fatal(err)
		}
		for _, row := range []struct {
			mark Mark
			at   time.Duration // from now
		}{{m, want + 5*time.Second}, {ended, want}, {purge, want}} {
			if one, _ := l.Get(row.mark); one.At != s.now().Add(row.at).Unix() {
				t.Errorf("%s, a fleet's clock that is %s ahead: at %s", row.mark.Kind, ahead, time.Unix(one.At, 0).Sub(s.now()))
			}
		}
	}
}

func TestWhatAFleetIsToldSurvivesARestart(t *testing.T) {
	s := member(t)
	l := s.open()
	for _, m := range []Mark{{KindSubject, "main", "u"}, {KindSession, "main", "back"}, {KindKey, "main", "k"}, {KindKey, "main", "back"}} {
		s.revoke(l, m)
		if m.Value == "back" {
			if _, err := l.Unrevoke(m); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := l.Purge(Mark{KindPurgeSubject, "main", "u"}, time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := l.Purge(Mark{KindSubject, "main", "none"}, time.Hour); err != nil {
		t.Fatal(err)
	}
	before := shares(l)
	if len(before) != 5 || l.Len() != 2 {
		t.Fatalf("%d in force, told %v", l.Len(), before)
	}
	for m, one := range before {
		if taken := m.Value == "back"; (one.Undone == one.Revoked) != taken || one.Revoked == 0 || (one.Until == Never) != (m.Kind == KindKey) {
			t.Errorf("%+v", one)
		}
	}
	for range 2 { // with appended lines, and written anew
		_ = l.Close()
		l = s.open()
		if after := shares(l); !maps.Equal(before, after) || l.Len() != 2 {
			t.Errorf("after a restart %d in force, told\n%v\nnot\n%v", l.Len(), after, before)
		}
		known := l.known()
		if err := l.rewrite(&known); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWithoutAFleetTheJournalHasNoStamps(t *testing.T) {
	s := newShelf(t)
	l := s.open()
	m := Mark{KindSubject, "main", "u"}
	s.revoke(l, m)
	_, _ = l.Unrevoke(m)
	s.revoke(l, m)
	if err := l.Purge(Mark{KindPurgeAll, "", ""}, time.Hour); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(s.path)
	if err != nil || strings.Contains(string(text), `"r":`) || strings.Contains(string(text), `"u":`) || strings.Contains(string(text), "purge") {
		t.Errorf("%v\n%s", err, text)
	}
	_ = l.Close()
	s.stamp = func(_ Mark, known uint64) uint64 { return known + 1 } // the host joins a fleet
	l = s.open()
	before := shares(l)
	if one := before[m]; one.Revoked == 0 || one.Undone != 0 {
		t.Errorf("told %+v", one)
	}
	if _, err := l.Unrevoke(m); err != nil {
		t.Fatal(err)
	}
	if one := shares(l)[m]; one.Undone != before[m].Revoked || one.Revoked != before[m].Revoked {
		t.Errorf("told %+v, before %+v", one, before[m])
	}
}

// TestListsAgreeInWhateverOrderTheyAreTold draws from few marks, so that many
// changes are about the same mark.
func TestListsAgreeInWhateverOrderTheyAreTold(t *testing.T) {
	kinds := []Kind{KindToken, KindSession, KindSubject, KindKey, KindPurgeSubject}
	rapid.Check(t, func(rt *rapid.T) {
		var all []Shared
		for i := range rapid.IntRange(1, 12).Draw(rt, "marks") {
			s := Shared{
				Mark:    Mark{rapid.SampledFrom(kinds).Draw(rt, fmt.Sprint("kind", i)), "main", "x"},
				Revoked: rapid.Uint64Range(1, 4).Draw(rt, fmt.Sprint("revoked", i)),
				At:      rapid.Int64Range(1, 3).Draw(rt, fmt.Sprint("at", i)),
				Until:   rapid.Int64Range(1<<40, 1<<40+2).Draw(rt, fmt.Sprint("until", i)),
			}
			if !isPurge(s.Kind) {
				s.Undone = rapid.Uint64Range(0, 4).Draw(rt, fmt.Sprint("undone", i))
			}
			all = append(all, s)
		}
		other := rapid.Permutation(all).Draw(rt, "order")
		one, two := member(t).open(), member(t).open()
		for _, s := range all {
			if _, err := one.Join([]Shared{s}); err != nil {
				rt.Fatal(err)
			}
		}
		if _, err := two.Join(append(other, other...)); err != nil {
			rt.Fatal(err)
		}
		if !maps.Equal(shares(one), shares(two)) || one.Len() != two.Len() {
			rt.Fatalf("%v\nand\n%v", shares(one), shares(two))
		}
		for m, s := range shares(one) {
			if _, in := one.find(m); in != (s.Revoked > s.Undone && !isPurge(m.Kind)) {
				rt.Fatalf("in force %v: %+v", in, s)
			}
		}
		if changed, err := one.Join(all); err != nil || len(changed) > 0 {
			rt.Fatalf("told again, %v changed, %v", changed, err)
		}
	})
}

func TestWhatChangesWhenOthersTell(t *testing.T) {
	l := member(t).open()
	m := Mark{KindSubject, "main", "u"}
	for i, step := range []struct {
		told    Shared
		changed bool
	}{
		{Shared{m, 5, 0, 100, Never}, true},
		{Shared{m, 5, 0, 100, Never}, false},
		{Shared{m, 6, 0, 100, Never}, false}, // it covers nothing more
		{Shared{m, 6, 0, 101, Never}, true},
		{Shared{m, 0, 5, 0, 0}, false}, // an older revocation is taken back
		{Shared{m, 0, 6, 0, 0}, true},
		{Shared{m, 7, 0, 101, Never}, true},
	} {
		changed, err := l.Join([]Shared{step.told})
		if err != nil || slices.Contains(changed, m) != step.changed {
			t.Errorf("step %d: changed %v, %v", i, changed, err)
		}
	}
	if one, ok := l.Get(m); !ok || one.Revoked != 7 || one.Undone != 6 || one.At != 101 {
		t.Errorf("%+v, %v", one, ok)
	}
	if _, ok := l.Get(Mark{KindKey, "main", "none"}); ok {
		t.Error("something is known of nothing")
	}
}

// TestEachPurgeOfAnotherHostIsAChange, once: this host has to carry it out.
func TestEachPurgeOfAnotherHostIsAChange(t *testing.T) {
	s := member(t)
	l := s.open()
	for _, kind := range []Kind{KindPurgeAll, KindPurgeSubject, KindPurgeToken} {
		m, at := Mark{Kind: kind, Value: "v"}, s.now().Unix()
		for i, step := range []struct {
			stamp   uint64
			changed bool
		}{{5, true}, {5, false}, {4, false}, {6, true}} {
			changed, err := l.Join([]Shared{{m, step.stamp, 0, at, at + 3600}})
			if err != nil || slices.Contains(changed, m) != step.changed || l.Has(m) || !l.Purged(m) {
				t.Errorf("%s, step %d: changed %v, %v", kind, i, changed, err)
			}
		}
	}
}

// TestALaterInstantChangesOnlyWhatGoesByIt, told by another host or revoked again here: of a
// token, a session and a key the same is covered, so no client has to forget an answer.
func TestALaterInstantChangesOnlyWhatGoesByIt(t *testing.T) {
	for _, kind := range Kinds() {
		s := member(t)
		l := s.open()
		m := Mark{kind, "main", "v"}
		dated := kind == KindSubject || kind == KindSessionless
		for at, want := range []bool{true, dated, dated} {
			changed, err := l.Join([]Shared{{m, 5, 0, s.now().Unix() + int64(at), Never}})
			if err != nil || slices.Contains(changed, m) != want {
				t.Errorf("%s, told for the %d. time: changed %v, %v", kind, at+1, changed, err)
			}
		}
		if changed, err := l.Revoke(m, Origin{}, time.Hour, time.Time{}); err != nil || changed != dated {
			t.Errorf("%s, revoked again: changed %v, %v", kind, changed, err)
		}
	}
}

func TestAFullListSaysSoAndTakesTheRest(t *testing.T) {
	l := member(t).open()
	l.most = 1
	a, b, c := Mark{KindKey, "main", "a"}, Mark{KindKey, "main", "b"}, Mark{KindPurgeAll, "", ""}
	_, err := l.Join([]Shared{{a, 1, 0, 1, Never}, {b, 1, 0, 1, Never}, {c, 1, 0, 1, Never}})
	if !errors.Is(err, ErrFull) || !l.Has(a) || l.Has(b) || shares(l)[c].Revoked != 1 {
		t.Errorf("%v, told %v", err, shares(l))
	}
}

func TestWhatWasTakenBackIsKeptAnHourBeyondItsEnd(t *testing.T) {
	s := member(t)
	l := s.open()
	end := s.now().Add(time.Hour).Unix()
	token, key, purge := Mark{KindToken, "main", "t"}, Mark{KindKey, "main", "k"}, Mark{KindPurgeAll, "", ""}
	at := s.now().Unix()
	if _, err := l.Join([]Shared{{token, 1, 1, at, end}, {key, 1, 1, at, Never}, {purge, 1, 0, at, end}}); err != nil {
		t.Fatal(err)
	}
	s.advance(time.Hour + pastKept - time.Second)
	s.hear(0)
	l.Sweep()
	if len(shares(l)) != 3 {
		t.Errorf("before its time: %v", shares(l))
	}
	s.advance(2 * time.Second)
	s.hear(0)
	l.Sweep()
	if left := shares(l); len(left) != 1 || left[key].Undone != 1 {
		t.Errorf("after its time: %v", left)
	}
}

func TestTheFleetsLongestLifeIsTakenIn(t *testing.T) {
	l := member(t).open()
	if !l.RaiseLongest(48*time.Hour) || l.RaiseLongest(time.Hour) || l.Longest() != 48*time.Hour {
		t.Errorf("longest %s", l.Longest())
	}
}

// TestALifetimeBeyondADurationIsNotShort: 9999-12-31 as exp is 8000 years away, and a
// time.Duration holds 292.
func TestALifetimeBeyondADurationIsNotShort(t *testing.T) {
	for _, exp := range []int64{math.MaxInt64/int64(time.Second) + 2, 253402300799, 1<<53 - 1} {
		l := member(t).open()
		l.Note(&Token{Project: "main", Issued: 1, Expires: exp})
		if got := l.Longest(); got < 292*365*24*time.Hour {
			t.Errorf("exp %d: longest %s", exp, got)
		}
	}
}

// TestAStartReadsWhatOthersHaveTold: what it could not read is left out, and the rest is in
// force.
func TestAStartReadsWhatOthersHaveTold(t *testing.T) {
	long := strings.Repeat("x", 1024)
	for name, row := range map[string]struct {
		mark  Mark
		taken bool
	}{
		"usual":                             {Mark{KindSubject, "main", "u"}, true},
		"long":                              {Mark{KindSubject, long, long}, true},
		"long, with each byte escaped once": {Mark{KindSubject, "main", strings.Repeat(`"`, 1024)}, true},
		"too long when it is escaped":       {Mark{KindSubject, strings.Repeat("\x01", 1024), strings.Repeat("\x01", 1024)}, false},
		"without a project":                 {Mark{KindSubject, "", "u"}, false},
		"without a value":                   {Mark{KindSubject, "main", ""}, false},
		"of no known kind":                  {Mark{"planet", "main", "u"}, false},
	} {
		s := member(t)
		l := s.open()
		other := Mark{KindKey, "main", "k"}
		if _, err := l.Join([]Shared{{row.mark, 5, 0, 1, Never}, {other, 5, 0, 1, Never}}); err != nil || l.Has(row.mark) != row.taken {
			t.Errorf("%s: in force %v, %v", name, l.Has(row.mark), err)
		}
		if l = s.open(); l.Has(row.mark) != row.taken || !l.Has(other) {
			t.Errorf("%s: after a restart in force %v, the other %v", name, l.Has(row.mark), l.Has(other))
		}
	}
}

// TestAStartReadsTheLongestJournal that there can be: a full list, as many marks that were
// taken back, as many lines again that are superseded, and all of these told once more.
func TestAStartReadsTheLongestJournal(t *testing.T) {
	if lines := 2*(Max+MaxPast) + slack + Max + MaxPast; lines >= maxLines || maxJournal < int64(lines)*maxLine {
		t.Errorf("%d lines of %d bytes are not read", lines, maxLine)
	}
}
