package fair

import (
	"bytes"
	"sync"
	"testing"
)

func TestABodyCountsOnceHoweverManyWaitForIt(t *testing.T) {
	b := NewBodies(Shares{Total: 100, Each: 100})
	text := bytes.Repeat([]byte("x"), 60)
	var held []Held
	for i := range 1000 {
		h, ok := b.Hold(ID{UID: uint32(i % 7)}, text, nil, nil)
		if !ok || &h.Bytes()[0] != &text[0] {
			t.Fatalf("%d: held %v, or a copy", i, ok)
		}
		held = append(held, h)
	}
	if n := b.Taken(); n != len(text) {
		t.Errorf("%d bytes are counted, want %d", n, len(text))
	}
	for _, h := range held {
		h.Release()
	}
	if b.Taken() != 0 || len(b.bodies)+len(b.owners) != 0 {
		t.Errorf("%d bytes, %d bodies, %d owners are left", b.Taken(), len(b.bodies), len(b.owners))
	}
}

func TestBodiesAreBoundedForEachCallerAndInAll(t *testing.T) {
	text := func() []byte { return make([]byte, 10) }
	b := NewBodies(Shares{Total: 90, Each: 40, Kept: 20})
	take := func(who uint32) (n int, last Held) {
		for {
			h, ok := b.Hold(ID{UID: who}, text(), nil, nil)
			if !ok {
				return n, last
			}
			n, last = n+1, h
		}
	}
	for i, want := range []int{4, 3, 1, 1, 0} {
		n, last := take(uint32(i))
		if n != want {
			t.Errorf("caller %d holds %d bodies, want %d", i, n, want)
		}
		if n == 0 {
			continue
		}
		last.Release()
		if n, _ := take(uint32(i)); n != 1 {
			t.Errorf("caller %d: %d bodies have room where one was", i, n)
		}
	}
	if n := b.Taken(); n != 90 {
		t.Errorf("%d bytes are counted", n)
	}
}

// TestWhatOthersHoldIsNoExcuse: a body counts for each caller that has replies with it, even if it is in memory
// already.
func TestWhatOthersHoldIsNoExcuse(t *testing.T) {
	b := NewBodies(Shares{Total: 100, Each: 20})
	one, two, three := make([]byte, 10), make([]byte, 10), make([]byte, 10)
	for _, text := range [][]byte{one, two, one, two} {
		if _, ok := b.Hold(ID{UID: 1}, text, nil, nil); !ok {
			t.Fatal("no room")
		}
	}
	if _, ok := b.Hold(ID{UID: 2}, three, nil, nil); !ok {
		t.Fatal("no room for another caller")
	}
	if _, ok := b.Hold(ID{UID: 1}, three, nil, nil); ok {
		t.Error("a caller holds more than it may")
	}
	if n := b.Taken(); n != 30 {
		t.Errorf("%d bytes are counted", n)
	}
}

// TestAFormIsMadeOnceForAllWhoWait: redacting costs time and a copy, but only once for each form, not for each
// reply.
func TestAFormIsMadeOnceForAllWhoWait(t *testing.T) {
	b := NewBodies(Shares{Total: 1000, Each: 1000})
	original := []byte("original")
	var made [2]int
	form := func(n int) func([]byte) []byte {
		return func(text []byte) []byte {
			made[n]++
			return append([]byte{byte('0' + n)}, text[1:]...)
		}
	}
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			h, ok := b.Hold(ID{}, original, i%2, form(i%2))
			if want := string(byte('0'+i%2)) + "riginal"; !ok || string(h.Bytes()) != want {
				t.Errorf("%q, %v, want %q", h.Bytes(), ok, want)
			}
		})
	}
	all.Wait()
	if made != [2]int{1, 1} {
		t.Errorf("made %v times", made)
	}
	if h, ok := b.Hold(ID{}, original, nil, nil); !ok || string(h.Bytes()) != "original" {
		t.Error("the original is not itself any more")
	}
	if n := b.Taken(); n != 5*len(original) { // the original itself, and each form together with the original that it keeps
		t.Errorf("%d bytes are counted", n)
	}
}

func TestHoldingNothingIsHarmless(t *testing.T) {
	var h Held
	if h.Bytes() != nil {
		t.Error("nothing has bytes")
	}
	h.Release()
}
