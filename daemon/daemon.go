// Package daemon puts the parts of the daemon together. The daemon answers lookups
// over a Unix socket: it verifies credentials, caches verdicts and profiles, and asks
// the upstream when the cache has no answer.
//
// A lookup takes this path. In package serve, server accepts a connection, conn reads
// one line, package protocol parses the line, and request reads the fields. Package
// resolve reaches the verdict, from the cache or with the upstream. Then outbox writes
// the reply. In this package, state holds what a reload changes.
package daemon

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/neonauthd/neonauthd/daemon/clock"
	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/lease"
	"github.com/neonauthd/neonauthd/daemon/logout"
	"github.com/neonauthd/neonauthd/daemon/membership"
	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/daemon/revoke"
	"github.com/neonauthd/neonauthd/daemon/serve"
	"github.com/neonauthd/neonauthd/daemon/statedir"
	"github.com/neonauthd/neonauthd/internal/accesslog"
	"github.com/neonauthd/neonauthd/internal/program"
)

// drainTimeout is how long a stopping daemon waits for lookups in flight and for a reload.
const drainTimeout = 10 * time.Second

// Options are the settings of a daemon that are not in a configuration file.
type Options struct {
	// Version is told to callers (HELLO) and upstreams; empty means "dev".
	Version string
	// Logger gets one line for each event that an operator acts on; nil: nothing is
	// logged.
	Logger *slog.Logger
	// Level is the level of Logger's handler, which RELOAD and LEVEL set; nil: they have
	// no effect.
	Level *slog.LevelVar
	// Now is the clock; nil means time.Now. It must carry a monotonic reading.
	Now func() time.Time
	// ClockFloor is the earliest time that a right wall clock can show. Before this time
	// no token is judged. Zero: no check.
	ClockFloor time.Time
	// Reload reads the configuration again; nil: there is nothing to read.
	Reload func() (config.Config, error)
	// Notify is called with each change of state, and regularly while the daemon
	// answers, in the words of sd_notify(3). Several goroutines call it. nil: nothing is
	// called.
	Notify func(state string)
	// RootCAs are the authorities that are trusted for upstreams' certificates; nil
	// means the system's.
	RootCAs *x509.CertPool
	// NoFormerRun says that no earlier run has served anybody on these sockets.
	// Otherwise REVOKE, PURGE and RELOAD wait until the leases that an earlier run may
	// have granted are over; see package lease.
	NoFormerRun bool
	// Dial connects to upstreams; nil means over the network.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Environment returns the proxy for an upstream if the configuration names none;
	// nil: no proxy. See transport.Environment.
	Environment func(*url.URL) (*url.URL, error)

	wall *clock.Wall // learns the time that upstreams' answers tell
}

func (o Options) withDefaults() Options {
	if o.Version == "" {
		o.Version = "dev"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Level == nil {
		o.Level = new(slog.LevelVar)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.wall = &clock.Wall{}
	if o.Notify == nil {
		o.Notify = func(string) {}
	}
	return o
}

// Daemon is a neonauthd, before or during its run. Make it with New, and call Run once.
type Daemon struct {
	opts        Options
	stateDir    *statedir.Dir
	state       atomic.Pointer[state]
	resolver    *resolve.Resolver
	leases      *lease.Watches
	revocations *revoke.List
	fleet       *membership.Member
	logouts     *logout.Receiver
	counters    *serve.Counters
	server      *serve.Server
	access      *accesslog.Log
	lines       program.Rare // the handler behind opts.Logger
	started     time.Time
	selfToken   []byte   // the token of the daemon's own lookups; nobody has signed it
	selfLookups outcomes // lookups of the watchdog and of health checks
	reloads     outcomes // reloads of the configuration

	ready   chan struct{} // closed when Run has told that the daemon is ready
	drain   time.Duration // how long a stop waits for what is in progress
	reload  chan struct{} // one reload at a time has its place
	mu      sync.Mutex    // guards the fields below. No file is read while it is held, but a change of the fleet waits for a revocation that is being saved
	running map[runner]context.CancelFunc
	group   sync.WaitGroup // the projects' goroutines
	life    context.Context
	patient context.Context // ends when nobody waits any longer for a reload
}

// New makes a daemon of a validated configuration. It reads the state directory, and
// starts only the caches' own housekeeping. If the configuration does not fit the host,
// the error is a program.ConfigError.
func New(cfg config.Config, opts Options) (*Daemon, error) {
	d := &Daemon{
		opts:    opts.withDefaults(),
		ready:   make(chan struct{}),
		drain:   drainTimeout,
		reload:  make(chan struct{}, 1),
		running: map[runner]context.CancelFunc{},
	}
	d.leases = lease.New(lease.Options{ // both are called only while connections are served, after openFleet has made d.fleet
		Withhold: func() bool { return d.fleet.Hearing().Refuses },
		Hearing:  func() (time.Duration, bool) { h := d.fleet.Hearing(); return h.Age, h.Blind },
	})
	d.started, d.selfToken = d.opts.Now(), unsigned()
	d.counters = serve.NewCounters(d.selfToken)
	d.lines = program.NewRare(d.opts.Logger.Handler())
	d.opts.Logger = slog.New(d.lines)
	d.opts.Level.Set(slog.Level(cfg.LogLevel))
	if err := d.openState(cfg); err != nil {
		return nil, err
	}
	var err error
	if d.access, err = newAccessLog(cfg.AccessLog, d.stateDir, d.opts.Logger); err != nil {
		return nil, errors.Join(err, d.closeState())
	}
	d.openFleet()
	if err := d.openResolver(cfg); err != nil {
		return nil, errors.Join(err, d.closeState())
	}
	st, _, err := d.build(cfg, nil)
	if err != nil {
		return nil, errors.Join(program.ConfigError{Err: err}, d.close())
	}
	join, err := d.planFleet(&cfg)
	if err != nil {
		return nil, errors.Join(program.ConfigError{Err: err}, d.close())
	}
	join()
	d.state.Store(st)
	d.logouts = logout.New(logout.Config{
		Judge:       d.resolver.Logout,
		Projects:    func() []*resolve.Project { return d.projects().List },
		Revocations: d.revocations,
		Ended:       d.ended,
		Settled:     d.leases.Settled,
		Announce:    func(m revoke.Mark) { d.fleet.Announce(d.lifetime(), m) },
		Tell:        func(m revoke.Mark) { d.fleet.Tell(m) },
		Log:         d.opts.Logger,
	})
	d.server = serve.New(serve.Config{
		Resolver: d.resolver,
		Counters: d.counters,
		Admin:    (&admin{d}).answer,
		Logout:   d.logouts.Receive,
		Leases:   d.leases,
		Hearing:  d.fleet.Hearing,
		Terms:    st.terms,
		Version:  d.opts.Version,
		Log:      d.opts.Logger,
		Access:   d.access,
	})
	return d, nil
}

// openState takes the state directory and reads the revocations. If the directory cannot
// be written to, nothing can be saved; this is logged. If the directory must not be
// used, or the revocations cannot be read, openState returns an error.
func (d *Daemon) openState(cfg config.Config) error {
	chosen, err := cfg.ChooseState(revoke.Left)
	if err != nil {
		return program.ConfigError{Err: cfg.InFile(err)}
	}
	if chosen.Warning != "" {
		d.opts.Logger.Warn(chosen.Warning)
	}
	if d.stateDir, err = statedir.Open(chosen.Path); err != nil {
		return program.ConfigError{Err: chosen.Explain(err)}
	}
	if err := d.stateDir.Writable(); err != nil {
		d.opts.Logger.Error("state directory not usable: key sets and revocations will not survive a restart; make it writable for the daemon's user", "error", err)
	}
	d.revocations, err = revoke.Open(d.stateDir, revoke.Options{
		Now: d.opts.Now, Wall: d.opts.wall, ClockFloor: d.opts.ClockFloor,
		Retention: time.Duration(cfg.RevocationRetention), Log: d.opts.Logger,
	})
	if err != nil {
		return errors.Join(err, d.stateDir.Close())
	}
	d.revocations.SetSessionLifetimes(cfg.SessionLifetimes())
	return nil
}

// openResolver makes the resolver.
func (d *Daemon) openResolver(cfg config.Config) (err error) {
	d.resolver, err = resolve.New(resolve.Config{
		MaxBytes:    int64(cfg.Cache.MaxBytes),
		Revocations: d.revocations,
		Fleet:       d.sharing,
		Now:         d.opts.Now,
		ClockFloor:  d.opts.ClockFloor,
		Log:         d.opts.Logger,
		Panicked: func(value any, stack []byte) {
			d.counters.Panics.Add(1)
			d.opts.Logger.Error("a lookup failed by a fault of ours; please report this line", "kind", fmt.Sprintf("%T", value), "stack", string(stack))
		},
		Ended: d.ended,
	})
	return err
}

// Ready returns a channel that is closed when Run has told the service manager that the daemon is
// ready. Reloads are possible from then on.
func (d *Daemon) Ready() <-chan struct{} { return d.ready }

// Run serves l until ctx ends. Then it answers the requests in flight, closes l and returns.
// Every goroutine that it started has ended by then.
func (d *Daemon) Run(ctx context.Context, l *Listeners) error {
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	accepting, free := context.WithCancel(context.WithoutCancel(ctx))
	defer free()
	if !d.opts.NoFormerRun {
		d.leases.Start()
	}
	patient, giveUp := context.WithCancel(life)
	defer giveUp()
	d.start(life, patient)
	d.group.Go(func() { d.resolver.Run(life) })
	d.group.Go(func() { d.revocations.Keep(life) })
	d.group.Go(func() { d.fleet.Run(life) })
	d.group.Go(func() { d.access.Run(life) })
	d.awaitFleet(ctx)
	var serving sync.WaitGroup
	if l.Ordinary != nil {
		serving.Go(func() { d.server.Serve(accepting, l.Ordinary, false) })
	}
	if l.Admin != nil {
		serving.Go(func() { d.server.Serve(accepting, l.Admin, true) })
	}
	failed := make(chan error, 1) // of serving metrics
	status := d.status()          // one reading for Notify and the observer, which later tells only changes to it
	health := d.startMonitoring(ctx, life, l, failed, status)
	d.opts.Notify(program.Ready + "\nSTATUS=" + status)
	close(d.ready)
	d.logStart(l)
	<-ctx.Done()
	d.leases.Drain() // before the sockets are free for the next run
	free()
	health.stopping.Store(true)
	d.opts.Notify(program.Stopping + "\nSTATUS=answering what is in flight")
	serving.Wait()
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.drain)
	defer cancel()
	context.AfterFunc(drain, giveUp)
	err := d.server.Drain(drain)
	d.awaitReload(drain)
	d.mu.Lock()
	stop()
	d.mu.Unlock()
	d.group.Wait()
	d.logouts.Wait()
	close(failed)
	for e := range failed {
		err = errors.Join(err, e)
	}
	err = errors.Join(err, l.Close(), d.close())
	d.logStop(err)
	return err
}

// close ends the resolver and gives up the state directory. Nothing may use them afterwards.
func (d *Daemon) close() error {
	d.resolver.Close()
	return d.closeState()
}

// closeState gives up the state directory. Everything in it has been saved.
func (d *Daemon) closeState() error { return errors.Join(d.revocations.Close(), d.stateDir.Close()) }
