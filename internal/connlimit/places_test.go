package connlimit

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestAPlaceIsHandedOverWhenItIsLeft: there are never more connections than the
// limit.
func TestAPlaceIsHandedOverWhenItIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const quiet = Lead / 4
		p := NewPlaces(2, quiet)
		began := time.Now()
		conn := func() *Conn {
			ours, theirs := net.Pipe()
			t.Cleanup(func() { _ = theirs.Close() })
			return &Conn{Conn: ours, removed: func() {}, began: began}
		}
		first := p.Take(t.Context(), conn())
		time.Sleep(time.Millisecond)
		second := p.Take(t.Context(), conn())
		var third *Place
		go func() { third = p.Take(t.Context(), conn()) }()
		time.Sleep(quiet + time.Millisecond)
		synctest.Wait()
		if third != nil {
			t.Fatal("there are three")
		}
		if _, err := first.conn.Write([]byte("x")); err == nil {
			t.Error("the first is not closed")
		}
		first.Leave()
		first.Leave() // does no harm
		synctest.Wait()
		if third == nil {
			t.Fatal("the place is not handed over")
		}
		if third.conn.ahead() != Lead {
			t.Error("the time in which it has waited counts against it")
		}
		second.conn.answer()
		third.conn.answer()
		if p.Take(t.Context(), conn()) != nil {
			t.Error("a place was taken from one that is not waited for")
		}
		third.Leave()
		if p.Take(t.Context(), nil) == nil {
			t.Error("there is no place though one was left")
		}
		if p.Take(t.Context(), conn()) != nil {
			t.Error("a place was taken from one that is not known")
		}
		(*Place)(nil).Leave()
	})
}

// TestWhoWaitsForAPlaceWaitsInTurn, whether a place is left or taken from
// another connection.
func TestWhoWaitsForAPlaceWaitsInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPlaces(1, Lead/10)
		order := make(chan int, 9)
		var all sync.WaitGroup
		for n := range cap(order) {
			all.Go(func() {
				ours, theirs := net.Pipe()
				defer theirs.Close()
				place := p.Take(t.Context(), &Conn{Conn: ours, removed: func() {}, began: time.Now()})
				order <- n
				if n%2 == 0 {
					place.Leave()
					return
				}
				_, _ = io.Copy(io.Discard, theirs) // until the place is taken from it
				place.Leave()
			})
			synctest.Wait()
		}
		all.Wait()
		for want := range cap(order) {
			if got := <-order; got != want {
				t.Errorf("call %d got its place as number %d", got, want)
			}
		}
	})
}

// TestAWaitForAPlaceEndsWithItsContext.
func TestAWaitForAPlaceEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPlaces(1, Lead)
		p.Take(t.Context(), &Conn{began: time.Now()})
		ctx, cancel := context.WithTimeout(t.Context(), Lead/2)
		defer cancel()
		var all sync.WaitGroup
		defer all.Wait()
		for range 2 { // one whose turn it is, and one that waits for its turn
			all.Go(func() {
				if p.Take(ctx, &Conn{began: time.Now()}) != nil || ctx.Err() == nil {
					t.Error("it got a place")
				}
			})
		}
	})
}
