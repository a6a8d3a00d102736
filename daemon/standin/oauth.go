package standin

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin/mint"
	"github.com/neonauthd/neonauthd/daemon/standin/ordered"
)

// DefaultResource is [Options.Resource] if that is empty.
const DefaultResource = "https://mcp.example.net/mcp"

// Defaults of resource tokens.
const (
	defaultScope     = "openid profile email"
	resourceLifetime = time.Hour
)

// oauthRoutes serve the metadata of Better Auth's OAuth provider, whose issuer is the origin: below the base URL
// there are none, until [Standin.NameBase].
func (s *Standin) oauthRoutes(mux *http.ServeMux) {
	for _, path := range []string{"/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"} {
		mux.HandleFunc("GET "+path, s.at(Discovery, func(w http.ResponseWriter, _ *http.Request) { s.oauthMetadata(w, s.BaseURL()) }))
		mux.HandleFunc("GET "+neonPath+path, s.at(Base, s.baseMetadata))
	}
	mux.HandleFunc("GET /.well-known/oauth-authorization-server"+neonPath, s.at(Base, s.baseMetadata))
	s.introspectionRoute(mux, Neon, neonPath+"/oauth2/introspect")
}

// NameBase makes the base URL the issuer that the metadata of the base URL name. Those of the origin stay as they are: they
// may be another database's. Tokens name the origin, unless their spec says otherwise.
func (s *Standin) NameBase(is bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ofBase = is
}

func (s *Standin) baseMetadata(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	named := s.ofBase
	s.mu.Unlock()
	if !named {
		http.NotFound(w, r)
		return
	}
	s.oauthMetadata(w, s.ServiceURL(Neon))
}

func (s *Standin) oauthMetadata(w http.ResponseWriter, issuer string) {
	base := s.ServiceURL(Neon)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "public, max-age=15, stale-while-revalidate=15, stale-if-error=86400")
	w.Write(ordered.Encode(ordered.Object{
		{"scopes_supported", strings.Split(defaultScope, " ")},
		{"issuer", issuer},
		{"authorization_endpoint", base + "/oauth2/authorize"},
		{"token_endpoint", base + "/oauth2/token"},
		{"registration_endpoint", base + "/oauth2/register"},
		{"jwks_uri", s.KeysURL(Neon)},
		{"introspection_endpoint", base + "/oauth2/introspect"},
		{"response_types_supported", []string{"code"}},
		{"grant_types_supported", []string{"authorization_code", "client_credentials", "refresh_token"}},
		{"token_endpoint_auth_methods_supported", []string{"none", "client_secret_basic", "client_secret_post"}},
		{"code_challenge_methods_supported", []string{"S256"}},
		{"authorization_response_iss_parameter_supported", true},
		{"userinfo_endpoint", base + "/oauth2/userinfo"},
		{"subject_types_supported", []string{"public"}},
		{"backchannel_logout_supported", true},
		{"backchannel_logout_session_supported", true},
		{"id_token_signing_alg_values_supported", []string{"EdDSA"}},
	}))
}

// ResourceToken mints an access token for a protected resource (RFC 9068), as the OAuth servers of the presets Neon and
// OIDC give them to clients. A spec whose Subject is its Client makes the token of a machine. Like [Standin.StackToken]
// it panics when the spec cannot be carried out.
func (s *Standin) ResourceToken(p Preset, spec TokenSpec) string {
	if spec.Lifetime == 0 {
		spec.Lifetime = resourceLifetime
	}
	s.complete(&spec, p)
	fallback(&spec.Client, func() string { return s.options.Client })
	fallback(&spec.Scope, func() string { return defaultScope })
	if len(spec.Resources) == 0 {
		spec.Resources = []string{s.options.Resource}
	}
	signer := s.oauthSigner(p, spec.Alg)
	claims := ordered.Object{
		{"sub", spec.Subject},
		{"aud", s.audiences(spec)},
		{"client_id", spec.Client},
		{"azp", spec.Client},
		{"scope", spec.Scope},
		{"sid", spec.Session},
		{"iss", s.issuerOf(p)},
		{"iat", spec.IssuedAt.Unix()},
		{"exp", spec.Expires.Unix()},
		{"jti", mint.RandomText(32)},
	}
	if spec.Subject == spec.Client {
		claims = claims.Without([]string{"sid"})
	}
	spec.Header = withType(spec.Header, "at+jwt")
	return s.mint(spec, signer, claims)
}

// idTokenLifetime is how long an ID token is good for.
const idTokenLifetime = 10 * time.Hour

// IDToken mints an ID token of a sign-in at the OAuth server of a preset, for [Options.Client] or the spec's Client. It has
// no "typ" and tells that client who has signed in; it is no access token. Like [Standin.StackToken] it panics when the
// spec cannot be carried out.
func (s *Standin) IDToken(p Preset, spec TokenSpec) string {
	if spec.Lifetime == 0 {
		spec.Lifetime = idTokenLifetime
	}
	s.complete(&spec, p)
	fallback(&spec.Client, func() string { return s.options.Client })
	return s.mint(spec, s.oauthSigner(p, spec.Alg), ordered.Object{
		{"auth_time", spec.IssuedAt.Unix()},
		{"acr", "urn:mace:incommon:iap:bronze"},
		{"at_hash", mint.RandomText(22)},
		{"iss", s.issuerOf(p)},
		{"sub", spec.Subject},
		{"aud", spec.Client},
		{"iat", spec.IssuedAt.Unix()},
		{"exp", spec.Expires.Unix()},
		{"sid", spec.Session},
	})
}

// audiences is the "aud" of a resource token: with the scope openid, userinfo is one of the audiences.
func (s *Standin) audiences(spec TokenSpec) any {
	all := slices.Clone(spec.Resources)
	if slices.Contains(strings.Split(spec.Scope, " "), "openid") {
		all = append(all, s.ServiceURL(Neon)+"/oauth2/userinfo")
	}
	if len(all) == 1 {
		return all[0]
	}
	return all
}

func (s *Standin) oauthSigner(p Preset, alg string) *mint.Key {
	ring := &s.neon
	if fallback(&alg, func() string { return "EdDSA" }); p == OIDC {
		ring = &s.oidc
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return ring.Signer(alg)
}

// withType adds a "typ", unless the header has one.
func withType(header map[string]any, typ string) map[string]any {
	all := map[string]any{"typ": typ}
	for name, value := range header {
		all[name] = value
	}
	return all
}
