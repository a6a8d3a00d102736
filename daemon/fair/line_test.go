package fair

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// asker reads a text such as "1a": caller 1, for "a".
func asker(text string) Asker { return Asker{ID{UID: uint32(text[0] - '0')}, text[1:]} }

// serve takes all waiters out of the line and returns their order.
func serve(l *Line, may func(ID) bool) string {
	var order []string
	for w := l.Next(may); w != nil; w = l.Next(may) {
		order = append(order, fmt.Sprint(w.asker.UID, w.asker.For))
	}
	return strings.Join(order, " ")
}

func TestCallersAndTheirAskersTakeTurns(t *testing.T) {
	for _, c := range []struct{ joined, want string }{
		{"", ""},
		{"1 1 1", "1 1 1"},
		{"1 1 1 1 2", "1 2 1 1 1"},
		{"1 1 1 2 2 3", "1 2 3 1 2 1"},
		{"1a 1a 1a 1b", "1a 1b 1a 1a"},
		{"1a 1a 1b 2 2 2", "1a 2 1b 2 1a 2"},
		{"1a 1b 1c 1d 1e 2", "1a 2 1b 1c 1d 1e"}, // a caller that asks for many gets no more
		{"1 1a", "1 1a"},
	} {
		var l Line
		for _, text := range strings.Fields(c.joined) {
			l.Join(asker(text))
		}
		if got := serve(&l, nil); got != c.want {
			t.Errorf("%s: served %s, want %s", c.joined, got, c.want)
		}
		if l.Len() != 0 || l.callers.order.Len()+len(l.callers.byKey) != 0 {
			t.Errorf("%s: %d wait, %d callers are remembered", c.joined, l.Len(), len(l.callers.byKey))
		}
	}
}

func TestTurnsGoOnWhereTheyWere(t *testing.T) {
	var l Line
	for range 3 {
		l.Join(asker("1"))
	}
	l.Next(nil)
	l.Join(asker("2"))
	if w := l.Next(nil); w.asker != asker("1") { // this caller was served last, and nobody else waited then
		t.Errorf("%v is served", w.asker)
	}
	if w := l.Next(nil); w.asker != asker("2") {
		t.Errorf("%v is served", w.asker)
	}
}

func TestACallerThatMayNotGoKeepsItsTurn(t *testing.T) {
	var l Line
	for _, text := range []string{"1", "1", "2", "2"} {
		l.Join(asker(text))
	}
	if got := serve(&l, func(id ID) bool { return id.UID == 2 }); got != "2 2" || l.Len() != 2 {
		t.Errorf("served %s, %d wait", got, l.Len())
	}
	if got := serve(&l, nil); got != "1 1" {
		t.Errorf("served %s", got)
	}
}

func TestWhoLeavesLeavesNothingBehind(t *testing.T) {
	var l Line
	first, second := l.Join(asker("1a")), l.Join(asker("1b"))
	if !l.Leave(first) || l.Leave(first) {
		t.Error("a waiter leaves not once")
	}
	if w := l.Next(nil); w != second || l.Leave(second) {
		t.Error("a waiter whose turn has come leaves")
	}
	if l.Len() != 0 || len(l.callers.byKey) != 0 {
		t.Error("something is left")
	}
}

// TestAheadIsWhatIsServedBefore compares Ahead with real serving, in random
// lines.
func TestAheadIsWhatIsServedBefore(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		var l Line
		for range r.IntN(20) {
			l.Join(asker(fmt.Sprint(r.IntN(3), string(rune('a'+r.IntN(3))))))
		}
		who := asker(fmt.Sprint(r.IntN(3), string(rune('a'+r.IntN(3)))))
		want := l.Ahead(who)
		mine, got := l.Join(who), 0
		for l.Next(nil) != mine {
			got++
		}
		if got != want {
			t.Errorf("seed %d: %d were served before, want %d", seed, got, want)
		}
	}
}
