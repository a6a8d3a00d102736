package daemon

import (
	"time"

	"github.com/neonauthd/neonauthd/daemon/clock"
	"github.com/neonauthd/neonauthd/daemon/fleet"
	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/daemon/serve"
	"github.com/neonauthd/neonauthd/daemon/upstream"
	"github.com/neonauthd/neonauthd/protocol"
)

// statsReport is STATS's answer; protocol.md describes its members.
type statsReport struct {
	Version     string            `json:"version"`
	Started     int64             `json:"started"`
	Uptime      int64             `json:"uptime"`
	Outcomes    map[string]uint64 `json:"outcomes"`
	Reasons     map[string]uint64 `json:"reasons"`
	Codes       map[string]uint64 `json:"codes"`
	Sources     map[string]uint64 `json:"sources"`
	Levels      map[string]uint64 `json:"levels"`
	Latency     latencyStats      `json:"latency"`
	Connections connectionStats   `json:"connections"`
	Watches     watchStats        `json:"watches"`
	Cache       cacheStats        `json:"cache"`
	Revocations int64             `json:"revocations"`
	Unsaved     bool              `json:"revocations_unsaved"`
	Writable    bool              `json:"state_writable"`
	AccessLog   accessStats       `json:"access_log"`
	Fleet       *fleetStats       `json:"fleet,omitempty"`
	Panics      uint64            `json:"panics"`
	Projects    []projectStats    `json:"projects"`
}

// sourceClient is the source, besides those of resolve.Source, of answers that
// clients have given from their own memory.
const sourceClient = "client"

// latencyStats has times in seconds.
type latencyStats struct {
	P50     float64 `json:"p50"`
	P99     float64 `json:"p99"`
	HitP50  float64 `json:"hit_p50"`
	HitP99  float64 `json:"hit_p99"`
	MissP50 float64 `json:"miss_p50"`
	MissP99 float64 `json:"miss_p99"`
}

type connectionStats struct {
	Open     int    `json:"open"`
	Accepted uint64 `json:"accepted"`
	Refused  uint64 `json:"refused"`
	InFlight int64  `json:"in_flight"`
}

type watchStats struct {
	Open int   `json:"open"`
	Told int64 `json:"told"`
}

type accessStats struct {
	Written uint64 `json:"written"`
	Lost    uint64 `json:"lost"`
}

type cacheStats struct {
	Bytes     int64  `json:"bytes"`
	MaxBytes  int64  `json:"max_bytes"`
	Entries   int64  `json:"entries"`
	Hits      uint64 `json:"hits"`
	Misses    uint64 `json:"misses"`
	Evictions uint64 `json:"evictions"`
	Rejected  uint64 `json:"rejected"`
}

type projectStats struct {
	Name         string        `json:"name"`
	Preset       string        `json:"preset"`
	Proxy        string        `json:"proxy"`
	PlainHTTP    bool          `json:"plain_http"`
	Keys         int           `json:"keys"`
	KeysAge      int64         `json:"keys_age"`
	KeysNext     int64         `json:"keys_next"`
	KeysFailures int           `json:"keys_failures"`
	KeyFetches   uint64        `json:"key_fetches"`
	UnknownKeys  uint64        `json:"unknown_keys"`
	Failures     []failure     `json:"failures"`
	Upstream     upstreamStats `json:"upstream"`

	Introspection *introspectionStats `json:"introspection,omitempty"`
}

// fleetStats is how this host hears its fleet, and how the hosts agree.
type fleetStats struct {
	Connected bool  `json:"connected"`
	Refuses   bool  `json:"refuses"`
	Heard     int64 `json:"heard"`
	Hosts     int   `json:"hosts"`
	Silent    int   `json:"silent"`
	Disagree  int64 `json:"disagree"`
}

type introspectionStats struct {
	Calls      uint64 `json:"calls"`
	Active     uint64 `json:"active"`
	Inactive   uint64 `json:"inactive"`
	Unlinked   bool   `json:"unlinked"`
	Refused    uint64 `json:"refused"`
	Budget     int64  `json:"budget"`
	Circuit    string `json:"circuit"`
	RetryAfter int64  `json:"retry_after"`
}

type upstreamStats struct {
	Calls      uint64 `json:"calls"`
	Failures   uint64 `json:"failures"`
	Refused    uint64 `json:"refused"`
	InFlight   int    `json:"in_flight"`
	Budget     int64  `json:"budget"`
	Circuit    string `json:"circuit"`
	RetryAfter int64  `json:"retry_after"`
	ClockAhead int64  `json:"clock_ahead"`
}

func (a *admin) stats(r *protocol.Request) (protocol.Reply, *serve.Refusal) {
	if refused := serve.TakesNothing(r); refused != nil {
		return protocol.Reply{}, refused
	}
	return object(a.daemon.report())
}

// report reads all counters. Reading changes nothing.
func (d *Daemon) report() statsReport {
	now := d.opts.Now()
	lookups, kept := d.counters.Totals(), d.leases.State()
	out := statsReport{
		Version:     d.opts.Version,
		Started:     d.started.Unix(),
		Uptime:      int64(clock.Awake(d.started, now) / time.Second),
		Outcomes:    map[string]uint64{},
		Reasons:     lookups.Reasons,
		Codes:       lookups.Codes,
		Sources:     map[string]uint64{},
		Levels:      map[string]uint64{},
		Latency:     latencyReport(&d.counters.Latency),
		Connections: d.connections(),
		Watches:     watchStats{Open: kept.Open, Told: kept.Told},
		Cache:       d.cacheReport(),
		Revocations: int64(d.revocations.Len()),
		Unsaved:     d.revocations.Unsaved(),
		Writable:    d.stateDir.Unwritten() == nil,
		AccessLog:   accessStats{d.access.Written(), d.access.Lost()},
		Fleet:       fleetStatsOf(d.fleet.Fleet()),
		Panics:      d.counters.Panics.Load(),
		Projects:    []projectStats{},
	}
	for _, status := range []protocol.Status{protocol.ERR, protocol.OK, protocol.NO} {
		out.Outcomes[status.Name()] = lookups.Outcomes[status]
	}
	for _, s := range []resolve.Source{resolve.SourceUpstream, resolve.SourceCache, resolve.SourceStale} {
		out.Sources[s.String()] = lookups.Sources[s]
	}
	out.Outcomes[protocol.OK.Name()] += kept.Hits
	out.Sources[sourceClient] = kept.Hits
	for _, level := range []resolve.Level{resolve.LevelClaims, resolve.LevelProfile} {
		out.Levels[level.String()] = lookups.Levels[level]
	}
	for _, p := range d.projects().List {
		out.Projects = append(out.Projects, projectReport(p.State(now), now))
	}
	return out
}

// fleetStatsOf returns the statistics of the fleet; nil if there is no fleet.
func fleetStatsOf(f *fleet.Fleet) *fleetStats {
	if f == nil {
		return nil
	}
	s := f.Stats()
	out := &fleetStats{Connected: s.Connected, Refuses: f.Refuses(), Heard: -1, Hosts: s.Hosts, Silent: s.Silent, Disagree: int64(s.Disagree / time.Second)}
	if s.Heard >= 0 {
		out.Heard = int64(s.Heard / time.Second)
	}
	return out
}

func latencyReport(l *serve.Latency) latencyStats {
	all, hits, misses := l.Recent()
	return latencyStats{
		P50: all.P50.Seconds(), P99: all.P99.Seconds(), HitP50: hits.P50.Seconds(), HitP99: hits.P99.Seconds(),
		MissP50: misses.P50.Seconds(), MissP99: misses.P99.Seconds(),
	}
}

func (d *Daemon) connections() connectionStats {
	is := d.server.State()
	return connectionStats{
		Open:     is.Busy + is.Idle,
		Accepted: d.counters.Connections.Load(),
		Refused:  d.counters.TurnedAway.Load(),
		InFlight: int64(d.resolver.State().InFlight),
	}
}

func (d *Daemon) cacheReport() cacheStats {
	s := d.resolver.State().Memory
	return cacheStats{
		Bytes:     s.Bytes,
		MaxBytes:  s.MaxBytes,
		Entries:   s.Entries,
		Hits:      s.Hits,
		Misses:    s.Misses,
		Evictions: s.Evictions,
		Rejected:  s.Rejected,
	}
}

func projectReport(s resolve.ProjectState, now time.Time) projectStats {
	return projectStats{
		Name:         s.Name,
		Preset:       s.Preset,
		Proxy:        s.Proxy,
		PlainHTTP:    s.PlainHTTP,
		Keys:         s.Keys.Len(),
		KeysAge:      int64(s.Keys.Age / time.Second),
		KeysNext:     int64(s.Keys.Due / time.Second),
		KeysFailures: s.Keys.FailuresInARow,
		KeyFetches:   s.Keys.Fetches,
		UnknownKeys:  s.Keys.UnknownKeyIDs,
		Failures:     failuresOf(&s),
		Upstream:     upstreamReport(s, now),

		Introspection: introspectionReport(&s, now),
	}
}

// introspectionReport returns the statistics of introspection; nil if the project
// does not introspect.
func introspectionReport(s *resolve.ProjectState, now time.Time) *introspectionStats {
	if !s.Introspects {
		return nil
	}
	g := &s.Introspection
	return &introspectionStats{
		Calls:      g.Sent,
		Active:     s.Introspected.Active,
		Inactive:   s.Introspected.Inactive,
		Unlinked:   s.Introspected.Unlinked,
		Refused:    g.Refused,
		Budget:     int64(max(0, g.Budget)),
		Circuit:    g.Circuit.String(),
		RetryAfter: retryAfter(g, now),
	}
}

// retryAfter returns after how many seconds the upstream may be asked again.
func retryAfter(g *upstream.GovernorState, now time.Time) (seconds int64) {
	for _, until := range []time.Time{g.OpenUntil, g.RetryUntil} {
		seconds = max(seconds, int64((clock.Left(until, now)+time.Second-1)/time.Second))
	}
	return seconds
}

func upstreamReport(s resolve.ProjectState, now time.Time) upstreamStats {
	g := &s.Upstream
	return upstreamStats{
		Calls:      g.Sent,
		Failures:   s.ProfileFailures,
		Refused:    g.Refused,
		InFlight:   g.InFlight,
		Budget:     int64(max(0, g.Budget)),
		Circuit:    g.Circuit.String(),
		RetryAfter: retryAfter(g, now),
		ClockAhead: int64(s.ClockAhead / time.Second),
	}
}
