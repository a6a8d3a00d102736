package standin

import (
	"slices"
	"time"
)

// Class is a class of Stack user. The zero value leaves the choice to the user the token is for.
type Class uint8

// The classes, each wider than the one before.
const (
	ClassOfUser Class = iota
	ClassNormal
	ClassRestricted
	ClassAnonymous
)

// suffix of the audience of a class.
func (c Class) suffix() string {
	switch c {
	case ClassRestricted:
		return ":restricted"
	case ClassAnonymous:
		return ":anon"
	default:
		return ""
	}
}

// issuerPath is the part of the issuer that a class changes.
func (c Class) issuerPath() string {
	switch c {
	case ClassRestricted:
		return "/projects-restricted-users/"
	case ClassAnonymous:
		return "/projects-anonymous-users/"
	default:
		return "/projects/"
	}
}

// TokenSpec describes a token to mint. The zero value is a valid token of an invented user; each field
// departs from that, so any kind of broken token can be had with a good signature or a forged one.
type TokenSpec struct {
	// Subject is the "sub". When it is the id of a known user, the claims are that user's. Empty: a fresh UUID.
	Subject string
	// Session is the session id in the token (refresh_token_id, sid); empty: a fresh UUID. Neon tokens have none.
	Session string
	// Class of a Stack token.
	Class Class
	// Alg of an OpenID Connect token, one of [Algorithms]; empty: ES256.
	Alg string
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
	if class == ClassOfUser {
		class = user.class()
	}
	if !known {
		user = User{ID: spec.Subject, Email: "user@example.org", Name: "Example User", EmailVerified: class == ClassNormal, SignedUpAt: spec.IssuedAt}
	}
	audience := spec.Project + class.suffix()
	s.mu.Lock()
	signer := s.stack.signer(audience, spec.NextKey)
	s.mu.Unlock()
	return s.mint(spec, signer, s.stackClaims(spec, user, class, audience))
}

// StackTokenOfSize mints a valid Stack token of at most n bytes, as near to n as base64 allows; the
// least possible is about 800.
func (s *Standin) StackTokenOfSize(n int) string { return s.StackToken(TokenSpec{Size: n}) }

func (s *Standin) stackClaims(spec TokenSpec, u User, class Class, audience string) object {
	return object{
		{"sub", spec.Subject},
		{"project_id", spec.Project},
		{"branch_id", "main"},
		{"refresh_token_id", spec.Session},
		{"role", "authenticated"},
		{"name", orNull(u.Name)},
		{"email", orNull(u.Email)},
		{"email_verified", u.EmailVerified},
		{"selected_team_id", orNull(u.Team.ID)},
		{"signed_up_at", u.SignedUpAt.Unix()},
		{"is_anonymous", class == ClassAnonymous},
		{"is_restricted", class != ClassNormal},
		{"restricted_reason", u.restrictedReason(class)},
		{"requires_totp_mfa", false},
		{"iss", s.BaseURL() + stackPath + class.issuerPath() + spec.Project},
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
	signer := s.neon.signer("EdDSA")
	s.mu.Unlock()
	claims := append(object{{"iat", spec.IssuedAt.Unix()}}, user.neonColumns("authenticated")...)
	origin := s.BaseURL()
	return s.mint(spec, signer, append(claims, object{
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
	if !slices.Contains(Algorithms(), spec.Alg) {
		panic("standin: unknown algorithm " + spec.Alg)
	}
	user, known := s.User(spec.Subject)
	if !known {
		user = User{ID: spec.Subject, Email: "user@example.org", Name: "Example User"}
	}
	if needsRSA(spec.Alg) {
		s.rsaKeys()
	}
	s.mu.Lock()
	signer := s.oidc.signer(spec.Alg)
	s.mu.Unlock()
	return s.mint(spec, signer, object{
		{"iss", s.ServiceURL(OIDC)},
		{"sub", spec.Subject},
		{"aud", s.options.Audience},
		{"exp", spec.Expires.Unix()},
		{"iat", spec.IssuedAt.Unix()},
		{"sid", spec.Session},
		{"name", orNull(user.Name)},
		{"email", orNull(user.Email)},
		{"email_verified", user.EmailVerified},
	})
}

// complete fills in what a spec leaves out.
func (s *Standin) complete(spec *TokenSpec, p Preset) {
	fallback(&spec.Subject, newUUID)
	fallback(&spec.Session, newUUID)
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
func (s *Standin) mint(spec TokenSpec, signer *key, claims object) string {
	if spec.KeyID != "" {
		s.mu.Lock()
		signer = s.findKey(spec.KeyID)
		s.mu.Unlock()
		if signer == nil {
			panic("standin: no key with this id was ever used")
		}
	}
	header := object{{"alg", signer.alg}, {"kid", signer.kid}}.with(spec.Header).without(spec.RemoveHeader)
	head := b64(mustEncode(header)) + "."
	claims = claims.with(spec.Set).without(spec.Remove)
	payload := spec.Payload
	if payload == nil {
		payload = padded(claims, spec.Size-len(head), signer)
	}
	input := head + b64(payload)
	if spec.Forged {
		signer = newKey(signer.alg, signer.kid, func(*key) object { return nil })
	}
	return input + "." + b64(signer.sign([]byte(input)))
}

// padded encodes claims so that payload, dot and signature together take at most room bytes, filled as
// far as possible; claims that need more stay as they are.
func padded(claims object, room int, signer *key) []byte {
	payload := mustEncode(claims)
	room -= 1 + len(b64(signer.sign(nil)))
	const frame = len(`,"pad":""`)
	missing := room*3/4 - len(payload) - frame
	if room <= 0 || missing < 0 {
		return payload
	}
	pad := make([]byte, missing)
	for i := range pad {
		pad[i] = 'x'
	}
	return mustEncode(append(slices.Clone(claims), member{"pad", string(pad)}))
}
