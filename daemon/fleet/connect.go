package fleet

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/neonauthd/neonauthd/daemon/fleet/bounded"
	"github.com/neonauthd/neonauthd/internal/pause"
	"github.com/neonauthd/neonauthd/internal/program"
)

// sessions keeps a connection until ctx ends. It tries to connect once also after that, if
// this host has to take leave.
func (f *Fleet) sessions(ctx context.Context) {
	again := firstPause
	tried := sync.OnceFunc(func() { close(f.tried) })
	defer tried()
	for first := true; ctx.Err() == nil || first && f.mustTakeLeave(); first = false {
		began := f.o.Now()
		err := f.session(ctx, tried)
		tried()
		f.online.Store(false)
		if ctx.Err() != nil {
			return
		}
		f.counts.reconnects.Add(1)
		if errors.Is(err, bounded.ErrFlood) {
			f.clearFlood(ctx)
		} else {
			f.o.Log.Warn("this host does not hear the fleet: revocations made on others are not in force here until it does; see that the engine of [fleet] can be reached", slog.Any("error", err), program.Every(10*time.Second))
		}
		if f.o.Now().Sub(began) > lastPause {
			again = firstPause
		}
		pause.For(ctx, again/2+rand.N(again/2+1))
		again = min(2*again, lastPause)
	}
}

// connect returns the engine, and connects to it unless that was done before. If this host
// has to take leave, it goes on for a while after ctx has ended.
func (f *Fleet) connect(ctx context.Context) (*engine, error) {
	if e := f.engine.Load(); e != nil {
		return e, nil
	}
	dialing, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		if f.mustTakeLeave() {
			pause.For(dialing, lastDial)
		}
		cancel()
	})()
	e, err := dial(dialing, &f.o)
	if err == nil {
		f.engine.Store(e)
	}
	return e, err
}
