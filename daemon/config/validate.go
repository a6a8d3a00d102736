package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/daemon/transport"
	"github.com/neonauthd/neonauthd/internal/accesslog"
	"github.com/neonauthd/neonauthd/internal/foreign"
	"github.com/neonauthd/neonauthd/internal/nearest"
	"github.com/neonauthd/neonauthd/internal/secretfile"
	"github.com/neonauthd/neonauthd/internal/sockets"
	"github.com/neonauthd/neonauthd/internal/span"
	"github.com/neonauthd/neonauthd/protocol"
)

// Bounds of the configuration; each is named in the error that enforces it.
const (
	MaxProjects        = 64
	MaxCallers         = 256
	MaxProjectName     = protocol.MaxProject
	maxLeeway          = 60 * time.Second
	MinCacheBytes      = 1 << 20 // what the cache needs, cache.MinBytes
	MaxUpstreamTimeout = time.Minute
	maxIdleTimeout     = 24 * time.Hour
)

// Validate checks everything that can be known without touching the host. The
// error joins all findings, one line each, with the key they are about.
func (c *Config) Validate() error {
	var all []error
	report := func(key, format string, args ...any) {
		all = append(all, fmt.Errorf("%s: %s", key, fmt.Sprintf(format, args...)))
	}
	for key, path := range map[string]string{"socket": c.Socket, "admin_socket": c.AdminSocket} {
		if err := sockets.CheckPath(path); err != nil {
			report(key, "%v", err)
		}
	}
	if err := checkMetricsListen(c.MetricsListen); err != nil {
		report("metrics_listen", "%v", err)
	}
	if c.Pprof && c.MetricsExposed() {
		report("pprof", "is refused with this metrics_listen, where other hosts could take profiles; set that to \"unix:PATH\", or to a loopback address such as \"127.0.0.1:9464\"")
	}
	if c.Socket == c.AdminSocket {
		report("admin_socket", "must differ from socket")
	}
	if c.StateDir == "" {
		report("state_dir", "must name a folder for key sets and revocations")
	}
	if r := c.RevocationRetention; r != Forever && time.Duration(r) < MinRetention {
		report("revocation_retention", "must be %s", r.Wants())
	}
	if c.LogFormat != LogText && c.LogFormat != LogJSON {
		report("log_format", "%s", noneOf(c.LogFormat, LogText, LogJSON))
	}
	if err := accesslog.Check(c.AccessLog); err != nil {
		report("access_log", "%v", err)
	}
	if c.Cache.MaxBytes < MinCacheBytes {
		report("cache.max_bytes", "must be at least %s", Bytes(MinCacheBytes))
	}
	c.validateLimits(report)
	c.validateProjects(report)
	c.Fleet.validate(c.Projects, func(key, format string, args ...any) { report("fleet."+key, format, args...) })
	for i := range c.Callers {
		c.Callers[i].validate(c, func(key, format string, args ...any) {
			report(fmt.Sprintf("caller %d: %s", i+1, key), format, args...)
		})
	}
	if len(c.Callers) > MaxCallers {
		report("caller", "at most %d rules", MaxCallers)
	}
	slices.SortFunc(all, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(all...)
}

// noneOf says of a value that it is none of words, and which of them was meant.
func noneOf(value string, words ...string) string {
	if value == "" {
		return fmt.Sprintf("must be one of %s", quotedList(words))
	}
	return fmt.Sprintf("%q is none of %s%s", foreign.Cut(value, maxShown), quotedList(words), nearest.Question(value, words, `"`, `"`))
}

func quotedList(words []string) string {
	var all []string
	for _, word := range words {
		all = append(all, strconv.Quote(word))
	}
	return strings.Join(all, ", ")
}

// checkMetricsListen checks an address that metrics are served on, if it is one.
func checkMetricsListen(address string) error {
	if address == "" {
		return nil
	}
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return sockets.CheckPath(path)
	}
	_, port, err := net.SplitHostPort(address)
	if _, number := strconv.ParseUint(port, 10, 16); err != nil || number != nil {
		return errors.New("must be \"unix:PATH\" or HOST:PORT with a number, such as \"127.0.0.1:9464\"")
	}
	return nil
}

// MetricsExposed reports whether other hosts may reach what metrics_listen names.
func (c *Config) MetricsExposed() bool {
	if c.MetricsListen == "" || strings.HasPrefix(c.MetricsListen, "unix:") {
		return false
	}
	host, _, err := net.SplitHostPort(c.MetricsListen)
	return err == nil && !transport.IsLoopback(host)
}

type reporter func(key, format string, args ...any)

func (c *Config) validateLimits(report reporter) {
	for key, n := range map[string]int{
		"limits.connections":         c.Limits.Connections,
		"limits.connections_per_uid": c.Limits.ConnectionsPerUID,
	} {
		if n < 1 || n > 1<<20 {
			report(key, "must be between 1 and %d", 1<<20)
		}
	}
	if n := c.Limits.InFlightPerConnection; n < 1 || n > 4096 {
		report("limits.in_flight_per_connection", "must be between 1 and 4096")
	}
	if d := time.Duration(c.Limits.IdleTimeout); d < time.Second || d > maxIdleTimeout {
		report("limits.idle_timeout", "must be between 1s and %s", span.String(maxIdleTimeout))
	}
}

func (c *Config) validateProjects(report reporter) {
	if len(c.Projects) == 0 {
		report("project", "at least one [[project]] table is needed")
	}
	if len(c.Projects) > MaxProjects {
		report("project", "at most %d projects", MaxProjects)
	}
	seen := map[string]bool{}
	for i := range c.Projects {
		p := &c.Projects[i]
		where := fmt.Sprintf("project %d", i+1)
		if p.Name != "" {
			where = fmt.Sprintf("project %q", foreign.Cut(p.Name, maxShown))
		}
		if seen[p.Name] {
			report(where, "name is used twice")
		}
		seen[p.Name] = true
		p.validate(func(key, format string, args ...any) {
			report(where+": "+key, format, args...)
		})
	}
}

func (p *Project) validate(report reporter) {
	if !protocol.IsProject(p.Name) {
		report("name", "must be 1 to %d letters, digits, \"-\", \"_\" or \".\"", MaxProjectName)
	}
	if d, ok := presets[p.Preset]; !ok {
		report("preset", "%s", noneOf(p.Preset, slices.Sorted(maps.Keys(presets))...))
	} else {
		d.check(p, report)
		d.checkFeatures(p, report)
	}
	p.checkTransport(report)
	if isSecret(p.SecretServerKey) {
		// Never repeated: this text goes to the log.
		report("secret_server_key", "is the key itself, and must name what holds it: put the key into a file of mode 0600, give the file's path, and have the key replaced if others can read this file")
	} else if fault := secretfile.NameFault(p.SecretServerKey); fault != "" {
		report("secret_server_key", "%s", fault)
	}
	checkAudienceClaim(p, report)
	checkNames("audiences", cmp.Or(p.AudienceClaim, AudienceClaimAud), p.Audiences, report)
	checkLogout(p, report)
	p.validateRhythm(report)
}

func (p *Project) validateRhythm(report reporter) {
	for _, d := range []struct {
		key      string
		value    Duration
		min, max time.Duration
	}{
		{"leeway", p.Leeway, 0, maxLeeway},
		{"profile_fresh", p.ProfileFresh, time.Second, 24 * time.Hour},
		{"profile_stale", p.ProfileStale, 0, 24 * time.Hour},
		{"upstream_timeout", p.UpstreamTimeout, 100 * time.Millisecond, MaxUpstreamTimeout},
		{"jwks_refresh", p.JWKSRefresh, time.Second, 24 * time.Hour},
		{"jwks_max_age", p.JWKSMaxAge, time.Minute, 24 * time.Hour},
		{"jwks_cooldown", p.JWKSCooldown, 100 * time.Millisecond, time.Hour},
	} {
		if v := time.Duration(d.value); v < d.min || v > d.max {
			report(d.key, "must be between %s and %s", span.String(d.min), span.String(d.max))
		}
	}
	if !(p.UpstreamRate > 0 && p.UpstreamRate <= 10000) {
		report("upstream_rate", "must be above 0 and at most 10000 requests per second")
	}
}
