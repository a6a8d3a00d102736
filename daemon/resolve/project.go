package resolve

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/neonauthd/neonauthd/cache"
	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/keyring"
	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/resolve/linkage"
	"github.com/neonauthd/neonauthd/daemon/transport"
	"github.com/neonauthd/neonauthd/daemon/upstream"
	"github.com/neonauthd/neonauthd/internal/pause"
)

// Project is one configured upstream project at run time. A reload that changes only
// rhythms of its table changes the Project; other reloads make a new one, see reload.go.
// Verdicts that were cached for the old one are not valid any more, because entries name
// their project by pointer. Make it with NewProject. It is safe for concurrent use.
type Project struct {
	name            string
	table           atomic.Pointer[config.Project] // see config
	preset          config.Preset
	pool            *pool
	serverKey       upstream.Secret
	secret          upstream.Secret // of the client that introspects
	ca              *config.CA      // nil: the system's authorities
	log             *slog.Logger
	now             func() time.Time
	policy          atomic.Pointer[keyset.Policy] // nil until the issuer is known
	introspection   atomic.Pointer[keyset.Policy] // for the answers of introspection; nil while policy is nil
	link            linkage.Watch
	origin          keyring.Origin // of the key set
	issuer          keyring.IssuerFile
	rival           atomic.Pointer[rival]         // nil if the pinned issuer is proved or configured, or none is pinned
	learning        sync.Mutex                    // held while an issuer is pinned that the upstream has named
	doubted         chan struct{}                 // has an element if a token has named the rival
	nextLook        atomic.Pointer[time.Time]     // when the metadata may be fetched again for such tokens; nil: now
	pins            atomic.Uint32                 // how often another issuer has been pinned
	ended           func([]*keyset.Key)           // tells that verdicts that rest on keys have ended; may be nil
	logout          atomic.Pointer[keyset.Policy] // of logout tokens; nil while policy is nil, and if the project takes none
	upstream        *upstream.Client
	keys            *keyring.Ring
	profileFailures atomic.Uint64
	tested          atomic.Bool // the upstream has taken the server key
	salt            cache.Key   // separates the project's flights from those of other projects, and of its predecessor
}

// pool stands for the projects that may use each other's profiles. Projects compare it by
// its address.
type pool struct {
	project string // their name
}

// NewProject makes the project of a validated table. It starts nothing; Run does. A
// secret that cannot be read is logged, and makes only that unavailable for which the
// secret is needed.
func NewProject(table config.Project, s Surroundings) (*Project, error) {
	derived := table.WithDerived()
	p := &Project{
		name:   derived.Name,
		preset: derived.Meaning(),
		pool:   &pool{derived.Name},
		log:    s.Log.With("project", derived.Name),
		now:    s.Now,

		doubted: make(chan struct{}, 1),
		ended:   withdrawn(derived.Name, s.Ended),
	}
	p.table.Store(&derived)
	unreadable := p.readSecrets(s.ConfigDir)
	route, ca, err := transportOf(&derived, &s, p.log)
	if err != nil {
		return nil, err
	}
	p.ca = ca
	p.upstream, err = upstream.New(p.upstreamConfig(&s, route, unreadable))
	if err != nil {
		return nil, fmt.Errorf("project %q: %w", p.name, err)
	}
	p.origin = keyring.Origin{URL: derived.KeysID(), Authorities: ca.Fingerprints(), PlainHTTP: derived.InsecureHTTP}
	p.issuer = keyring.NewIssuerFile(s.StateDir, p.name, p.origin)
	p.pin(derived.Issuers...)
	if derived.FindsIssuer() {
		p.pin(p.issuer.Load(p.log)...)
	}
	_, _ = rand.Read(p.salt[:]) // never fails
	p.keys = keyring.New(p.ringConfig(&s))
	return p, nil
}

// readSecrets reads the server key and the secret of introspection, and logs what cannot
// be read: level claims needs neither, so a host that cannot read them still verifies.
// unreadable reports that the server key could not be read.
func (p *Project) readSecrets(dir string) (unreadable bool) {
	var err error
	if p.serverKey, err = config.ReadServerKey(p.config().SecretServerKey, dir); err != nil {
		unreadable = true
		p.log.Error("server key not usable: profiles are answered as misconfigured, claims are still verified; mend what the error names, then reload (a systemd credential is delivered anew by a restart only)", "error", err)
	}
	if p.secret, err = config.ReadIntrospectionSecret(p.config(), dir); err != nil {
		p.log.Error("secret of introspection not usable: what it judges is answered as misconfigured, claims are still verified; mend what the error names, then reload (a systemd credential is delivered anew by a restart only)", "error", err)
	}
	return unreadable
}

// upstreamConfig returns the configuration of the client. unreadable says that the server
// key could not be read.
func (p *Project) upstreamConfig(s *Surroundings, route transport.Config, unreadable bool) upstream.Config {
	c := p.config()
	return upstream.Config{
		Preset:          p.preset.Upstream,
		BaseURL:         c.BaseURL,
		ProjectID:       c.ProjectID,
		KeysURL:         c.JWKSURL,
		UserinfoURL:     c.UserinfoURL,
		ServerKey:       p.serverKey,
		KeyUnreadable:   unreadable,
		Open:            p.open,
		Introspection:   introspectionClient(c, p.secret),
		AllowRestricted: c.Admits(config.AllowRestricted),
		AllowAnonymous:  c.Admits(config.AllowAnonymous),
		Timeout:         time.Duration(c.UpstreamTimeout),
		Rate:            c.UpstreamRate,
		Transport:       route,
		Now:             s.Now,
		Wall:            s.Wall,
		UserAgent:       s.UserAgent,
		Logger:          p.log,
		Name:            c.Name,
	}
}

// ringConfig returns the configuration of the key ring.
func (p *Project) ringConfig(s *Surroundings) keyring.Config {
	c := p.config()
	return keyring.Config{
		Fetch:      p.fetchKeys,
		Algorithms: c.Policy().Algorithms,
		Rhythm:     rhythmOf(c),
		Store:      keyring.NewStore(s.StateDir, p.name, p.origin),
		Now:        s.Now,
		Log:        p.log,
		Changed:    s.KeysChanged,
		Withdrawn:  p.ended,
	}
}

// limitsOf returns the limits of the upstream's client, by the rhythms of a table.
func limitsOf(table *config.Project) upstream.Limits {
	l := upstream.Limits{Timeout: time.Duration(table.UpstreamTimeout), Rate: table.UpstreamRate}
	if table.Introspection != nil {
		l.PerMinute = table.Introspection.PerMinute()
	}
	return l
}

// rhythmOf returns the rhythm of the key set, by the rhythms of a table.
func rhythmOf(table *config.Project) keyring.Rhythm {
	return keyring.Rhythm{Refresh: time.Duration(table.JWKSRefresh), MaxAge: time.Duration(table.JWKSMaxAge), Cooldown: time.Duration(table.JWKSCooldown)}
}

// introspectionClient returns the client that asks the upstream of a table about access
// tokens; nil if there is none.
func introspectionClient(table *config.Project, secret upstream.Secret) *upstream.Introspection {
	i := table.Introspection
	if i == nil {
		return nil
	}
	return &upstream.Introspection{URL: table.IntrospectionURL, ClientID: i.ClientID, Secret: secret, Basic: i.Auth == config.AuthBasic, PerMinute: i.PerMinute()}
}

// Name returns the project's name, by which callers ask for it.
func (p *Project) Name() string { return p.name }

// Config returns the project's table with the values that its preset derives.
func (p *Project) Config() config.Project { return *p.config() }

// config returns the table in force, with the values that its preset derives. Between two
// calls a reload may change its rhythms, and nothing else.
func (p *Project) config() *config.Project { return p.table.Load() }

// CA returns the authorities that are trusted in place of the system's; nil: the
// system's.
func (p *Project) CA() *config.CA { return p.ca }

// Upstream returns the project's client, for reports on how the upstream is reached, and on what
// it says to a test of the settings.
func (p *Project) Upstream() *upstream.Client { return p.upstream }

// Keys returns what keeps the project's keys. Its Run has to be called too. A successor of
// the project may have the same.
func (p *Project) Keys() *keyring.Ring { return p.keys }

// Run tests whether the upstream takes the server key, and finds the issuer if it is not
// known. It returns when ctx ends.
func (p *Project) Run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { p.selfTest(ctx) })
	wg.Go(func() { p.seekIssuer(ctx) })
	<-ctx.Done()
	wg.Wait()
	p.Close()
}

// Close ends idle connections to the upstream. Run calls it at its end.
func (p *Project) Close() { p.upstream.Close() }

// selfTest tests the server key until the upstream says yes or no, and tells the
// operator. Without this test a wrong key would show only when a good token is looked
// up.
func (p *Project) selfTest(ctx context.Context) {
	if !p.NeedsServerKey() || !p.HasServerKey() || p.tested.Load() {
		return
	}
	pause.Retry(ctx, firstRetry, longestRetry, func() bool {
		err := p.upstream.SelfTest(ctx)
		if err == nil {
			p.tested.Store(true)
			p.log.Info("project id and server key are right")
			return true
		}
		var e *upstream.Error
		return errors.As(err, &e) && e.Meaning == upstream.Misconfigured // the client has logged that
	})
}

// Audiences returns the audiences and issuers whose tokens are accepted.
func (p *Project) Audiences() []keyset.Audience {
	return p.config().Policy().Admitted
}

// FetchKeys fetches the key set once, and does not keep it.
func (p *Project) FetchKeys(ctx context.Context) (*keyset.Set, error) {
	answer, err := p.fetchKeys(ctx, upstream.Validators{}, false)
	if err != nil {
		return nil, err
	}
	return keyset.ParseSet(answer.Body, p.rules().Algorithms)
}

// NeedsServerKey reports whether fetching profiles needs a secret server key.
func (p *Project) NeedsServerKey() bool { return p.preset.ServerKey }

// HasServerKey reports whether a server key was read.
func (p *Project) HasServerKey() bool { return !p.serverKey.Empty() }

// flight returns the key of the flight for key, which is a token's digest or the key of
// a profile. Lookups with the same flight key share one flight. After a reload no lookup
// gets the result of a flight that was begun under the old table.
func (p *Project) flight(key cache.Key) cache.Key {
	for i := 0; i < len(key); i += 8 {
		binary.LittleEndian.PutUint64(key[i:], binary.LittleEndian.Uint64(key[i:])^binary.LittleEndian.Uint64(p.salt[i:]))
	}
	return key
}

// Lacks reports whether the project's key set is known and has no key of that id or
// thumbprint.
func (p *Project) Lacks(key string, now time.Time) bool {
	current, _ := p.keys.Current(now)
	if current == nil {
		return false
	}
	return !slices.ContainsFunc(current.Set().Keys(), func(k *keyset.Key) bool { return k.ID() == key || k.Thumbprint() == key })
}

// Projects are the configured projects. They never change; a reload makes new
// Projects.
type Projects struct {
	// First is the default project.
	First *Project
	// List has all projects, in the configuration's order.
	List []*Project
	// ByName has all projects by name.
	ByName map[string]*Project
}

// NewProjects returns the projects of a list. The list must not be empty.
func NewProjects(list []*Project) Projects {
	p := Projects{First: list[0], List: list, ByName: map[string]*Project{}}
	for _, project := range list {
		p.ByName[project.name] = project
	}
	return p
}
