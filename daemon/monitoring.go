package daemon

import (
	"context"
	"fmt"
	"maps"
	"net"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/daemon/clock"
	"github.com/neonauthd/neonauthd/daemon/keyring"
	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/daemon/upstream"
	"github.com/neonauthd/neonauthd/internal/program"
	"github.com/neonauthd/neonauthd/internal/sockets"
	"github.com/neonauthd/neonauthd/protocol"
)

// statusInterval is how often the observer checks the status for the service manager, and
// sends it if it has changed.
const statusInterval = 5 * time.Second

// startMonitoring starts the watchdog, the metrics, and the checks whose results an operator
// is told. The watchdog and the checks end with ctx, because a draining daemon takes no
// questions. Metrics are served until life ends; the error of serving them is sent to
// failed. status is the status that the service manager is told at the start.
func (d *Daemon) startMonitoring(ctx, life context.Context, l *Listeners, failed chan<- error, status string) *health {
	h := &health{daemon: d, exposed: sockets.OnNetwork(l.Metrics)}
	if l.Ordinary != nil {
		h.self = &selfCheck{daemon: d, addr: l.Ordinary.Addr()}
		// Only a successful lookup through the daemon's own socket feeds the watchdog.
		dog := program.Watchdog{Check: h.self.askInTime, Notify: d.opts.Notify, Log: d.opts.Logger}
		d.group.Go(func() { dog.Run(ctx) })
	}
	if l.Metrics != nil {
		d.group.Go(func() { failed <- h.serve(life, l.Metrics) })
	}
	o := &observer{daemon: d, told: status}
	o.unset.look(d.resolver.ClockUnset(), d.opts.Now(), d.opts.Logger) // at once: most often the clock is unset when the host starts
	d.group.Go(func() { o.run(ctx) })
	blindAfter := func() time.Duration { return time.Duration(d.state.Load().config.Fleet.BlindAfter) }
	d.group.Go(func() { new(blindness).run(ctx, d.fleet.Hearing, blindAfter, d.opts.Logger) })
	return h
}

// observer tells the operator when the state of the projects changes, and remembers
// the last state that it told. It is not safe for concurrent use.
type observer struct {
	daemon   *Daemon
	told     string    // to the service manager
	checked  time.Time // when the last check was; zero: there was none
	projects map[string]projectHealth
	unset    unsetClock
}

// projectHealth is what the observer has last told about one project.
type projectHealth struct {
	project *resolve.Project // a reload that changes the project replaces it
	usable  bool
	circuit upstream.CircuitState
}

// run checks regularly until ctx ends.
func (o *observer) run(ctx context.Context) {
	ticker := time.NewTicker(statusInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			o.check()
			o.daemon.lines.Tell(now)
			o.daemon.counters.Latency.Mark(now)
		}
	}
}

// check tells the changes since the last check: it tells the service manager the status,
// and logs faults that an operator may have to mend.
func (o *observer) check() {
	d := o.daemon
	if status := d.status(); status != o.told {
		o.told = status
		d.opts.Notify("STATUS=" + status)
	}
	now := d.opts.Now()
	if jump := clock.Jump(o.checked, now); !o.checked.IsZero() && jump.Abs() > clock.Tolerance {
		d.opts.Logger.Info("the wall clock went on by more, or less, than the time that passed: this host slept, or its clock was set; what is kept is taken to be older by that", "jump", jump.Round(time.Second).String())
	}
	o.checked = now
	o.unset.look(d.resolver.ClockUnset(), now, d.opts.Logger)
	before := o.projects
	o.projects = map[string]projectHealth{}
	for _, p := range d.projects().List {
		state := p.State(now)
		is := projectHealth{p, p.KeysUsable(now), circuitOf(&state)}
		o.projects[p.Name()] = is
		was := before[p.Name()]
		if was.project != p { // nothing is known of a new project
			was = projectHealth{circuit: upstream.Closed}
		}
		log := d.opts.Logger.With("project", p.Name())
		if was.usable && !is.usable {
			log.Error("keys too old to verify with: lookups are answered unavailable; mend the way to the upstream", "most", keyring.Lifetime)
		}
		switch {
		case was.circuit == upstream.Closed && is.circuit != upstream.Closed:
			log.Warn("upstream fails: profiles come from memory, stale or not at all, until it answers; nothing to do here if its status page says so", "cause", whyNoProfiles(&state))
		case was.circuit != upstream.Closed && is.circuit == upstream.Closed:
			log.Info("upstream answers again")
		}
	}
}

// status returns one line about what the daemon can do now, for the service manager and
// for people. It holds nothing that changes each second.
func (d *Daemon) status() string {
	now := d.opts.Now()
	list := d.projects().List
	with := 0
	var lacking, old, failing, differing, plain []string
	for _, project := range list {
		p := project.State(now)
		switch {
		case !p.KeysUsable:
			lacking = append(lacking, withCauses(p.Name, whyNoKeys(&p)))
		case p.Keys.Stale:
			old = append(old, p.Name)
			fallthrough
		default:
			with++
		}
		switch circuit := circuitOf(&p); {
		case circuit != upstream.Closed:
			failing = append(failing, withCauses(p.Name, "circuit "+circuit.String(), whyNoProfiles(&p)))
		case !p.Upstream.RetryUntil.IsZero(), !p.Introspection.RetryUntil.IsZero():
			failing = append(failing, withCauses(p.Name, "asked for a pause"))
		case misconfigured(&p):
			failing = append(failing, withCauses(p.Name, whyNoProfiles(&p)))
		}
		if p.ClockDiffers {
			differing = append(differing, p.Name)
		}
		if p.PlainHTTP {
			plain = append(plain, p.Name)
		}
	}
	text := fmt.Sprintf("%d of %d projects have keys", with, len(list))
	for _, part := range []struct {
		what     string
		projects []string
	}{{"without keys: ", lacking}, {"stale: ", old}, {"profiles fail: ", failing}, {"this host's clock differs from that of: ", differing}, {"over plain http (insecure_http): ", plain}} {
		if len(part.projects) > 0 {
			text += "; " + part.what + strings.Join(part.projects, ", ")
		}
	}
	if d.resolver.ClockUnset() {
		text += "; " + clockUnsetStatus
	}
	switch h := d.fleet.Hearing(); {
	case h.Refuses:
		text += "; has not heard its fleet for too long, and accepts nothing"
	case h.Blind:
		text += "; does not hear its fleet"
	}
	if d.revocations.Unsaved() {
		text += "; a revocation is not saved: mend the state directory and repeat it"
	}
	if faults := d.revocations.Faults(); len(faults) > 0 {
		text += fmt.Sprintf("; journal of revocations: %v", faults)
	}
	if err := d.stateDir.Unwritten(); err != nil {
		text += fmt.Sprintf("; cannot write to the state directory, so a restart may forget key sets and revocations: %v", err)
	}
	if faults := d.stateDir.Faults(); len(faults) > 0 {
		text += fmt.Sprintf("; damaged in the state directory: %v", faults)
	}
	return text
}

// logStart logs the beginning of a run.
func (d *Daemon) logStart(l *Listeners) {
	var names []string
	for _, p := range d.projects().List {
		names = append(names, p.Name())
	}
	if !sockets.OwnUserNamespace().Whole() {
		d.opts.Logger.Info("callers from outside of this process's user namespace cannot be told apart by user: limits per user count their processes")
	}
	if sockets.OnNetwork(l.Metrics) {
		d.opts.Logger.Warn("metrics are served to every host that reaches this one, and name projects and callers' users; set metrics_listen to 127.0.0.1:PORT or unix:PATH, unless a firewall is in between", "metrics", address(l.Metrics))
	}
	if d.state.Load().config.Pprof {
		d.warnOfProfiles(l.Metrics)
	}
	d.warnOfStrays()
	d.opts.Logger.Info("serving", "version", d.opts.Version, "go", runtime.Version(), "projects", strings.Join(names, ","),
		"socket", address(l.Ordinary), "admin_socket", address(l.Admin), "metrics", address(l.Metrics), "state", d.stateDir.Path(), "access_log", d.state.Load().config.AccessLog, "inherited", l.Inherited)
}

// warnOfStrays warns of revocations that cover nobody on this host, because no project
// has the name that they are for. On a host in a fleet it warns of none, because
// another host may have the project.
func (d *Daemon) warnOfStrays() {
	if d.fleet.Fleet() != nil || d.revocations.Len() == 0 {
		return
	}
	all, names := d.revocations.Projects(), d.projects().ByName
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if names[name] == nil {
			d.opts.Logger.Warn("revocations are of a project that is not configured, and cover nobody: if it has another name now, what they revoked is accepted again; give it back its name, or revoke anew (REVOCATIONS lists them)", "project", name, "revocations", all[name])
		}
	}
}

// warnOfProfiles warns if profiles cannot be taken, or if more users can take them than
// the operator may expect.
func (d *Daemon) warnOfProfiles(metrics net.Listener) {
	_, unix := metrics.(*net.UnixListener)
	switch {
	case metrics == nil:
		d.opts.Logger.Warn("pprof = true, and no profiles can be had: there is no metrics listener; set metrics_listen, or enable neonauthd-metrics.socket, and restart")
	case sockets.OnNetwork(metrics):
		d.opts.Logger.Warn("pprof = true, and no profiles can be had: other hosts reach the metrics listener; write a path or a loopback address behind ListenStream=, and restart", "metrics", address(metrics))
	case !unix:
		d.opts.Logger.Warn("profiles can be taken by every user of this host; set metrics_listen to unix:PATH to say by whom", "metrics", address(metrics))
	}
}

// logStop logs the end of a run.
func (d *Daemon) logStop(err error) {
	t := d.counters.Totals()
	args := []any{"uptime", clock.Awake(d.started, d.opts.Now()).Round(time.Second),
		"accepted", t.Outcomes[protocol.OK], "rejected", t.Outcomes[protocol.NO], "unknown", t.Outcomes[protocol.ERR]}
	d.lines.TellAll(time.Now())
	if err != nil {
		d.opts.Logger.Error("stopped, not in order", append(args, "error", err)...)
		return
	}
	d.opts.Logger.Info("stopped", args...)
}

func address(ln net.Listener) string {
	if ln == nil {
		return ""
	}
	return ln.Addr().String()
}
