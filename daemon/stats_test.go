package daemon

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/protocol"
)

func TestEveryCodeOfTheProtocolIsCounted(t *testing.T) {
	w := newLiveDaemon(t, withoutOIDC)
	k := w.dial()
	for _, ask := range []string{"VERIFY", "SING", "STATS", "VERIFY project=nowhere x"} {
		k.Ask("%s", ask)
	}
	var stats struct {
		Codes map[string]int `json:"codes"`
	}
	_, text, _ := strings.Cut(w.dialAdmin().Ask("STATS"), " ")
	if err := json.Unmarshal([]byte(text), &stats); err != nil {
		t.Fatal(err)
	}
	for _, code := range []protocol.Code{protocol.CodeBadRequest, protocol.CodeUnknownVerb, protocol.CodeForbidden, protocol.CodeUnknownProject} {
		if stats.Codes[string(code)] != 1 {
			t.Errorf("%s counted %d times, want once", code, stats.Codes[string(code)])
		}
	}
}

// TestEachMissOfTheCacheCountsOnce, even if the lookup reads the cache several
// times. An explanation counts nothing.
func TestEachMissOfTheCacheCountsOnce(t *testing.T) {
	w := newLiveDaemon(t, withoutOIDC)
	k, admin, first, second := w.dial(), w.dialAdmin(), w.token(), w.token()
	var before [2]uint64
	for _, step := range []struct {
		ask          string
		hits, misses uint64
	}{
		{"VERIFY " + first, 0, 1},
		{"VERIFY " + first, 1, 0},
		{"PROFILE " + first, 1, 1}, // the claims, but not the profile
		{"PROFILE " + first, 2, 0},
		{"PROFILE " + second, 0, 1}, // the claims; the profile is in the cache, but is not looked for yet
		{"PROFILE " + second, 2, 0},
		{"VERIFY nonsense", 0, 0},
	} {
		if got := head(k.Ask("%s", step.ask)); got != "OK" && !strings.HasSuffix(step.ask, "nonsense") {
			t.Fatalf("%.10s: %s", step.ask, got)
		}
		admin.Ask("EXPLAIN %s", first)
		now := w.daemon.resolver.State().Memory
		if hits, misses := now.Hits-before[0], now.Misses-before[1]; hits != step.hits || misses != step.misses {
			t.Errorf("%.10s: %d hits and %d misses, want %d and %d", step.ask, hits, misses, step.hits, step.misses)
		}
		before = [2]uint64{now.Hits, now.Misses}
	}
}

// TestStatsTellHowLongLookupsTook, for lookups that memory did not answer.
func TestStatsTellHowLongLookupsTook(t *testing.T) {
	w := newLiveDaemon(t, withoutOIDC)
	w.dial().Ask("VERIFY %s", w.token())
	var stats struct{ Latency map[string]float64 }
	_, text, _ := strings.Cut(w.dialAdmin().Ask("STATS"), " ")
	if err := json.Unmarshal([]byte(text), &stats); err != nil {
		t.Fatal(err)
	}
	l := stats.Latency
	if len(l) != 6 || l["miss_p50"] <= 0 || l["miss_p99"] < l["miss_p50"] || l["p99"] < l["p50"] || l["p99"] <= 0 {
		t.Errorf("%v", l)
	}
}

// TestHitsOfClientsAreCounted among the accepted lookups.
func TestHitsOfClientsAreCounted(t *testing.T) {
	w, m := newMonitoredDaemon(t, nil)
	watch := w.watch()
	w.dial().Ask("VERIFY %s", w.token())
	watch.Ask("SEEN rev=0 hits=40")
	watch.Ask("SEEN rev=0 hits=2")
	w.daemon.leases.ForgetAll()
	watch.forgotten("")
	var stats struct {
		Outcomes, Sources map[string]int
		Watches           map[string]int
	}
	_, text, _ := strings.Cut(w.dialAdmin().Ask("STATS"), " ")
	if err := json.Unmarshal([]byte(text), &stats); err != nil {
		t.Fatal(err)
	}
	if stats.Outcomes["accepted"] != 43 || stats.Sources["client"] != 42 || stats.Sources["upstream"] != 1 || stats.Watches["open"] != 1 || stats.Watches["told"] != 1 {
		t.Errorf("%+v", stats)
	}
	page := m.scrape()
	for sample, want := range map[string]float64{
		`neonauthd_lookups_total{outcome="accepted",source="client"}`: 42, "neonauthd_watches": 1, "neonauthd_watches_max": 2048, "neonauthd_watches_told_total": 1,
	} {
		if got := sampleOf(t, page, sample); got != want {
			t.Errorf("%s is %v, want %v", sample, got, want)
		}
	}
}

// TestWhatAnAdministratorIsRefusedIsCounted like any other refusal, in STATS and in
// the metrics.
func TestWhatAnAdministratorIsRefusedIsCounted(t *testing.T) {
	w, m := newMonitoredDaemon(t, withoutOIDC)
	k := w.dialAdmin()
	asks := map[string]protocol.Code{
		"STATS now": protocol.CodeBadRequest, "KEYS now": protocol.CodeBadRequest, "EXPLAIN": protocol.CodeBadRequest,
		"REVOKE token x": protocol.CodeBadRequest, "UNREVOKE all": protocol.CodeBadRequest, "PURGE some": protocol.CodeBadRequest,
		"PURGE project=nowhere all": protocol.CodeUnknownProject, "RELOAD now": protocol.CodeBadRequest, "LEVEL loud": protocol.CodeBadRequest,
	}
	want := map[protocol.Code]int{}
	for ask, code := range asks {
		if reply := k.Ask("%s", ask); head(reply) != "ERR "+string(code) {
			t.Errorf("%s: %s", ask, reply)
		}
		want[code]++
	}
	var stats struct {
		Codes map[protocol.Code]int `json:"codes"`
	}
	_, text, _ := strings.Cut(k.Ask("STATS"), " ")
	if err := json.Unmarshal([]byte(text), &stats); err != nil {
		t.Fatal(err)
	}
	for code, n := range want {
		if stats.Codes[code] != n {
			t.Errorf("%s counted %d times, want %d", code, stats.Codes[code], n)
		}
	}
	if n := sampleOf(t, m.scrape(), "neonauthd_requests_refused_total"); int(n) != len(asks) {
		t.Errorf("the metric counts %v refusals, want %d", n, len(asks))
	}
}

// TestWhatFailsForAnAdministratorIsNoLookup: a revocation that is not saved does not look like
// a user who got 503.
func TestWhatFailsForAnAdministratorIsNoLookup(t *testing.T) {
	w, m := newMonitoredDaemon(t, func(c *config.Config) {
		withoutOIDC(c)
		c.StateDir = "/proc/no-folder-can-be-made-here"
	})
	k := w.dialAdmin()
	if reply := k.Ask("REVOKE session s"); head(reply) != "ERR unavailable" {
		t.Fatal(reply)
	}
	if stats := k.Ask("STATS"); !strings.Contains(stats, `"codes":{}`) {
		t.Error(stats)
	}
	if n := sampleOf(t, m.scrape(), "neonauthd_requests_refused_total"); n != 0 {
		t.Errorf("the metric counts %v refusals", n)
	}
}

func TestOnlyIDsThatATokenCanCarryAreRevoked(t *testing.T) {
	w := newLiveDaemon(t, withoutOIDC)
	k := w.dialAdmin()
	for _, c := range []struct{ value, want string }{
		{"ada", "OK changed=1"},
		{strings.Repeat("a", protocol.MaxID-1), "OK changed=1"},
		{strings.Repeat("a", protocol.MaxID), "OK changed=1"},
		{strings.Repeat("a", protocol.MaxID+1), "ERR bad-request"},
		{"%0A", "ERR bad-request"},
		{"a%00", "ERR bad-request"},
		{"%C2%85", "ERR bad-request"},
		{"%FF%0", "ERR bad-request"},
		{"%FF", "ERR bad-request"},
		{"a%C3", "ERR bad-request"},
	} {
		if reply := k.Ask("REVOKE subject %s", c.value); !strings.HasPrefix(reply, c.want) {
			t.Errorf("%.20s: %s, want %s", c.value, reply, c.want)
		}
	}
}
