package daemon

import (
	"fmt"
	"runtime"
	"slices"

	"github.com/neonauthd/neonauthd/daemon/clock"
	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/daemon/keyring"
	"github.com/neonauthd/neonauthd/daemon/lease"
	"github.com/neonauthd/neonauthd/daemon/logout"
	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/daemon/resolve/wording"
	"github.com/neonauthd/neonauthd/daemon/revoke"
	"github.com/neonauthd/neonauthd/daemon/serve"
	"github.com/neonauthd/neonauthd/daemon/statedir"
	"github.com/neonauthd/neonauthd/daemon/upstream"
	"github.com/neonauthd/neonauthd/protocol"
)

// metrics returns the page of all metrics. Reading changes nothing.
func (d *Daemon) metrics() []byte {
	p := &page{}
	p.Family("neonauthd_build_info", gauge, "Always 1; the labels tell what is running.")
	p.Sample("neonauthd_build_info", 1, "version", d.opts.Version, "goversion", runtime.Version())
	p.lookups(d.counters, d.leases.State())
	p.connections(d)
	p.memory(d)
	p.revocations(d.revocations)
	p.stateDir(d.stateDir)
	p.logouts(d.logouts)
	p.keys(d)
	p.upstreams(d)
	p.fleet(d.fleet.Fleet())
	p.operation(d)
	p.Process()
	return p.Bytes()
}

func (p *page) lookups(c *serve.Counters, kept lease.State) {
	const name = "neonauthd_lookups_total"
	p.Family(name, counter, "Lookups answered. Accepted ones by level and source, the others by the reason or code of the reply, and by cause where the code alone misleads. Of source client are those that clients have answered from their own memory, as they say.")
	for _, level := range []resolve.Level{resolve.LevelClaims, resolve.LevelProfile} {
		for source := resolve.SourceUpstream; source < resolve.Sources; source++ {
			p.Sample(name, float64(c.Accepted[level][source].Load()), "outcome", protocol.OK.Name(), "level", level.String(), "source", source.String())
		}
	}
	p.Sample(name, float64(kept.Hits), "outcome", protocol.OK.Name(), "source", sourceClient)
	for _, reason := range protocol.Reasons() {
		p.Sample(name, float64(c.Rejected[reason].Load()), "outcome", protocol.NO.Name(), "reason", string(reason))
	}
	for _, code := range serve.LookupCodes() {
		p.Sample(name, float64(c.Unknown[code].Load()), "outcome", protocol.ERR.Name(), "reason", string(code))
	}
	for cause := wording.Cause(1); cause < wording.Causes; cause++ {
		p.Sample(name, float64(c.Caused[cause].Load()), "outcome", protocol.ERR.Name(), "reason", string(cause.Code()), "cause", cause.String())
	}
	p.Family(serve.LatencyName, histogram, fmt.Sprintf("Time from the parsed request to its reply. Answers from memory (hit) are sampled, one in %d; all others (miss) are timed, with their wait for the upstream.", serve.HitSample))
	c.Latency.Write(p)
	p.Single("neonauthd_watches", gauge, "Clients that keep answers.", float64(kept.Open))
	p.Single("neonauthd_watches_max", gauge, "How many there can be; further ones keep nothing.", float64(kept.Max))
	p.Single("neonauthd_watches_told_total", counter, "Times that they were told to forget something.", float64(kept.Told))
	p.Single("neonauthd_requests_refused_total", counter, "Requests that were wrong or not allowed, answered before any lookup.", float64(c.Refused.Sum(nil)))
}

func (p *page) connections(d *Daemon) {
	c, is, state := d.counters, d.server.State(), d.resolver.State()
	const name = "neonauthd_connections"
	p.Family(name, gauge, "Open connections: busy ones wait for a lookup that memory could not answer.")
	p.Sample(name, float64(is.Busy), "state", "busy")
	p.Sample(name, float64(is.Idle), "state", "idle")
	p.Single("neonauthd_connections_max", gauge, "limits.connections: further ones are turned away.", float64(d.state.Load().config.Limits.Connections))
	p.Single("neonauthd_connections_accepted_total", counter, "Connections served.", float64(c.Connections.Load()))
	p.Single("neonauthd_connections_refused_total", counter, "Connections turned away because a limit was reached.", float64(c.TurnedAway.Load()))
	p.Single("neonauthd_accept_errors_total", counter, "Failures to accept, such as for want of file descriptors.", float64(c.AcceptErrors.Load()))
	p.Single("neonauthd_lookups_in_flight", gauge, "Lookups that wait for a verification or the upstream.", float64(state.InFlight))
	p.Single("neonauthd_lookups_in_flight_max", gauge, "How many may wait; further ones are answered ERR busy.", float64(2*fair.Waiting().Total))
	p.Single("neonauthd_lookups_waiting_for_upstream", gauge, "Of the lookups in flight those that wait for the upstream.", float64(state.WaitingForUpstream))
	p.Single("neonauthd_lookups_waiting_for_upstream_max", gauge, "How many may wait; further ones are answered ERR busy. As many may wait for a verification.", float64(fair.Waiting().Total))
	p.Single("neonauthd_replies_waiting_bytes", gauge, "Bytes of large JSON objects that wait to be read, each counted once.", float64(is.UnsentBytes))
	p.Single("neonauthd_replies_waiting_max_bytes", gauge, "How many may wait; further ones are answered ERR busy.", float64(fair.UnsentBodies().Total))
}

func (p *page) memory(d *Daemon) {
	s := d.resolver.State().Memory
	p.Single("neonauthd_cache_bytes", gauge, "Memory held for verdicts and profiles.", float64(s.Bytes))
	p.Single("neonauthd_cache_max_bytes", gauge, "cache.max_bytes: its bound.", float64(s.MaxBytes))
	p.Single("neonauthd_cache_entries", gauge, "Verdicts and profiles held.", float64(s.Entries))
	const name = "neonauthd_cache_gets_total"
	p.Family(name, counter, "Questions of lookups to the cache: one at level profile that finds its claims asks for the profile too.")
	p.Sample(name, float64(s.Hits), "result", "hit")
	p.Sample(name, float64(s.Misses), "result", "miss")
	p.Single("neonauthd_cache_sets_total", counter, "Entries offered to the cache.", float64(s.Sets))
	p.Single("neonauthd_cache_evictions_total", counter, "Entries that made room for others.", float64(s.Evictions))
	p.Single("neonauthd_cache_rejected_total", counter, "Entries that were found not worth their room, or too large.", float64(s.Rejected))
	p.Single("neonauthd_cache_capped_total", counter, "Entries removed because one user had too many.", float64(s.Capped))
	p.Single("neonauthd_cache_expired_total", counter, "Entries freed at the end of their lifetime.", float64(s.Expired))
}

func (p *page) revocations(r *revoke.List) {
	const name = "neonauthd_revocations"
	p.Family(name, gauge, "Revocations in force, by kind.")
	for _, kind := range revoke.Kinds() {
		p.Sample(name, float64(r.Count(kind)), "kind", string(kind))
	}
	p.Single("neonauthd_revocations_max", gauge, "How many can be in force.", revoke.Max)
	p.Single("neonauthd_revocations_unsaved", gauge, "1 if one is in force that a restart would forget.", oneIf(r.Unsaved()))
	const faults = "neonauthd_journal_faults"
	p.Family(faults, gauge, "1 if the journal of revocations had this fault at the start or since; the log says what it means.")
	found := r.Faults()
	for _, f := range revoke.Faults() {
		p.Sample(faults, oneIf(slices.Contains(found, f)), "fault", string(f))
	}
}

func (p *page) stateDir(d *statedir.Dir) {
	p.Single("neonauthd_state_writable", gauge, "0 if files of the state directory cannot be replaced, or could not at the last attempt; systemctl status says why.", oneIf(d.Unwritten() == nil))
	const faults = "neonauthd_state_faults"
	p.Family(faults, gauge, "1 if such a file of the state directory was damaged at the start or since; the log says what it means.")
	found := d.Faults()
	for _, kind := range statedir.Kinds() {
		p.Sample(faults, oneIf(slices.Contains(found, kind)), "file", string(kind))
	}
}

func (p *page) logouts(r *logout.Receiver) {
	const name = "neonauthd_logouts_total"
	accepted, rejected, unknown := r.Counts()
	p.Family(name, counter, "Logout tokens received (LOGOUT), by what became of them; an accepted one has ended what it names.")
	p.Sample(name, float64(accepted), "outcome", protocol.OK.Name())
	p.Sample(name, float64(rejected), "outcome", protocol.NO.Name())
	p.Sample(name, float64(unknown), "outcome", protocol.ERR.Name())
}

// perProject is a metric with one or more samples for each project.
type perProject struct {
	name, kind, help string
	samples          func(p *resolve.ProjectState, add func(value float64, labels ...string))
}

func (p *page) perProject(d *Daemon, all []perProject) {
	for _, m := range all {
		p.Family(m.name, m.kind, m.help)
		for _, project := range d.projects().List {
			state := project.State(d.opts.Now())
			m.samples(&state, func(value float64, labels ...string) {
				p.Sample(m.name, value, append([]string{"project", state.Name}, labels...)...)
			})
		}
	}
}

func (p *page) keys(d *Daemon) {
	// of makes a metric from a reading of the project's keys.
	of := func(name, kind, help string, value func(k *keyring.State) float64) perProject {
		return perProject{name, kind, help, func(p *resolve.ProjectState, add func(float64, ...string)) { add(value(&p.Keys)) }}
	}
	p.perProject(d, []perProject{
		of("neonauthd_keys", gauge, "Keys in the key set.", func(k *keyring.State) float64 { return float64(k.Len()) }),
		of("neonauthd_keys_skipped", gauge, "Keys of the key set that were left out; KEYS tells why.", func(k *keyring.State) float64 { return float64(len(k.Skipped)) }),
		{"neonauthd_keys_usable", gauge, "1 if the project can verify tokens now.", func(p *resolve.ProjectState, add func(float64, ...string)) {
			add(oneIf(p.KeysUsable))
		}},
		{"neonauthd_keys_age_seconds", gauge, "Time since the upstream last confirmed the key set; absent before the first.", func(p *resolve.ProjectState, add func(float64, ...string)) {
			if p.Keys.Set != nil {
				add(p.Keys.Age.Seconds())
			}
		}},
		of("neonauthd_keys_next_refresh_seconds", gauge, "Time until the next fetch of the key set is due.", func(k *keyring.State) float64 { return k.Due.Seconds() }),
		of("neonauthd_keys_consecutive_failures", gauge, "Fetches of the key set that failed since the last that did not.", func(k *keyring.State) float64 { return float64(k.FailuresInARow) }),
		{"neonauthd_keys_fetches_total", counter, "Fetches of the key set.", func(p *resolve.ProjectState, add func(float64, ...string)) {
			c := p.Keys.Counts
			add(float64(c.Fetches-c.Failures), "result", "ok")
			add(float64(c.Failures), "result", "failed")
		}},
		of("neonauthd_keys_forced_fetches_total", counter, "Fetches that a lookup caused, whose token named an unknown key or had a signature that the key it named has not made.", func(k *keyring.State) float64 { return float64(k.Forced) }),
		of("neonauthd_keys_unknown_total", counter, "Lookups whose token named a key that the set does not hold, usable or not, while nothing was known of that key.", func(k *keyring.State) float64 { return float64(k.UnknownKeyIDs) }),
	})
}

func (p *page) upstreams(d *Daemon) {
	p.perProject(d, []perProject{
		{"neonauthd_introspection_answers_total", counter, "Answers of the introspection endpoint that told whether a token is active.", func(p *resolve.ProjectState, add func(float64, ...string)) {
			add(float64(p.Introspected.Active), "result", "active")
			add(float64(p.Introspected.Inactive), "result", "inactive")
		}},
		{"neonauthd_introspection_unlinked", gauge, "1 if the last fresh tokens that were verified here were all called inactive: the client that introspects may not be linked to their resource.", func(p *resolve.ProjectState, add func(float64, ...string)) {
			add(oneIf(p.Introspected.Unlinked))
		}},
	})
	now := d.opts.Now()
	// of makes a metric from a reading of the project's governor.
	of := func(name, kind, help string, value func(g *upstream.GovernorState) float64) perProject {
		return perProject{name, kind, help, func(p *resolve.ProjectState, add func(float64, ...string)) { add(value(&p.Upstream)) }}
	}
	p.perProject(d, []perProject{
		of("neonauthd_upstream_calls_total", counter, "Calls about users and credentials sent to the upstream: profiles, sessions, API keys, introspections, self-tests; not for key sets.", func(g *upstream.GovernorState) float64 { return float64(g.Sent) }),
		{"neonauthd_upstream_failures_total", counter, "Calls about users and credentials without a usable answer; self-tests do not count.", func(p *resolve.ProjectState, add func(float64, ...string)) {
			add(float64(p.ProfileFailures))
		}},
		of("neonauthd_upstream_refused_total", counter, "Calls about users and credentials not sent: budget, circuit, or a pause that the upstream asked for.", func(g *upstream.GovernorState) float64 { return float64(g.Refused) }),
		of("neonauthd_upstream_in_flight", gauge, "Calls about users and credentials under way.", func(g *upstream.GovernorState) float64 { return float64(g.InFlight) }),
		of("neonauthd_upstream_waiting", gauge, "Calls about users and credentials waiting for their turn.", func(g *upstream.GovernorState) float64 { return float64(g.Waiting) }),
		of("neonauthd_upstream_budget", gauge, "Calls about users and credentials that could be sent at once now.", func(g *upstream.GovernorState) float64 { return max(0, g.Budget) }),
		of("neonauthd_upstream_budget_max", gauge, "The most that neonauthd_upstream_budget can be; it refills at upstream_rate, or at the limit of an introspection.", func(g *upstream.GovernorState) float64 { return g.Burst }),
		{"neonauthd_upstream_circuit", gauge, "1 for the state that the circuit is in: open means that the upstream fails and is not asked.", func(p *resolve.ProjectState, add func(float64, ...string)) {
			for _, s := range []upstream.CircuitState{upstream.Closed, upstream.HalfOpen, upstream.Open} {
				add(oneIf(p.Upstream.Circuit == s), "state", s.String())
			}
		}},
		of("neonauthd_upstream_retry_after_seconds", gauge, "How much longer the upstream asked not to be asked.", func(g *upstream.GovernorState) float64 {
			return clock.Left(g.RetryUntil, now).Seconds()
		}),
		{"neonauthd_upstream_clock_ahead_seconds", gauge, "How far this host's clock was ahead of the upstream's at its last answer, below 0 if behind; absent before the first.", func(p *resolve.ProjectState, add func(float64, ...string)) {
			if p.ClockHeard {
				add(p.ClockAhead.Seconds())
			}
		}},
	})
}

func (p *page) operation(d *Daemon) {
	both := func(name, help string, o *outcomes) {
		p.Family(name, counter, help)
		p.Sample(name, float64(o.ok.Load()), "result", "ok")
		p.Sample(name, float64(o.failed.Load()), "result", "failed")
	}
	both("neonauthd_reloads_total", "Reloads of the configuration; a failed one leaves the old configuration in force.", &d.reloads)
	both("neonauthd_self_lookups_total", "Lookups by which the daemon asks itself, for the watchdog and health checks.", &d.selfLookups)
	p.Single("neonauthd_panics_total", counter, "Faults of the daemon that cost one lookup or connection; each is logged.", float64(d.counters.Panics.Load()))
	const lines = "neonauthd_access_log_lines_total"
	p.Family(lines, counter, "Lines of the access log; lost are those that could not be written, or would have made a lookup wait.")
	p.Sample(lines, float64(d.access.Written()), "result", "written")
	p.Sample(lines, float64(d.access.Lost()), "result", "lost")
	p.Single("neonauthd_log_lines_left_out_total", counter, "Lines not logged because there were too many of their kind of late.", float64(d.lines.LeftOut()))
}
