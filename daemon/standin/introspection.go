package standin

import (
	"errors"
	"net/http"

	"github.com/neonauthd/neonauthd/daemon/standin/introspect"
	"github.com/neonauthd/neonauthd/daemon/standin/mint"
	"github.com/neonauthd/neonauthd/daemon/standin/ordered"
	"github.com/neonauthd/neonauthd/daemon/standin/stackauth"
)

// newIntrospection makes the endpoints of the presets Neon and OIDC.
func (s *Standin) newIntrospection() map[Preset]*introspect.Server {
	all := map[Preset]*introspect.Server{}
	for _, p := range []Preset{Neon, OIDC} {
		all[p] = introspect.New(introspect.Config{
			Now:    s.now,
			Issuer: func() string { return s.issuerOf(p) },
			Keys:   func() []*mint.Key { return s.publishedKeys(p, stackauth.ClassOfUser) },
			Lives:  s.lives,
		})
		all[p].AddClient(introspect.Client{ID: s.options.Client, Secret: s.options.ClientSecret})
	}
	return all
}

// introspectionRoute serves the endpoint of a preset.
func (s *Standin) introspectionRoute(mux *http.ServeMux, p Preset, path string) {
	mux.HandleFunc("POST "+path, s.at(Introspection, s.oauth[p].ServeHTTP))
}

// AddClient adds an OAuth client that may introspect tokens, or replaces the client with its id. There is one from the
// start: [Standin.Client], with [Standin.ClientSecret], registered to send these in the form.
func (s *Standin) AddClient(c introspect.Client) {
	for _, server := range s.oauth {
		server.AddClient(c)
	}
}

// controlClient adds a client, or returns the one that is there from the start.
func (s *Standin) controlClient(r *http.Request) (any, error) {
	var form struct {
		ID        string   `json:"client_id"`
		Secret    string   `json:"client_secret"`
		Basic     bool     `json:"basic"`
		Resources []string `json:"resources"`
	}
	if err := readForm(r, &form); err != nil {
		return nil, err
	}
	switch {
	case form.ID == "":
		form.ID, form.Secret = s.options.Client, s.options.ClientSecret
	case form.Secret == "":
		return nil, errors.New("a client that introspects has a client_secret")
	default:
		s.AddClient(introspect.Client{ID: form.ID, Secret: form.Secret, Basic: form.Basic, Resources: form.Resources})
	}
	return ordered.Object{{"client_id", form.ID}, {"client_secret", form.Secret}}, nil
}

// ClientSecret is the secret of [Standin.Client].
func (s *Standin) ClientSecret() string { return s.options.ClientSecret }

// SetIntrospectionLimit changes how many questions a minute one address may put to an introspection endpoint, 100 at
// first.
func (s *Standin) SetIntrospectionLimit(n int) {
	for _, server := range s.oauth {
		server.SetLimit(n)
	}
}

// OpaqueToken gives out an opaque access token, as the OAuth servers of the presets Neon and OIDC give to clients that
// name no resource; a spec with Resources makes a token that has these on record. A spec whose Subject is its Client
// makes the token of a machine. Of the claims in the spec only "cnf" counts.
func (s *Standin) OpaqueToken(p Preset, spec TokenSpec) string { return s.giveOpaque(p, spec, false) }

// OAuthRefreshToken gives out a refresh token in the same form.
func (s *Standin) OAuthRefreshToken(p Preset, spec TokenSpec) string {
	return s.giveOpaque(p, spec, true)
}

func (s *Standin) giveOpaque(p Preset, spec TokenSpec, refresh bool) string {
	if spec.Lifetime == 0 {
		spec.Lifetime = resourceLifetime
	}
	s.complete(&spec, p)
	fallback(&spec.Client, func() string { return s.options.Client })
	fallback(&spec.Scope, func() string { return defaultScope })
	return s.oauth[p].Give(introspect.Grant{Subject: spec.Subject, Client: spec.Client, Session: spec.Session, Scope: spec.Scope,
		Audience: s.audiences(spec), Resources: spec.Resources, Issued: spec.IssuedAt, Expires: spec.Expires, Key: spec.Set["cnf"], Refresh: refresh})
}

// RevokeOpaqueToken ends an opaque token (RFC 7009), and reports whether there was one.
func (s *Standin) RevokeOpaqueToken(text string) bool {
	return s.oauth[Neon].Revoke(text) || s.oauth[OIDC].Revoke(text)
}

// issuerOf is the issuer of a preset's OAuth server.
func (s *Standin) issuerOf(p Preset) string {
	if p == OIDC {
		return s.ServiceURL(OIDC)
	}
	return s.BaseURL()
}

// lives reports whether the session of a token and its user have not ended. A machine has neither.
func (s *Standin) lives(subject, client, session string) bool {
	if subject == client {
		return true
	}
	user, known := s.User(subject)
	return known && !user.Banned && !s.sessionEnded(session)
}
