package client

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"
)

// gate bounds the calls in progress: a daemon that is slow for hundreds of
// callers must not have its connections stuffed until writes to them stall.
//
// Below the bound a call costs one atomic addition on its way in and one on
// its way out. Above it calls wait, and each one that leaves hands its place
// to one of them.
type gate struct {
	free   atomic.Int64  // places; below zero: how many calls wait for one
	handed chan struct{} // places handed over
}

func (g *gate) ready(places int) {
	g.free.Store(int64(places))
	g.handed = make(chan struct{}, places)
}

// enter takes a place, for which it waits as long as ctx and end allow.
func (g *gate) enter(ctx context.Context, end time.Time) error {
	if g.free.Add(-1) >= 0 {
		return nil
	}
	timer := time.NewTimer(time.Until(end))
	defer timer.Stop()
	var err error
	select {
	case <-g.handed:
		return nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-timer.C:
		err = context.DeadlineExceeded
	}
	g.giveUp()
	return err
}

// giveUp ends a call's waiting. Where every call that waits has been given a
// place, one is on its way to this call as well as to any. But one that comes
// just now may take it and hold it for long, and leave this call waiting in its
// stead; so this does not block.
func (g *gate) giveUp() {
	for !g.withdraw() {
		select {
		case <-g.handed:
			g.exit()
			return
		default:
			runtime.Gosched()
		}
	}
}

// withdraw takes back that a call waits, unless every call that waits has been
// given a place already.
func (g *gate) withdraw() bool {
	for {
		free := g.free.Load()
		if free >= 0 {
			return false
		}
		if g.free.CompareAndSwap(free, free+1) {
			return true
		}
	}
}

// exit gives the place up.
func (g *gate) exit() {
	if g.free.Add(1) <= 0 {
		g.handed <- struct{}{}
	}
}
