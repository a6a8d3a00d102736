package daemon

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/cache"
	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/daemon/keyring"
	"github.com/neonauthd/neonauthd/daemon/lease"
	"github.com/neonauthd/neonauthd/daemon/logout"
	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/daemon/resolve/purge"
	"github.com/neonauthd/neonauthd/daemon/revoke"
	"github.com/neonauthd/neonauthd/daemon/serve"
	"github.com/neonauthd/neonauthd/daemon/upstream"
	"github.com/neonauthd/neonauthd/internal/accesslog"
	"github.com/neonauthd/neonauthd/internal/profiling"
	"github.com/neonauthd/neonauthd/internal/program"
	"github.com/neonauthd/neonauthd/internal/span"
	"github.com/neonauthd/neonauthd/protocol"
)

// limits returns the rows of the guide's table, with the values of the code.
func limits() [][2]string {
	c, p := config.Default(), config.DefaultProject()
	size := func(n int) string { return fmt.Sprint(n, " bytes") }
	return [][2]string{
		{"request line", size(protocol.MaxRequestLine)},
		{"token", size(protocol.MaxToken)},
		{"reply line", size(protocol.MaxReplyLine)},
		{"time for a line, and for the first", span.String(serve.LineTimeout)},
		{"`idle_timeout`", c.Limits.IdleTimeout.String()},
		{"replies left unread", span.String(serve.WriteTimeout) + " to twice that"},
		{"`in_flight_per_connection`", fmt.Sprint(c.Limits.InFlightPerConnection)},
		{"replies held back behind a slow one", size(serve.MaxHeld)},
		{"replies gathered for one write", fmt.Sprintf("%d bytes, %d in %d connections", serve.MaxGathered, serve.MaxGatheredWide, fair.WideBuffers().Total)},
		{"clients that keep answers, of one user", fmt.Sprintf("%d, of %d", fair.Watches().Each, fair.Watches().Total)},
		{"lines that a client that keeps answers has not read", fmt.Sprintf("%d bytes, of all %d", fair.WatchBacklog, fair.WatchBacklogs)},
		{"answers from memory that one `SEEN` counts", fmt.Sprintf("%d, and %d for each microsecond since the one before", lease.HitsAtOnce, lease.HitsPerMicrosecond)},
		{fmt.Sprintf("JSON objects from %d bytes on that wait to be sent, of one user", serve.MinShared), size(fair.UnsentBodies().Each)},
		{"such objects, of all", size(fair.UnsentBodies().Total)},
		{"lookups that wait for the upstream, of one user", fmt.Sprint(fair.Waiting().Each)},
		{"lookups that wait for the upstream, of all", fmt.Sprint(fair.Waiting().Total)},
		{"lookups that wait for a verification, of one user and of all", fmt.Sprintf("%d, %d", fair.Waiting().Each, fair.Waiting().Total)},
		{"verifications at once", "all processors but one; of one user half of them; at least one"},
		{"session credentials asked of the upstream, of one user or of one whom it asks for (`for=`)", fmt.Sprintf("%d, then %d per second", fair.SessionBurst, time.Second/fair.SessionEvery)},
		{"`connections_per_uid`", fmt.Sprint(c.Limits.ConnectionsPerUID)},
		{"`connections`", fmt.Sprint(c.Limits.Connections)},
		{"connections with a send buffer of the system's size", fmt.Sprint(fair.SendBuffers().Total)},
		{"connections that were turned away and have not read why", fmt.Sprint(fair.Notices().Total)},
		{"admin connections", fmt.Sprint(serve.MaxAdminConnections)},
		{"metrics connections", fmt.Sprint(maxScrapers)},
		{"wait of a lookup without `deadline`", span.String(resolve.DefaultDeadline)},
		{"`cache.max_bytes`", c.Cache.MaxBytes.String()},
		{"entries of one user", fmt.Sprint(cache.DefaultPerGroup)},
		{"rejections remembered", fmt.Sprint(resolve.RejectionsKept)},
		{"profiles of which clients may keep answers", fmt.Sprint(resolve.VersionsKept)},
		{"a rejection is remembered for", span.String(resolve.RejectionLifetime)},
		{"an upstream's no is remembered for", span.String(resolve.DenialLifetime)},
		{"key set", size(upstream.MaxKeysetBody)},
		{"`jwks_max_age`", p.JWKSMaxAge.String()},
		{"a key set is used for", span.String(keyring.Lifetime)},
		{"key ids asked for between fetches", fmt.Sprint(keyring.MaxWanted)},
		{"profile", size(upstream.MaxProfileBody)},
		{"calls to one upstream at once, and of one user", fmt.Sprintf("%d, %d", upstream.MaxConcurrent, fair.MaxCallsEach)},
		{"background refreshes at once", fmt.Sprint(resolve.MaxRefreshes)},
		{"`upstream_rate`", fmt.Sprint(p.UpstreamRate, " per second")},
		{"pause that an upstream can ask for", span.String(upstream.MaxRetryAfter)},
		{"revocations", fmt.Sprint(revoke.Max)},
		{"`revocation_retention`", c.RevocationRetention.String()},
		{"`session_lifetime`", p.SessionLifetime.String()},
		{"revocations made by logout tokens", fmt.Sprint(revoke.Max - revoke.Reserve)},
		{"wait of a logout token for keys", span.String(logout.Time)},
		{"wait of its answer for clients that keep answers", span.String(logout.ClientsWait)},
		{"purges of single users and tokens kept apart", fmt.Sprint(purge.MaxKept)},
		{"configuration file", size(config.MaxFile)},
		{"projects", fmt.Sprint(config.MaxProjects)},
		{"`[[caller]]` rules", fmt.Sprint(config.MaxCallers)},
		{"time for lookups in flight when stopping", span.String(drainTimeout)},
		{"lines of the access log that wait to be written", fmt.Sprint(accesslog.MaxWaiting)},
		{"time for a profile (`pprof`), one at once", span.String(profiling.MaxSeconds * time.Second)},
		{"lines of one kind in the log", fmt.Sprint(program.MaxLines, " per second")},
	}
}

func TestGuideNamesTheLimits(t *testing.T) {
	_, table, _ := strings.Cut(read(t, guideFile), "| Limit | Value | At it |\n|---|---|---|\n")
	rows := strings.Split(strings.TrimSpace(table), "\n")
	want := limits()
	if len(rows) != len(want) {
		t.Errorf("the guide has %d limits, the code %d", len(rows), len(want))
	}
	for i, w := range want {
		if i < len(rows) && !strings.HasPrefix(rows[i], "| "+w[0]+" | "+w[1]+" | ") {
			t.Errorf("limit %d of the guide is not %q, %q:\n%s", i+1, w[0], w[1], rows[i])
		}
	}
}

// TestThePageOnFairSharesNamesThem, with the values of the code.
func TestThePageOnFairSharesNamesThem(t *testing.T) {
	const mib = 1 << 20
	limits := config.Default().Limits
	connections := fair.Connections(limits.Connections, limits.ConnectionsPerUID)
	waiting, askers, calls, bodies, kernel := fair.Waiting(), fair.SessionAskers(), fair.Calls(), fair.UnsentBodies(), fair.SendBuffers()
	page := read(t, "../docs/fairness.md")
	for _, row := range []string{
		fmt.Sprintf("| connections | `connections`, %d | `connections_per_uid`, %d | %d |", connections.Total, connections.Each, connections.Kept),
		fmt.Sprintf("| places of lookups that wait for the upstream | %d | %d | %d |", waiting.Total, waiting.Each, waiting.Kept),
		fmt.Sprintf("| places of lookups that wait for a verification | %d | %d | %d |", waiting.Total, waiting.Each, waiting.Kept),
		fmt.Sprintf("| calls to one upstream under way | %d | %d | %d |", calls.Total, calls.Each, calls.Kept),
		fmt.Sprintf("| session credentials asked of the upstream | | %d, then %d per second |", fair.SessionBurst, time.Second/fair.SessionEvery),
		fmt.Sprintf("| visitors (`for=`) that are ahead of these %d per second | %d | %d | %d |", time.Second/fair.SessionEvery, askers.Total, askers.Each, askers.Kept),
		fmt.Sprintf("| bytes of large JSON objects that wait to be read | %d MiB | %d MiB | %d MiB |", bodies.Total/mib, bodies.Each/mib, bodies.Kept/mib),
		fmt.Sprintf("| kernel memory of replies that nobody reads | %d connections of 220 KiB, others 13 KiB | %d | %d |", kernel.Total, kernel.Each, kernel.Kept),
	} {
		if !strings.Contains(page, row) {
			t.Errorf("the page lacks %q", row)
		}
	}
}

func TestGuideNamesMetricsThatExist(t *testing.T) {
	if given().Expressions(t, guideFile, read(t, guideFile)) == 0 {
		t.Error("the guide names no metric")
	}
}

// TestGuideLinksLeadSomewhere follows the links within the guide: each must lead to
// exactly one heading.
func TestGuideLinksLeadSomewhere(t *testing.T) {
	guide := read(t, guideFile)
	anchors := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^##+ (.+)$`).FindAllStringSubmatch(guide, -1) {
		anchor := strings.ReplaceAll(strings.ToLower(m[1]), " ", "-")
		anchor = strings.NewReplacer("'", "", "`", "").Replace(anchor)
		if anchors[anchor] {
			t.Errorf("the heading %q is there twice", m[1])
		}
		anchors[anchor] = true
	}
	links := regexp.MustCompile(`\]\(#([^)]+)\)`).FindAllStringSubmatch(guide, -1)
	if len(links) == 0 {
		t.Fatal("no links found")
	}
	for _, m := range links {
		if !anchors[m[1]] {
			t.Errorf("#%s is no heading", m[1])
		}
	}
}

// TestThePageOfTheStateDirectoryHasAllThatIsThere: each file of a directory in use,
// and each fault of the journal.
func TestThePageOfTheStateDirectoryHasAllThatIsThere(t *testing.T) {
	w := newLiveDaemon(t, withoutOIDC)
	w.dial().Ask("VERIFY %s", w.token())
	w.halt() // so that nothing is being written
	page := read(t, "../docs/state.md")
	files, err := os.ReadDir(w.config.StateDir)
	if err != nil || len(files) < 5 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, f := range files {
		name := f.Name()
		if strings.HasPrefix(name, "keys-") {
			name = "keys-PROJECT.json"
		}
		if !strings.Contains(page, "\n| `"+name+"` | ") {
			t.Errorf("the page says nothing of %s", name)
		}
	}
	for _, f := range revoke.Faults() {
		if !strings.Contains(page, "\n| `"+string(f)+"` | ") {
			t.Errorf("the page says nothing of the fault %s", f)
		}
	}
}

// TestThePageOfBenchmarksHasEachThatIsThere, and no benchmark that does not exist.
func TestThePageOfBenchmarksHasEachThatIsThere(t *testing.T) {
	there := map[string]bool{}
	err := fs.WalkDir(os.DirFS(".."), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (strings.HasPrefix(entry.Name(), ".") && name != "." || entry.Name() == "node_modules" || entry.Name() == "dist"):
			return fs.SkipDir
		case !entry.IsDir() && filepath.Base(filepath.Dir(name)) == "bench" && strings.HasPrefix(name, "client/"):
			there[name] = true
		case strings.HasSuffix(name, "_test.go"):
			for _, m := range regexp.MustCompile(`(?m)^func (Benchmark\w+)\(`).FindAllStringSubmatch(read(t, filepath.Join("..", name)), -1) {
				there[m[1]] = true
			}
		}
		return nil
	})
	if err != nil || len(there) < 50 {
		t.Fatalf("%d benchmarks, %v", len(there), err)
	}
	rows := map[string]bool{}
	for row := range strings.Lines(read(t, "../docs/benchmarks.md")) {
		cell, _, _ := strings.Cut(strings.TrimPrefix(row, "| "), " | ")
		if !strings.HasPrefix(row, "| `") {
			continue
		}
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cell, -1) {
			rows[m[1]] = true
			if !there[m[1]] {
				t.Errorf("the page has %s, which is not there", m[1])
			}
		}
	}
	for name := range there {
		if !rows[name] {
			t.Errorf("the page has no row for %s", name)
		}
	}
}

// TestThePageOfTheArchitectureNamesWhatIsThere: each package of the daemon, and no
// file or folder that does not exist.
func TestThePageOfTheArchitectureNamesWhatIsThere(t *testing.T) {
	page := read(t, "../docs/architecture.md")
	folders, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range folders {
		if f.IsDir() && f.Name() != "testdata" && !strings.Contains(page, "`daemon/"+f.Name()+"`") {
			t.Errorf("the page says nothing of daemon/%s", f.Name())
		}
	}
	files := map[string]bool{}
	err = fs.WalkDir(os.DirFS(".."), ".", func(name string, _ fs.DirEntry, err error) error {
		files[filepath.Base(name)] = true
		return err
	})
	named := regexp.MustCompile("`([a-zA-Z/_-]+(?:/[a-zA-Z._-]+|\\.(?:go|md|yml|txt|json)))`").FindAllStringSubmatch(page, -1)
	if err != nil || len(named) < 40 {
		t.Fatalf("%d names, %v", len(named), err)
	}
	for _, m := range named {
		name := strings.TrimSuffix(m[1], "/...")
		if _, err := os.Stat(filepath.Join("..", name)); err != nil && (strings.Contains(name, "/") || !files[name]) {
			t.Errorf("the page names %s, which is not there", name)
		}
	}
}
