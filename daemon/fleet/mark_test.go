package fleet

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// drawMark draws from few values, so that they often meet.
func drawMark(t *rapid.T, label string) Mark {
	return Mark{
		Name:    subject("u"),
		Revoked: Stamp(rapid.Uint64Range(0, 3).Draw(t, label+" revoked")),
		Undone:  Stamp(rapid.Uint64Range(0, 3).Draw(t, label+" undone")),
		At:      rapid.Int64Range(0, 2).Draw(t, label+" at"),
		Until:   rapid.Int64Range(1, 3).Draw(t, label+" until"),
	}
}

func TestMarksAreASemilattice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := drawMark(t, "a"), drawMark(t, "b"), drawMark(t, "c")
		if a.Join(b) != b.Join(a) {
			t.Fatal("the join is not commutative")
		}
		if a.Join(b).Join(c) != a.Join(b.Join(c)) {
			t.Fatal("the join is not associative")
		}
		if a.Join(a) != a {
			t.Fatal("the join is not idempotent")
		}
		joined := a.Join(b)
		for _, one := range []Mark{a, b} {
			if compareRevoked(joined, one) < 0 || compareUndone(joined, one) < 0 {
				t.Fatal("the engine would refuse the join of what it has with something else")
			}
		}
		if joined.Over(Keep) && !(a.Over(Keep) && b.Over(Keep)) {
			t.Fatal("the join ends before one of its parts")
		}
	})
}

// TestTakingBackAnOldRevocationLeavesANewerOneOfAnotherHost: the newer one
// stays in force, in whatever order the hosts hear of both.
func TestTakingBackAnOldRevocationLeavesANewerOneOfAnotherHost(t *testing.T) {
	old := Mark{Name: subject("u"), Revoked: 5, Until: 100}
	undone := old
	undone.Undone = 5
	newer := Mark{Name: subject("u"), Revoked: 7, Until: 100}
	for _, order := range [][]Mark{{old, undone, newer}, {newer, old, undone}, {undone, newer, old}, {undone, old, newer}} {
		joined := Mark{Name: subject("u")}
		for _, m := range order {
			joined = joined.Join(m)
		}
		if !joined.InForce(99) || joined.InForce(100) {
			t.Errorf("%+v", joined)
		}
	}
	if old.Join(undone).InForce(99) {
		t.Error("what was taken back is in force")
	}
}

func TestAMarkIsForgottenAnHourAfterItsEnd(t *testing.T) {
	m := Mark{Until: 1000}
	if m.Over(1000+Keep) || !m.Over(1000+Keep+1) {
		t.Error("not an hour after its end")
	}
	m.Until = Never
	if m.Over(Never) || !(Mark{Revoked: 1, Until: Never}).InForce(1<<60) {
		t.Error("what has no end has one")
	}
}

func TestAStampIsNewerThanWhatIsKnownWhateverTheClockSays(t *testing.T) {
	now := time.UnixMilli(1764000000000)
	m := Mark{Name: subject("u")}
	first := NewStamp(now, 0, "a", m)
	for name, at := range map[string]time.Time{"the same instant": now, "a clock set back": now.Add(-time.Hour), "1970": {}, "later": now.Add(time.Hour)} {
		if next := NewStamp(at, first, "a", m); next <= first {
			t.Errorf("%s: %d is not after %d", name, next, first)
		}
	}
	if NewStamp(now, 0, "b", m) == first {
		t.Error("two hosts' changes in one millisecond cannot be told apart")
	}
	if got := time.UnixMilli(int64(first >> TieBits)); !got.Equal(now) {
		t.Errorf("made at %s, says %s", now, got)
	}
	if NewStamp(now, MaxStamp, "a", m) != MaxStamp {
		t.Error("beyond the greatest stamp")
	}
}

func TestOnlyMarksThatMeanSomethingAreShared(t *testing.T) {
	sound := Mark{Name: subject("u"), Revoked: 1, Until: 1}
	if err := sound.valid(); err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(*Mark){
		"no kind":  func(m *Mark) { m.Kind = "" },
		"no stamp": func(m *Mark) { m.Revoked = 0 },
		"no end":   func(m *Mark) { m.Until = 0 },
		"long":     func(m *Mark) { m.Value = string(make([]byte, maxNamePart+1)) },
		"beyond":   func(m *Mark) { m.Undone = MaxStamp + 1 },
		"negative": func(m *Mark) { m.At = -1 },
	} {
		m := sound
		if change(&m); m.valid() == nil {
			t.Errorf("%s: taken", what)
		}
	}
	sound.Value = string(make([]byte, maxNamePart))
	if err := sound.valid(); err != nil {
		t.Error("the longest name is refused")
	}
}
