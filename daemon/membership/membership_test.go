package membership

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/fleet"
	"github.com/neonauthd/neonauthd/daemon/revoke"
	"github.com/neonauthd/neonauthd/daemon/statedir"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

// host is the part of a daemon that its membership needs.
type host struct {
	t testing.TB
	*Member
	list *revoke.List
	dir  *statedir.Dir
	stop func()

	cancel context.CancelFunc // ends Run
	ran    sync.WaitGroup     // of Run

	mu      sync.Mutex
	changed []revoke.Mark
}

// newHost starts a host that is in no fleet.
func newHost(t testing.TB, path string) *host {
	t.Helper()
	return newHostWithClock(t, path, time.Now)
}

func newHostWithClock(t testing.TB, path string, now func() time.Time) *host {
	t.Helper()
	h := &host{t: t}
	var err error
	if h.dir, err = statedir.Open(path); err != nil {
		t.Fatal(err)
	}
	if h.list, err = revoke.Open(h.dir, revoke.Options{Now: now, Retention: time.Hour}); err != nil {
		t.Fatal(err)
	}
	h.Member = New(Options{
		List: h.list, Dir: h.dir, Version: "1", Now: now, Log: nil,
		Changed: func(marks []revoke.Mark) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.changed = append(h.changed, marks...)
		},
		Settled: func(ctx context.Context) error { return ctx.Err() },
	})
	var ctx context.Context
	ctx, h.cancel = context.WithCancel(context.Background())
	h.ran.Go(func() { h.Run(ctx) })
	h.stop = sync.OnceFunc(func() {
		h.cancel()
		h.ran.Wait()
		_ = h.list.Close()
		_ = h.dir.Close()
	})
	t.Cleanup(h.stop)
	return h
}

// join makes the host a member of the fleet behind url.
func (h *host) join(url string, change ...func(*fleet.Options)) {
	h.t.Helper()
	key, err := fleet.ParseKey("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
	if err != nil {
		h.t.Fatal(err)
	}
	o := fleet.Options{Name: "test", URLs: []string{url}, Keys: []fleet.Key{key}, Profiles: true, Budget: true, Timeout: time.Second}
	for _, c := range change {
		c(&o)
	}
	h.plan(&o)
}

func (h *host) plan(o *fleet.Options) {
	h.t.Helper()
	change, err := h.Plan(o)
	if err != nil {
		h.t.Fatal(err)
	}
	change()
}

// hears waits until the host hears n hosts, including itself.
func (h *host) hears(n int) {
	h.t.Helper()
	e2e.Until(h.t, "the fleet is heard", func() bool {
		f := h.Fleet()
		return f != nil && f.Connected() && f.Stats().Hosts == n
	})
}

func (h *host) revoke(m revoke.Mark) {
	h.t.Helper()
	if _, err := h.list.Revoke(m, revoke.Origin{}, 0, time.Time{}); err != nil {
		h.t.Fatal(err)
	}
}

// reaches announces the mark until all hosts have it.
func (h *host) reaches(m revoke.Mark, of int) {
	h.t.Helper()
	e2e.Until(h.t, "all hosts have the change", func() bool {
		reach, ok := h.Announce(h.t.Context(), m)
		return ok && reach == fleet.Reach{Reached: of, Of: of}
	})
}

func (h *host) wasTold(m revoke.Mark) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Contains(h.changed, m)
}

// newFleet starts n hosts that hear each other.
func newFleet(t testing.TB, n int) (hosts []*host, engine *e2e.Engine) {
	t.Helper()
	folder := e2e.NewFolder(t)
	engine = e2e.StartEngine(t, folder.Dir)
	for i := range n {
		h := newHost(t, folder.Path("state"+string(rune('a'+i))))
		h.join(engine.URL)
		hosts = append(hosts, h)
	}
	for _, h := range hosts {
		h.hears(n)
	}
	return hosts, engine
}

func TestWhatOneHostRevokesAllDo(t *testing.T) {
	hosts, _ := newFleet(t, 3)
	for _, kind := range revoke.Kinds() {
		m := revoke.Mark{Kind: kind, Project: "main", Value: "x"}
		hosts[0].revoke(m)
		hosts[0].reaches(m, 3)
		for i, h := range hosts {
			if h.list.Count(kind) != 1 || i > 0 && !h.wasTold(m) {
				t.Errorf("host %d: %d of kind %s in force, told %v", i, h.list.Count(kind), kind, h.changed)
			}
		}
		if _, err := hosts[2].list.Unrevoke(m); err != nil {
			t.Fatal(err)
		}
		hosts[2].reaches(m, 3)
		if n := hosts[0].list.Count(kind); n != 0 {
			t.Errorf("%d of kind %s are in force after one was taken back elsewhere", n, kind)
		}
	}
}

// TestAHostWhoseClockIsBehindRevokesWhatOthersAccept: what was issued an hour after the
// time that the revoking host shows, and is an hour from its end where it is accepted.
func TestAHostWhoseClockIsBehindRevokesWhatOthersAccept(t *testing.T) {
	folder := e2e.NewFolder(t)
	engine := e2e.StartEngine(t, folder.Dir)
	behind := newHostWithClock(t, folder.Path("a"), func() time.Time { return time.Now().Add(-time.Hour) })
	right := newHost(t, folder.Path("b"))
	behind.join(engine.URL)
	right.join(engine.URL)
	behind.hears(2)
	right.hears(2)
	now := time.Now()
	for _, kind := range []revoke.Kind{revoke.KindSubject, revoke.KindSession} {
		m := revoke.Mark{Kind: kind, Project: "main", Value: string(kind)}
		token := &revoke.Token{Project: "main", Subject: string(kind), Session: string(kind), Issued: now.Unix() - 60, Expires: now.Unix() + 3600, Verified: now}
		behind.revoke(m)
		behind.reaches(m, 2)
		if !right.list.Covers(token) {
			t.Errorf("%s: revoked an hour behind, and accepted", kind)
		}
		later := *token
		if later.Issued = now.Unix() + 3600; kind == revoke.KindSubject && right.list.Covers(&later) {
			t.Error("what is issued in an hour is revoked")
		}
		if s, _ := right.list.Get(m); s.Until < now.Add(time.Hour).Unix() {
			t.Errorf("%s: kept until %s, before the token's end", kind, time.Unix(s.Until, 0))
		}
	}
	purge := revoke.Mark{Kind: revoke.KindPurgeSubject, Project: "main", Value: "ada"}
	if _, _, err := behind.Purge(t.Context(), purge); err != nil {
		t.Fatal(err)
	}
	if s, _ := behind.list.Get(purge); s.Until < now.Add(fleet.PurgeLife).Unix() {
		t.Errorf("the purge is kept until %s", time.Unix(s.Until, 0))
	}
	behind.plan(nil)
	alone := revoke.Mark{Kind: revoke.KindSubject, Project: "main", Value: "later"}
	behind.revoke(alone)
	if s, _ := behind.list.Get(alone); s.At > now.Add(-time.Minute).Unix() {
		t.Error("a host that has left goes by the fleet's clock")
	}
}

func TestAPurgeIsToldToAll(t *testing.T) {
	hosts, _ := newFleet(t, 2)
	m := revoke.Mark{Kind: revoke.KindPurgeSubject, Project: "main", Value: "ada"}
	e2e.Until(t, "the purge has reached all", func() bool {
		reach, ok, err := hosts[0].Purge(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		return ok && reach == fleet.Reach{Reached: 2, Of: 2}
	})
	if !hosts[1].wasTold(m) || hosts[1].list.Len() != 0 {
		t.Errorf("told %v, %d revocations in force", hosts[1].changed, hosts[1].list.Len())
	}
}

func TestAHostThatJoinsLaterLearnsAndTellsEverything(t *testing.T) {
	folder := e2e.NewFolder(t)
	engine := e2e.StartEngine(t, folder.Dir)
	old, late := newHost(t, folder.Path("a")), newHost(t, folder.Path("b"))
	here := revoke.Mark{Kind: revoke.KindSubject, Project: "main", Value: "before the fleet"}
	there := revoke.Mark{Kind: revoke.KindSession, Project: "main", Value: "while it was away"}
	late.revoke(here) // not in a fleet yet
	if _, ok := late.Announce(t.Context(), here); ok {
		t.Error("a host without a fleet has told somebody")
	}
	old.join(engine.URL)
	old.hears(1)
	old.revoke(there)
	old.reaches(there, 1)
	late.join(engine.URL)
	late.hears(2)
	e2e.Until(t, "both know both", func() bool { return old.list.Len() == 2 && late.list.Len() == 2 })
	late.plan(nil) // leaves the fleet
	e2e.Until(t, "the other knows that it has left", func() bool { return old.Fleet().Stats().Hosts == 1 })
	if late.Fleet() != nil || late.list.Len() != 2 {
		t.Errorf("after leaving: fleet %v, %d revocations in force", late.Fleet(), late.list.Len())
	}
}

// TestAHostKeepsItsIDOverARestart, so the other hosts do not miss it as a silent
// host.
func TestAHostKeepsItsIDOverARestart(t *testing.T) {
	folder := e2e.NewFolder(t)
	engine := e2e.StartEngine(t, folder.Dir)
	first := newHost(t, folder.Path("a"))
	if _, err := first.dir.Open(idFile); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a host without a fleet keeps an id: %v", err)
	}
	first.join(engine.URL)
	id := first.id
	first.stop()
	second := newHost(t, folder.Path("a"))
	second.join(engine.URL)
	if second.id != id || len(id) != 2*idBytes {
		t.Errorf("the id was %q and is %q", id, second.id)
	}
	other := newHost(t, folder.Path("b"))
	if other.join(engine.URL); other.id == id {
		t.Error("two hosts have one id")
	}
}

func TestTheLongestLifetimeOfATokenIsTheFleets(t *testing.T) {
	hosts, engine := newFleet(t, 2)
	const long = 100 * time.Hour
	now := time.Now().Unix()
	hosts[0].list.Note(&revoke.Token{Project: "main", Subject: "u", Issued: now, Expires: now + int64(long/time.Second)})
	e2e.Until(t, "the other host has heard of it", func() bool { return hosts[1].list.Longest() == long })
	late := newHost(t, filepath.Join(t.TempDir(), "c"))
	late.join(engine.URL)
	e2e.Until(t, "a new host has heard of it", func() bool { return late.list.Longest() == long })
	hosts[0].list.Note(&revoke.Token{Project: "main", Subject: "u", Issued: now, Expires: 253402300799}) // the year 9999
	e2e.Until(t, "the other host has heard of a token without an end", func() bool { return hosts[1].list.Longest() == maxLife*time.Second })
}

// TestTheSameTableIsTheSameMembership: a reload that changes nothing of the fleet
// leaves the connection alone. Another label or key does not.
func TestTheSameTableIsTheSameMembership(t *testing.T) {
	hosts, engine := newFleet(t, 1)
	h := hosts[0]
	before := h.Fleet()
	h.join(engine.URL)
	if h.Fleet() != before {
		t.Error("the same table was joined again")
	}
	h.join(engine.URL, func(o *fleet.Options) { o.Label = "other" })
	if h.Fleet() == before {
		t.Error("a new label has changed nothing")
	}
	h.hears(1)
	before = h.Fleet()
	h.join(engine.URL, func(o *fleet.Options) {
		key, err := fleet.ParseKey(fleet.GenerateKey())
		if err != nil {
			t.Fatal(err)
		}
		o.Label, o.Keys = "other", []fleet.Key{key, o.Keys[0]}
	})
	if h.Fleet() == before {
		t.Error("a new key has changed nothing")
	}
	h.hears(1)
	if _, err := h.Plan(&fleet.Options{Name: "test"}); err == nil {
		t.Error("a fleet without a URL was planned")
	}
	var nobody *Member
	if nobody.Fleet() != nil {
		t.Error("no member is in a fleet")
	}
}

// TestASightOfARevokedSessionIsToldToTheFleet, so that the session stays revoked
// on hosts that have not seen its token.
func TestASightOfARevokedSessionIsToldToTheFleet(t *testing.T) {
	hosts, _ := newFleet(t, 2)
	m := revoke.Mark{Kind: revoke.KindSession, Project: "main", Value: "ended"}
	long := time.Now().Add(-48 * time.Hour).Unix()
	for _, h := range hosts {
		h.list.SetSessionLifetimes(map[string]time.Duration{"main": 30 * 24 * time.Hour})
		if _, err := h.list.Join([]revoke.Shared{{Mark: m, Revoked: 1, At: long, Until: time.Now().Add(time.Hour).Unix()}}); err != nil {
			t.Fatal(err)
		}
	}
	hosts[0].reaches(m, 2)
	ctx, stop := context.WithCancel(t.Context())
	var keeping sync.WaitGroup
	keeping.Go(func() { hosts[0].list.Keep(ctx) })
	defer keeping.Wait()
	defer stop()
	if !hosts[0].list.Covers(&revoke.Token{Project: "main", Subject: "ada", Session: "ended", Issued: time.Now().Unix()}) {
		t.Fatal("let in")
	}
	e2e.Until(t, "the other host knows", func() bool {
		one, known := hosts[1].list.Get(m)
		return known && one.At > long && one.Until > time.Now().Add(30*24*time.Hour).Unix()
	})
	if hosts[1].wasTold(m) {
		t.Error("it is told as a change, and ends nothing anew")
	}
}

// TestAnExchangeLeavesAllThatAHostWithAnotherKeyCanHave: two values for each mark, in force and past.
func TestAnExchangeLeavesAllThatAHostWithAnotherKeyCanHave(t *testing.T) {
	if most := 2 * (revoke.Max + revoke.MaxPast); fleet.MaxBroken < most {
		t.Errorf("an exchange leaves %d values, and a host can have %d", fleet.MaxBroken, most)
	}
}
