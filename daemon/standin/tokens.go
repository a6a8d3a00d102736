package standin

import (
	"slices"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin/mint"
	"github.com/neonauthd/neonauthd/daemon/standin/ordered"
	"github.com/neonauthd/neonauthd/daemon/standin/stackauth"
)

// TokenSpec describes a token to mint. The zero value is a valid token of an invented user; each field changes this, so
// any kind of broken token can be made with a good signature or a forged one.
type TokenSpec struct {
	// Subject is the "sub". When it is the id of a known user, the claims are that user's. Empty: a fresh UUID.
	Subject string
	// Session is the session id in the token (refresh_token_id, sid); empty: a fresh UUID. Neon tokens have none.
	Session string
	// Class of a Stack token.
	Class stackauth.Class
	// Alg of an OpenID Connect token, one of [Algorithms]; empty: ES256.
	Alg string
	// Client, Scope and Resources of a token for a resource; empty: [Options.Client], "openid profile email" and
	// [Options.Resource].
	Client, Scope string
	Resources     []string
	// IssuedAt is the "iat", truncated to seconds; zero: now.
	IssuedAt time.Time
	// Expires is the "exp", truncated to seconds; zero: IssuedAt plus Lifetime.
	Expires time.Time
	// Lifetime is used without Expires; zero: [Options.TokenLifetime]. A negative one makes an expired token.
	Lifetime time.Duration
	// Project of a Stack token when it is not the stand-in's own; its keys derive from the same secret.
	Project string
	// Set adds or replaces claims, Remove takes claims out afterwards. Values may be anything that encodes to JSON.
	Set    map[string]any
	Remove []string
	// Header adds or replaces header members (a "kid" here only changes the text), RemoveHeader takes members out.
	Header       map[string]any
	RemoveHeader []string
	// KeyID names the key to sign with: any of the stand-in's keys, of any preset, also a withdrawn one. Empty: the present signer.
	KeyID string
	// NextKey signs a Stack token with the second, not yet used key of its class.
	NextKey bool
	// Forged signs with a stranger's key under the kid of the real one.
	Forged bool
	// Payload is signed as it stands instead of the claims; it need not be JSON.
	Payload []byte
	// Size pads the claims (with one named "pad") until the token has at most this many bytes, as near as base64 allows.
	Size int
}

// StackToken mints an access token of Stack Auth. It panics when the spec cannot be carried out: a value
// that is not JSON, an unknown KeyID or Alg. So do [Standin.NeonToken] and [Standin.OIDCToken].
func (s *Standin) StackToken(spec TokenSpec) string {
	s.complete(&spec, Stack)
	user, known := s.User(spec.Subject)
	class := spec.Class
	if class == stackauth.ClassOfUser {
		class = user.class()
	}
	if !known {
		user = User{ID: spec.Subject, Email: "user@example.org", Name: "Example User", EmailVerified: class == stackauth.ClassNormal, SignedUpAt: spec.IssuedAt}
	}
	audience := spec.Project + class.AudienceSuffix()
	s.mu.Lock()
	signer := s.stack.Signer(audience, spec.NextKey)
	s.mu.Unlock()
	return s.mint(spec, signer, s.stackClaims(spec, user, class, audience))
}

// StackTokenOfSize mints a valid Stack token of at most n bytes, as near to n as base64 allows; the
// least possible is about 800.
func (s *Standin) StackTokenOfSize(n int) string { return s.StackToken(TokenSpec{Size: n}) }

func (s *Standin) stackClaims(spec TokenSpec, u User, class stackauth.Class, audience string) ordered.Object {
	return ordered.Object{
		{"sub", spec.Subject},
		{"project_id", spec.Project},
		{"branch_id", "main"},
		{"refresh_token_id", spec.Session},
		{"role", "authenticated"},
		{"name", ordered.OrNull(u.Name)},
		{"email", ordered.OrNull(u.Email)},
		{"email_verified", u.EmailVerified},
		{"selected_team_id", ordered.OrNull(u.Team.ID)},
		{"signed_up_at", u.SignedUpAt.Unix()},
		{"is_anonymous", class == stackauth.ClassAnonymous},
		{"is_restricted", class != stackauth.ClassNormal},
		{"restricted_reason", u.restrictedReason(class)},
		{"requires_totp_mfa", false},
		{"iss", s.BaseURL() + stackauth.Path + class.IssuerPath() + spec.Project},
		{"iat", spec.IssuedAt.Unix()},
		{"aud", audience},
		{"exp", spec.Expires.Unix()},
	}
}

// NeonToken mints an access token of Neon Auth.
func (s *Standin) NeonToken(spec TokenSpec) string {
	s.complete(&spec, Neon)
	user, known := s.User(spec.Subject)
	if !known {
		user = User{ID: spec.Subject, Email: "user@example.org", Name: "Example User", SignedUpAt: spec.IssuedAt}
	}
	s.mu.Lock()
	signer := s.neon.Signer("EdDSA")
	s.mu.Unlock()
	claims := append(ordered.Object{{"iat", spec.IssuedAt.Unix()}}, user.neonColumns("authenticated")...)
	origin := s.BaseURL()
	return s.mint(spec, signer, append(claims, ordered.Object{
		{"sub", spec.Subject},
		{"exp", spec.Expires.Unix()},
		{"iss", origin},
		{"aud", origin},
	}...))
}

// OIDCToken mints an access token of the OpenID Connect issuer.
func (s *Standin) OIDCToken(spec TokenSpec) string {
	s.complete(&spec, OIDC)
	if spec.Alg == "" {
		spec.Alg = "ES256"
	}
	if !slices.Contains(mint.Algorithms(), spec.Alg) {
		panic("standin: unknown algorithm " + spec.Alg)
	}
	user, known := s.User(spec.Subject)
	if !known {
		user = User{ID: spec.Subject, Email: "user@example.org", Name: "Example User"}
	}
	if mint.NeedsRSA(spec.Alg) {
		s.rsaKeys()
	}
	s.mu.Lock()
	signer := s.oidc.Signer(spec.Alg)
	s.mu.Unlock()
	return s.mint(spec, signer, ordered.Object{
		{"iss", s.ServiceURL(OIDC)},
		{"sub", spec.Subject},
		{"aud", s.options.Audience},
		{"exp", spec.Expires.Unix()},
		{"iat", spec.IssuedAt.Unix()},
		{"sid", spec.Session},
		{"name", ordered.OrNull(user.Name)},
		{"email", ordered.OrNull(user.Email)},
		{"email_verified", user.EmailVerified},
	})
}

// complete fills in what a spec leaves out.
func (s *Standin) complete(spec *TokenSpec, p Preset) {
	fallback(&spec.Subject, mint.UUID)
	fallback(&spec.Session, mint.UUID)
	fallback(&spec.Project, s.ProjectID)
	if spec.IssuedAt.IsZero() {
		spec.IssuedAt = s.now()
	}
	if spec.Lifetime == 0 {
		spec.Lifetime = s.lifetime(p)
	}
	if spec.Expires.IsZero() {
		spec.Expires = spec.IssuedAt.Add(spec.Lifetime)
	}
}

// mint signs the claims as the spec wants them.
func (s *Standin) mint(spec TokenSpec, signer *mint.Key, claims ordered.Object) string {
	if spec.KeyID != "" {
		s.mu.Lock()
		signer = s.findKey(spec.KeyID)
		s.mu.Unlock()
		if signer == nil {
			panic("standin: no key with this id was ever used")
		}
	}
	header := ordered.Object{{"alg", signer.Alg}, {"kid", signer.Kid}}.With(spec.Header).Without(spec.RemoveHeader)
	return mint.Token{Header: header, Claims: claims.With(spec.Set).Without(spec.Remove), Payload: spec.Payload, Size: spec.Size,
		Forged: spec.Forged}.Sign(signer)
}
