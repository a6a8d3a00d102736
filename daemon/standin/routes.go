package standin

import (
	"crypto/rand"
	"net/http"
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin/mint"
)

// New makes a stand-in without users. It opens nothing and starts no goroutine.
func New(o Options) *Standin {
	if o.Now == nil {
		o.Now = time.Now
	}
	from := mint.Seed(o.Seed)
	fallback((*string)(&from), rand.Text)
	fallback(&o.ProjectID, func() string { return from.UUID("project") })
	fallback(&o.ServerKey, func() string { return "ssk_" + from.Text("server key", 40) })
	fallback(&o.ClientKey, func() string { return "pck_" + from.Text("client key", 40) })
	fallback(&o.ServerSecret, func() string { return from.Text("server secret", 43) })
	fallback(&o.Client, func() string { return from.Text("client", 32) })
	fallback(&o.ClientSecret, func() string { return from.Text("client secret", 32) })
	fallback(&o.Resource, func() string { return DefaultResource })
	fallback(&o.Audience, func() string { return defaultAudience })
	s := &Standin{
		now:      o.Now,
		options:  o,
		seed:     from,
		calls:    newCalls(),
		faults:   newFaults(),
		baseURL:  strings.TrimSuffix(o.BaseURL, "/"),
		users:    map[string]*User{},
		sessions: map[string]*session{},
		apiKeys:  map[string]*apiKey{},
		stack:    mint.NewStackRing(o.ServerSecret),
		neon:     mint.Ring{Keys: []*mint.Key{mint.NeonKey(from)}},
		oidc:     mint.Ring{Keys: mint.CurveKeys(from)},
		caching:  map[Preset]caching{Stack: {control: "public, max-age=3600"}, OIDC: {control: "public, max-age=300"}},
		hmacKey:  []byte(mint.RandomText(32)),
		logouts:  o.LogoutAddress,
	}
	s.oauth = s.newIntrospection()
	s.routes, s.ended = s.mux(), s.tellEnded
	return s
}

// ServeHTTP answers like the upstreams; see the package comment for the paths.
func (s *Standin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxRequestBody)
	w.Header().Set("Date", s.now().UTC().Format(http.TimeFormat))
	s.routes.ServeHTTP(w, r)
}

// mux maps the paths of all presets.
func (s *Standin) mux() *http.ServeMux {
	mux := http.NewServeMux()
	s.stackRoutes(mux)
	s.neonRoutes(mux)
	s.oidcRoutes(mux)
	s.oauthRoutes(mux)
	s.authorizationRoutes(mux)
	s.controlRoutes(mux)
	return mux
}
