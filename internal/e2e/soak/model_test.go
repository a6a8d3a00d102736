package soak_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin"
)

// The daemon's settings in the soak. The oracle has to know them.
const (
	leeway       = time.Second
	keysFresh    = time.Second
	profileFresh = 2 * time.Second
	profileStale = 15 * time.Second
)

// model is what is true about upstreams, projects, users, keys, revocations and
// the daemon's clock. Everything that changes one of them records the change
// here.
type model struct {
	upstreams []*upstream
	projects  []*project
	offset    *fact[time.Duration] // of the daemon's wall clock
	run       atomic.Int64         // of the daemon: odd while it is up, and different for each run

	mu    sync.RWMutex
	marks map[markID]*mark
}

// upstream is a stand-in with its users. It notes which key sets it has served.
type upstream struct {
	*standin.Standin
	name     string
	model    *model
	users    []*user
	keysBad  *fact[bool] // key sets may be wrong now
	denies   *fact[bool] // users/me may reject good tokens
	projects []*project
}

// user has the same id at every upstream, but a different profile at each.
type user struct {
	id      string
	there   *fact[bool]
	version *fact[int]
}

// project is a project of the daemon's configuration.
type project struct {
	name   string
	preset standin.Preset
	up     *upstream
	allow  *fact[bool]  // anonymous users are admitted
	newest atomic.Int64 // greatest iat of any token minted

	mu   sync.RWMutex
	keys map[string]*signingKey
}

// moment is when something happened: not before from, and certainly before by.
type moment struct{ from, by time.Time }

func (m moment) happened() bool { return !m.from.IsZero() }

// signingKey is one key of an upstream. mu of its project guards it.
type signingKey struct {
	id                   string
	published, withdrawn moment
	shown, missing       handed
}

// handed counts the key sets that one run of the daemon has received.
type handed struct {
	run, sets int64
	enough    time.Time // when there were so many that the daemon must have used one
}

func (h *handed) count(run, enough int64, at time.Time) {
	if h.run != run {
		*h = handed{run: run}
	}
	if h.sets++; h.sets == enough {
		h.enough = at
	}
}

// ServeHTTP serves the stand-in, and notes which key sets were served
// completely.
func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began, run := time.Now(), u.model.run.Load()
	u.Standin.ServeHTTP(&brief{ResponseWriter: w}, r)
	ended := time.Now()
	if !strings.Contains(r.URL.Path, "jwks") || ever(u.keysBad, true, began, ended) || u.model.run.Load() != run {
		return
	}
	for _, p := range u.projects {
		if strings.Contains(r.URL.Path, "/neondb/") == (p.preset == standin.Neon) {
			p.handedOut(run, began, ended)
		}
	}
}

// brief is a response without Cache-Control. With it a key set would stay fresh
// for a minute at least.
type brief struct {
	http.ResponseWriter
	begun bool
}

func (b *brief) WriteHeader(status int) {
	b.begun = true
	b.Header().Del("Cache-Control")
	b.ResponseWriter.WriteHeader(status)
}

func (b *brief) Write(p []byte) (int, error) {
	if !b.begun {
		b.WriteHeader(http.StatusOK)
	}
	return b.ResponseWriter.Write(p)
}

// Unwrap makes http.ResponseController work.
func (b *brief) Unwrap() http.ResponseWriter { return b.ResponseWriter }

// handedOut notes that a run of the daemon received the key set between two
// instants.
func (p *project) handedOut(run int64, began, ended time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, k := range p.keys {
		switch {
		case k.withdrawn.happened() && !k.withdrawn.by.After(began):
			if k.missing.enough.IsZero() {
				k.missing.count(run, 3, ended)
			}
		case !k.withdrawn.happened() && !k.published.by.After(began):
			k.shown.count(run, 3, ended)
		}
	}
}

// rekey changes the upstream's keys, and notes which of them are new and which
// are withdrawn.
func (p *project) rekey(act func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	from := time.Now()
	act()
	when := moment{from, time.Now()}
	published := p.up.KeyIDs(p.preset)
	for _, id := range published {
		if p.keys[id] == nil {
			p.keys[id] = &signingKey{id: id, published: when}
		}
	}
	for id, k := range p.keys {
		if !k.withdrawn.happened() && !slices.Contains(published, id) {
			k.withdrawn = when
		}
	}
}

// key returns a copy of what is known about a key.
func (p *project) key(id string) (signingKey, bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	k := p.keys[id]
	if k == nil {
		return signingKey{}, false
	}
	return *k, true
}

// keyIDs returns the ids of the published keys, or of the withdrawn ones.
func (p *project) keyIDs(withdrawn bool) []string {
	p.mu.RLock()
	defer p.mu.RUnlock()
	var ids []string
	for id, k := range p.keys {
		if k.withdrawn.happened() == withdrawn {
			ids = append(ids, id)
		}
	}
	return ids
}

// wall returns the earliest and the latest time that the daemon's wall clock
// may have shown in a span. The daemon's process uses the monotonic clock, so a
// little is added.
func (w *model) wall(from, until time.Time) (earliest, latest time.Time) {
	const drift = 50 * time.Millisecond
	offsets := w.offset.during(from, until)
	return from.Round(0).Add(slices.Min(offsets) - drift), until.Round(0).Add(slices.Max(offsets) + drift)
}

// steps returns by how much the daemon's clock may have been stepped in a span.
// Evidence that the daemon got from the upstream during this span seems older
// by as much.
func (w *model) steps(from, until time.Time) time.Duration {
	offsets := w.offset.during(from, until)
	return slices.Max(offsets) - slices.Min(offsets)
}

// newUpstream makes a stand-in with users.
func (w *model) newUpstream(name string, ids []string) *upstream {
	u := &upstream{Standin: standin.New(standin.Options{}), name: name, model: w, keysBad: always(false), denies: always(false)}
	for _, id := range ids {
		one := &user{id: id, there: always(true), version: always(0)}
		u.add(one)
		u.users = append(u.users, one)
	}
	w.upstreams = append(w.upstreams, u)
	return u
}

// add adds the user according to the facts.
func (u *upstream) add(one *user) {
	u.AddUser(standin.User{ID: one.id, Email: one.id + "@example.org", EmailVerified: true, Name: "Somebody", Fields: map[string]json.RawMessage{
		"client_metadata": json.RawMessage(fmt.Sprintf(`{"at":%q,"version":%d}`, u.name, one.version.latest())),
	}})
}

// edit gives the user's profile another version.
func (u *upstream) edit(one *user) {
	next := one.version.latest() + 1
	done := one.version.change(next)
	u.SetProfile(one.id, "client_metadata", map[string]any{"at": u.name, "version": next})
	done()
}

// newProject adds a project at an upstream.
func (w *model) newProject(name string, u *upstream, preset standin.Preset) *project {
	p := &project{name: name, preset: preset, up: u, allow: always(false), keys: map[string]*signingKey{}}
	w.projects, u.projects = append(w.projects, p), append(u.projects, p)
	u.SetCaching(preset, "", name == "a") // one of the projects answers 304
	p.rekey(func() {})
	return p
}

// userOf returns the user with this id, or nil.
func (u *upstream) userOf(id string) *user {
	for _, one := range u.users {
		if one.id == id {
			return one
		}
	}
	return nil
}

// header reads a member of a token's header.
func header(token, member string) string {
	head, _, _ := strings.Cut(token, ".")
	raw, _ := base64.RawURLEncoding.DecodeString(head)
	var members map[string]string
	_ = json.Unmarshal(raw, &members) // then the header has no member
	return members[member]
}
