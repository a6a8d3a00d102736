package client

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/protocol"
)

// leased returns a memory with a lease and this many places in each generation.
func leased(places int) *memory {
	m := &memory{most: places}
	m.ask(instant{})
	m.grant(protocol.Revision{}, time.Second)
	return m
}

func keyNamed(n int) key { return keyOf(&question{token: fmt.Sprint(n)}) }

// entryOf returns an answer of this many bytes that depends on these handles.
func entryOf(size int, handles ...protocol.Handle) *entry {
	return &entry{
		answer:  Accepted{TTL: time.Minute, Expires: time.Unix(1<<33, 0), JSON: []byte(strings.Repeat("x", size))},
		handles: handles,
	}
}

// kept lists which of the first so many answers the memory has, without using
// them.
func (m *memory) kept(of int) []int {
	var names []int
	for n := range of {
		if m.young[keyNamed(n)] != nil || m.old[keyNamed(n)] != nil {
			names = append(names, n)
		}
	}
	return names
}

func TestMemoryHasALimit(t *testing.T) {
	const places = 4
	for answers, want := range map[int]int{
		places - 1: places - 1, places: places, places + 1: places + 1,
		2*places - 1: 2*places - 1, 2 * places: 2 * places, 2*places + 1: places + 1,
	} {
		m := leased(places)
		for n := range answers {
			m.keep(keyNamed(n), entryOf(100, 1), protocol.Revision{})
		}
		if got := m.kept(answers); len(got) != want || got[len(got)-1] != answers-1 {
			t.Errorf("of %d answers it keeps %v, want the last %d", answers, got, want)
		}
	}
}

// TestMemoryKnowsTheSizeOfItsAnswers: a place has 4096 bytes, and an answer
// takes some bytes for what is not text.
func TestMemoryKnowsTheSizeOfItsAnswers(t *testing.T) {
	const places = 4
	fits := places*bytesPerAnswer - 512 - 8 // one handle
	for size, want := range map[int]int{1: 1, bytesPerAnswer: 2, fits - 2: 4, fits - 1: 4, fits: 5} {
		e := entryOf(size, 1)
		if got := e.places(); got != want {
			t.Errorf("an answer of %d bytes takes %d places, want %d", size, got, want)
		}
		m := leased(places)
		m.keep(keyNamed(0), e, protocol.Revision{})
		if got := len(m.kept(1)) == 1; got != (want <= places) {
			t.Errorf("an answer of %d places of %d is kept: %t", want, places, got)
		}
	}
	m := leased(places)
	for n, size := range []int{1, 2 * bytesPerAnswer, 1} { // 1, 3 and 1 places
		m.keep(keyNamed(n), entryOf(size, 1), protocol.Revision{})
	}
	if got := m.kept(3); len(m.young) != 1 || len(m.old) != 2 || len(got) != 3 {
		t.Errorf("the third begins no generation: %d young, %d old", len(m.young), len(m.old))
	}
}

// TestAnswerThatIsReplacedTakesItsPlaceOnce: a user who is asked about again and
// again does not push the others out.
func TestAnswerThatIsReplacedTakesItsPlaceOnce(t *testing.T) {
	m := leased(4)
	for n := range 100 {
		m.keep(keyNamed(min(n, 3)), entryOf(100, 1), protocol.Revision{})
	}
	m.drop(keyNamed(3))
	m.keep(keyNamed(4), entryOf(100, 1), protocol.Revision{})
	if got := m.kept(5); !slices.Equal(got, []int{0, 1, 2, 4}) || m.taken != 4 || m.old != nil {
		t.Errorf("it keeps %v in %d places", got, m.taken)
	}
}

// TestWhatIsUsedStays: an answer stays for as long as it is used at least once
// in a generation.
func TestWhatIsUsedStays(t *testing.T) {
	m := leased(4)
	use := func(n int) bool {
		k := keyNamed(n)
		e, _ := m.recall(&k, instant{}, -1)
		return e != nil
	}
	m.keep(keyNamed(0), entryOf(100, 1), protocol.Revision{})
	for n := 1; n < 50; n++ {
		m.keep(keyNamed(n), entryOf(100, 1), protocol.Revision{})
		if n%3 == 0 && !use(0) {
			t.Fatalf("it is gone after %d others", n)
		}
	}
	if use(40) || !use(49) {
		t.Error("what is not used stays, or the last is gone")
	}
}

// TestForgettingReachesBothGenerations, whichever of them an answer is in.
func TestForgettingReachesBothGenerations(t *testing.T) {
	for name, forget := range map[string]func(m *memory) bool{
		"by a handle": func(m *memory) bool { return m.forget(event{1, []protocol.Handle{9, 2, 8}}) },
		"all":         func(m *memory) bool { return m.forget(event{1, nil}) },
		"at the end":  func(m *memory) bool { m.end(); return true },
	} {
		m := leased(3)
		for n := range 5 {
			m.keep(keyNamed(n), entryOf(100, 1, 2, protocol.Handle(100+n)), protocol.Revision{})
		}
		if len(m.young) != 2 || len(m.old) != 3 {
			t.Fatalf("%d young, %d old", len(m.young), len(m.old))
		}
		if !forget(m) || len(m.kept(5)) != 0 || m.taken != 0 {
			t.Errorf("%s: it keeps %v in %d places", name, m.kept(5), m.taken)
		}
	}
}

// TestWhatIsForgottenBeforeItMovesUpStaysForgotten: a lookup finds an answer in
// the old generation, and the event that ends the answer comes before it is
// moved.
func TestWhatIsForgottenBeforeItMovesUpStaysForgotten(t *testing.T) {
	m := leased(1)
	e := entryOf(1, 1)
	m.keep(keyNamed(0), e, protocol.Revision{})
	m.keep(keyNamed(1), entryOf(1, 2), protocol.Revision{})
	if m.old[keyNamed(0)] != e {
		t.Fatal("the first is not old")
	}
	m.forget(event{1, []protocol.Handle{1}})
	m.moveUp(keyNamed(0), e)
	if got := m.kept(2); !slices.Equal(got, []int{1}) {
		t.Errorf("it keeps %v", got)
	}
}

// TestEventsAreRememberedUpToTheirLimit: if there is one event more, the memory
// refuses all answers that were decided before the first event, whatever they
// depend on.
func TestEventsAreRememberedUpToTheirLimit(t *testing.T) {
	for _, events := range []int{maxEvents - 1, maxEvents, maxEvents + 1} {
		m := leased(1000)
		for n := range events {
			if !m.forget(event{int64(n + 1), []protocol.Handle{protocol.Handle(n + 1)}}) {
				t.Fatal("the revision does not rise")
			}
		}
		if len(m.events) > 1+maxEvents {
			t.Errorf("%d events are remembered", len(m.events))
		}
		for rev := range int64(events + 1) {
			for _, handle := range []protocol.Handle{1, protocol.Handle(rev), protocol.Handle(rev + 1), protocol.Handle(events), 5000} {
				m.keep(keyNamed(0), entryOf(1, 7777, handle), protocol.Revision{N: rev})
				ended := handle <= protocol.Handle(events) && int64(handle) > rev // handle N ends at revision N
				known := events <= maxEvents || rev >= 1
				if got, want := len(m.kept(1)) == 1, known && !ended; got != want {
					t.Fatalf("of %d events, decided at %d, depends on %d: kept %t", events, rev, handle, got)
				}
				m.drop(keyNamed(0))
			}
		}
	}
}

// TestAgeCountsForAMaxAgeToTheSecond: the daemon has rounded the age down, so
// the client adds a second.
func TestAgeCountsForAMaxAgeToTheSecond(t *testing.T) {
	e := entryOf(1)
	e.answer.Age = 3 * time.Second
	for _, c := range []struct {
		kept, maxAge time.Duration
		serves       bool
	}{
		{0, -1, true}, {0, 0, false}, {0, 3 * time.Second, false}, {0, 4 * time.Second, true}, {1, 4 * time.Second, false},
		{time.Second, 5 * time.Second, true}, {time.Minute - 1, -1, true}, {time.Minute, -1, false}, {time.Minute - 1, time.Hour, true},
	} {
		if got := e.serves(instant{mono: c.kept, wall: int64(c.kept)}, c.maxAge); got != c.serves {
			t.Errorf("after %s it serves a max-age of %s: %t", c.kept, c.maxAge, got)
		}
	}
}

// TestATokenThatHasEndedServesNobody: n-1, n and n+1 nanoseconds of the wall clock.
func TestATokenThatHasEndedServesNobody(t *testing.T) {
	e := entryOf(1)
	e.answer.Expires = time.Unix(10, 0)
	e.sent.wall = e.answer.Expires.UnixNano()
	for over, serves := range map[int64]bool{-1: true, 0: false, 1: false} {
		if got := e.serves(instant{wall: e.answer.Expires.UnixNano() + over}, -1); got != serves {
			t.Errorf("%d ns after its end it serves: %t", over, got)
		}
	}
}

// TestAnAnswerIsNotYoungerThanTheDaemonSaid: another caller may have asked for it after a
// lookup read the clocks.
func TestAnAnswerIsNotYoungerThanTheDaemonSaid(t *testing.T) {
	e := entryOf(1)
	e.answer.Age, e.sent = 5*time.Second, instant{mono: 1, wall: 1}
	if a := e.at(instant{}); a.Age != 5*time.Second || a.TTL != time.Minute {
		t.Errorf("age %s, ttl %s", a.Age, a.TTL)
	}
}
