package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/daemon/serve"
	"github.com/neonauthd/neonauthd/internal/program"
	"github.com/neonauthd/neonauthd/protocol"
)

// state is one configuration in force. A reload replaces it as a whole.
type state struct {
	config config.Config
	terms  *serve.Terms
}

// build makes the state for cfg. A project of old that goes on with its table (see
// resolve.Project.GoesOnWith) is in the new state too. handOver makes the projects of the new
// state take over what they keep of old's. Call handOver when nothing can fail any more, and
// put the new state in force next.
func (d *Daemon) build(cfg config.Config, old *state) (next *state, handOver func(), err error) {
	callers, err := serve.NewCallers(cfg.Callers)
	if err != nil {
		return nil, nil, cfg.InFile(err)
	}
	var list []*resolve.Project
	var steps []func()
	for _, table := range cfg.Projects {
		p := old.named(table.Name)
		if p != nil && p.GoesOnWith(table, cfg.Dir) {
			steps = append(steps, func() { p.Retime(table) })
			list = append(list, p)
			continue
		}
		made, err := resolve.NewProject(table, d.surroundings(cfg.Dir))
		if err != nil {
			return nil, nil, cfg.InFile(err)
		}
		if p != nil {
			steps = append(steps, func() { made.Succeed(p) })
		}
		list = append(list, made)
	}
	if len(list) == 0 {
		return nil, nil, errors.New("at least one [[project]] table is needed")
	}
	handOver = func() {
		for _, step := range steps {
			step()
		}
	}
	return &state{config: cfg, terms: &serve.Terms{Limits: cfg.Limits, Projects: resolve.NewProjects(list), Callers: callers}}, handOver, nil
}

// named returns the project of that name, or nil. A nil state has no projects.
func (s *state) named(name string) *resolve.Project {
	if s == nil {
		return nil
	}
	return s.terms.Projects.ByName[name]
}

// projects returns the projects of the state in force.
func (d *Daemon) projects() *resolve.Projects { return &d.state.Load().terms.Projects }

// surroundings returns the surroundings of the daemon's projects.
func (d *Daemon) surroundings(configDir string) resolve.Surroundings {
	return resolve.Surroundings{
		StateDir:    d.stateDir,
		ConfigDir:   configDir,
		RootCAs:     d.opts.RootCAs,
		Dial:        d.opts.Dial,
		Environment: d.opts.Environment,
		UserAgent:   "neonauthd/" + d.opts.Version,
		Now:         d.opts.Now,
		Wall:        d.opts.wall,
		Log:         d.opts.Logger,
		Ended:       d.ended,
	}
}

// start runs the projects of the first state. Reloads are waited for until patient ends.
func (d *Daemon) start(life, patient context.Context) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.life, d.patient = life, patient
	d.sync(d.state.Load())
}

// runner is a part of a project that runs while the project is in force: the project itself,
// or the ring of its keys, which a reload may give to a new project.
type runner interface{ Run(context.Context) }

// sync runs exactly the projects of st. d.mu is held.
func (d *Daemon) sync(st *state) {
	wanted := map[runner]bool{}
	for _, p := range st.terms.Projects.List {
		wanted[p], wanted[p.Keys()] = true, true
	}
	for r, stop := range d.running {
		if !wanted[r] {
			stop()
			delete(d.running, r)
		}
	}
	for r := range wanted {
		if _, runs := d.running[r]; runs {
			continue
		}
		ctx, stop := context.WithCancel(d.life)
		d.running[r] = stop
		d.group.Go(func() { r.Run(ctx) })
	}
}

var (
	errStopping   = errors.New("the daemon is stopping")
	errNotStarted = errors.New("the daemon has not started yet")
)

// Reload reads the configuration again and puts it in force, as a whole or not at
// all. It is safe for concurrent use while Run runs.
//
// A disk that does not answer can hold up the reading without end. Then Reload returns when a
// stopping daemon waits no longer, and the goroutine that reads is left behind: the end of the
// process ends it.
func (d *Daemon) Reload() error {
	d.mu.Lock()
	patient := d.patient
	d.mu.Unlock()
	switch {
	case patient == nil:
		return errNotStarted
	case patient.Err() != nil:
		return errStopping
	}
	done := make(chan error, 1)
	select {
	case d.reload <- struct{}{}:
	case <-patient.Done():
		return errStopping
	}
	go func() {
		defer func() { <-d.reload }()
		done <- d.reloadAlone()
	}()
	select {
	case err := <-done:
		return err
	case <-patient.Done():
		return errStopping
	}
}

// awaitReload returns when no reload is in progress, after which none begins, and at the latest
// when ctx ends.
func (d *Daemon) awaitReload(ctx context.Context) {
	select {
	case d.reload <- struct{}{}:
		return
	case <-ctx.Done():
	}
	select {
	case d.reload <- struct{}{}: // the drain has used up the time
	default:
		d.opts.Logger.Error("stopping in the middle of a reload: a file of the configuration cannot be read to its end; look at its disk")
	}
}

// reloadAlone is Reload for the only reload in progress. A panic is logged without its value, and
// fails the reload alone.
func (d *Daemon) reloadAlone() (err error) {
	defer func() {
		if p := recover(); p != nil {
			d.counters.Panics.Add(1)
			d.opts.Logger.Error("a reload failed by a fault of ours; please report this line", "kind", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
			err = errors.New("failed by a fault of ours; see the log")
		}
	}()
	if d.opts.Reload == nil {
		return errors.New(protocol.TextNoFile)
	}
	cfg, err := d.opts.Reload()
	if err != nil {
		return err
	}
	old := d.state.Load()
	if err := errors.Join(checkFixed(&old.config, &cfg), d.access.Unsafe()); err != nil {
		return err
	}
	st, handOver, err := d.build(cfg, old)
	if err != nil {
		return err
	}
	change, err := d.planFleet(&cfg)
	if err != nil {
		return err
	}
	if err := d.putInForce(st, handOver, change); err != nil {
		return err
	}
	for _, p := range st.terms.Projects.List {
		if old.named(p.Name()) == p {
			p.TellUnreadable(cfg.Dir)
		}
	}
	for _, p := range old.terms.Projects.List {
		if st.named(p.Name()) == nil {
			p.Keys().GiveUp()
		}
	}
	d.warnOfStrays()
	return nil
}

// putInForce puts st in force, with handOver of build, and the change of the fleet that goes with it.
func (d *Daemon) putInForce(st *state, handOver, change func()) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.life.Err() != nil {
		return errStopping
	}
	handOver()
	d.state.Store(st)
	change()
	d.server.SetTerms(st.terms)
	d.revocations.SetRetention(time.Duration(st.config.RevocationRetention))
	d.revocations.SetSessionLifetimes(st.config.SessionLifetimes())
	d.opts.Level.Set(slog.Level(st.config.LogLevel))
	d.sync(st)
	d.resolver.Retime(st.terms.Projects.List)
	d.leases.ForgetAll()
	return nil
}

// lifetime returns a context that ends with Run.
func (d *Daemon) lifetime() context.Context {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.life == nil {
		return context.Background()
	}
	return d.life
}

// ReloadAndTell reloads, and waits until no client can use an answer that rests
// on the old configuration. Then it tells the log and the service manager whether
// the reload succeeded. Before Ready it does nothing and returns an error, because the end of a
// reload tells the service manager READY=1, which is not true yet.
func (d *Daemon) ReloadAndTell() error {
	select {
	case <-d.ready:
	default:
		return errNotStarted
	}
	err := d.beginReload()
	if err == nil {
		_ = d.leases.Settled(context.Background()) // takes at most a lease.Term
	}
	d.tellReload(err)
	return err
}

// beginReload reloads, and tells the service manager that a reload is in
// progress.
func (d *Daemon) beginReload() error {
	d.access.Reopen() // in any case, because a log file that was moved must not be written to any more
	d.opts.Notify(program.Reloading())
	return d.Reload()
}

// tellReload tells whether a reload succeeded.
func (d *Daemon) tellReload(err error) {
	d.reloads.count(err)
	if err != nil {
		d.opts.Logger.Error("configuration not reloaded: the old one stays in force", "error", err)
		d.opts.Notify(program.Ready + "\nSTATUS=reload failed, the old configuration is in force; " + d.status())
		return
	}
	d.opts.Logger.Info("configuration reloaded")
	d.opts.Notify(program.Ready + "\nSTATUS=" + d.status())
}

// checkFixed refuses changes that only a restart can make.
func checkFixed(old, next *config.Config) error {
	var keys []string
	for _, f := range []struct {
		key      string
		old, now any
	}{
		{"socket", old.Socket, next.Socket},
		{"admin_socket", old.AdminSocket, next.AdminSocket},
		{"metrics_listen", old.MetricsListen, next.MetricsListen},
		{"state_dir", old.StateDir, next.StateDir},
		{"log_format", old.LogFormat, next.LogFormat},
		{"access_log", old.AccessLog, next.AccessLog},
		{"cache.max_bytes", old.Cache.MaxBytes, next.Cache.MaxBytes},
	} {
		if f.old != f.now {
			keys = append(keys, f.key)
		}
	}
	if len(keys) > 0 {
		return fmt.Errorf("%s: %s", strings.Join(keys, ", "), protocol.TextRestart)
	}
	return nil
}
