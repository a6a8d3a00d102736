// Package presence knows whether the daemon answers, also while nobody has a question for it.
package presence

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/internal/pause"
)

const (
	// interval is the time between two pings of a daemon that answers.
	interval = 10 * time.Second
	// awayInterval is the time between two pings of a daemon that does not answer. It is also
	// the shortest time between any two, however many questions remain without an answer.
	awayInterval = time.Second
)

// Daemon says whether the daemon answers. Make it with New. It is safe for concurrent use.
//
// A socket that takes connections proves nothing: a service manager keeps it open while the
// daemon starts, fails to start, or hangs. So only an answer counts.
type Daemon struct {
	pinger *client.Client // its connection is never taken by questions that wait for the upstream
	now    func() time.Time
	absent func(error)
	back   func(away time.Duration)
	gone   atomic.Int64  // since when the daemon does not answer, Unix nanoseconds; 0: it answers
	told   atomic.Bool   // absent was called since then
	doubt  chan struct{} // a question remained without an answer
}

// New returns a Daemon for the daemon that c asks, and takes it for one that answers. absent
// is called with each cause when it is time to log that the daemon does not answer, and back
// once when it answers again.
func New(c *client.Client, now func() time.Time, absent func(error), back func(away time.Duration)) *Daemon {
	return &Daemon{
		pinger: &client.Client{Socket: c.Socket, Dial: c.Dial, Name: c.Name, Conns: 1, Keep: -1},
		now:    now, absent: absent, back: back,
		doubt: make(chan struct{}, 1),
	}
}

// Close ends the connection for pings.
func (d *Daemon) Close() error { return d.pinger.Close() }

// Gauge returns 0 if the daemon did not answer when it was last asked, else 1.
func (d *Daemon) Gauge() float64 {
	if d.Away() {
		return 0
	}
	return 1
}

// Away reports whether the daemon did not answer when it was last asked.
func (d *Daemon) Away() bool { return d.gone.Load() != 0 }

// Answered notes that the daemon has answered something, whatever it was.
func (d *Daemon) Answered() {
	if !d.Away() { // the usual case costs no write
		return
	}
	if since := d.gone.Swap(0); since != 0 && d.told.Swap(false) {
		d.back(time.Duration(d.now().UnixNano() - since))
	}
}

// Missed notes that the daemon could not be asked, and returns for how long it has not
// answered.
func (d *Daemon) Missed() time.Duration {
	now := d.now().UnixNano()
	if d.gone.CompareAndSwap(0, now) {
		d.Doubt() // Watch now pings more often, so that it sees the end of the absence
	}
	since := d.gone.Load()
	if since == 0 { // another question was answered meanwhile
		return 0
	}
	return time.Duration(now - since)
}

// Tell logs that the daemon does not answer.
func (d *Daemon) Tell(cause error) {
	d.told.Store(true)
	d.absent(cause)
}

// Doubt says that a question remained without an answer. That may be the fault of the
// question, which had too little time or no free connection, so Watch finds out with a ping.
func (d *Daemon) Doubt() {
	select {
	case d.doubt <- struct{}{}:
	default:
	}
}

// Ping asks the daemon whether it is there, notes what it learns, and returns the error of
// client.Client.Ping.
func (d *Daemon) Ping(ctx context.Context) error {
	err := d.pinger.Ping(ctx)
	switch {
	case Answers(err):
		d.Answered()
	case ctx.Err() != nil: // the caller did not wait long enough
		d.Doubt()
	case NoAnswer(err):
		d.Missed()
	}
	return err
}

// Watch pings the daemon until ctx ends: at once, then every ten seconds, and more often
// while it does not answer. An absence is told when it lasts longer than patience, which is
// the time that a restart may take, at the start at once, and again every ten seconds. odd is
// called with the error of an answer that is not the daemon's.
func (d *Daemon) Watch(ctx context.Context, patience func() time.Duration, odd func(error)) {
	var bear time.Duration // the longest absence that is not told
	var next time.Time     // the earliest time of the next line
	for {
		switch err := d.Ping(ctx); {
		case ctx.Err() != nil:
			return
		case NoAnswer(err):
			if d.Missed() >= bear && !d.now().Before(next) {
				d.Tell(err)
				next = d.now().Add(interval)
			}
		case !Answers(err):
			odd(err)
		}
		if !pause.For(ctx, awayInterval) {
			return
		}
		if d.Away() {
			continue
		}
		bear = patience()
		select {
		case <-time.After(interval - awayInterval):
		case <-d.doubt:
		case <-ctx.Done():
			return
		}
	}
}

// Answers reports whether a call with that error got an answer of a daemon, even if the
// answer is that it refuses.
func Answers(err error) bool {
	_, refuses := errors.AsType[*client.ReplyError](err)
	return err == nil || refuses
}

// NoAnswer reports whether a call with that error got no answer from anybody: nobody listens,
// the connection broke, or the time ran out. A call that its caller gave up is none of these.
func NoAnswer(err error) bool {
	return errors.Is(err, client.ErrUnreachable) || errors.Is(err, client.ErrBroken) || errors.Is(err, context.DeadlineExceeded)
}
