package config

import (
	"unicode"

	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/upstream"
	"github.com/neonauthd/neonauthd/internal/credential"
	"github.com/neonauthd/neonauthd/internal/secretfile"
)

const (
	maxIntrospectionLimit = 100_000
	maxClientID           = 512
	// defaultIntrospectionSecret is the credential looked for when the table names none.
	defaultIntrospectionSecret = "introspection-secret"
	// secretLike is how many letters and digits in a row make a text look like a secret
	// itself, and not like a secret's name.
	secretLike = 24
)

// IntrospectsTokens tells whether tokens that the project's keys have verified have the
// upstream's introspection answer as their profile. They have it if they are access tokens.
func (p *Project) IntrospectsTokens() bool {
	return p.Introspection != nil && !p.takesSessionJWTs()
}

// takesSessionJWTs tells whether p's signed tokens belong to sessions, and are no access
// tokens.
func (p *Project) takesSessionJWTs() bool {
	return presets[p.Preset].sessionJWTs && len(p.Resources) == 0
}

// IntrospectionPolicy are the rules for what introspection says. p comes from
// WithDerived.
func (p *Project) IntrospectionPolicy() *keyset.Policy {
	policy := p.Policy()
	policy.Resource, policy.AudienceArray, policy.Machines = true, true, p.Admits(AllowMachine)
	policy.Role = ""
	if p.takesSessionJWTs() {
		// The policy is that of session JWTs, and access tokens differ: they name their session
		// in "sid", and without resources the upstream names no audience of opaque ones.
		policy.SessionClaims, policy.AudienceOptional = []string{"sid"}, true
	}
	return policy
}

// ReadIntrospectionSecret reads the secret that p's introspection needs, as
// ReadServerKey does; none where there is no introspection.
func ReadIntrospectionSecret(p *Project, dir string) (upstream.Secret, error) {
	if p.Introspection == nil {
		return upstream.Secret{}, nil
	}
	return readSecret(secretfile.Secret{What: "introspection.secret", Name: p.Introspection.Secret, Fallback: defaultIntrospectionSecret}, dir)
}

func checkIntrospection(p *Project, report reporter) {
	i := p.Introspection
	if i == nil {
		if p.IntrospectionURL != "" {
			report("introspection_url", "needs introspection, which says as which client to ask there")
		}
		return
	}
	switch {
	case i.ClientID == "":
		report("introspection.client_id", "is required: the id of an OAuth client of this host's own, with a secret, that is linked to the resource")
	case len(i.ClientID) > maxClientID || !onlyVisible(i.ClientID):
		report("introspection.client_id", "must be visible ASCII, of at most %d bytes", maxClientID)
	}
	if i.Auth != "" && i.Auth != AuthPost && i.Auth != AuthBasic {
		report("introspection.auth", "%s", noneOf(i.Auth, AuthPost, AuthBasic))
	}
	if n := i.PerMinute(); n < 1 || n > maxIntrospectionLimit {
		report("introspection.limit", "must be between 1 and %d questions a minute", maxIntrospectionLimit)
	}
	switch {
	case isSecret(i.Secret):
		// Never repeated: this text goes to the log.
		report("introspection.secret", "is the secret itself, and must name what holds it: put the secret into a file of mode 0600, give the file's path, and have the secret replaced if others can read this file")
	case secretfile.NameFault(i.Secret) != "":
		report("introspection.secret", "%s", secretfile.NameFault(i.Secret))
	}
	if p.UserinfoURL != "" {
		report("userinfo_url", "cannot be set beside introspection, which says what PROFILE answers in its place")
	}
}

// isSecret tells whether text looks like a secret and not like a name of one.
func isSecret(text string) bool {
	if secretfile.IsPath(text) {
		return false
	}
	run := 0
	for _, r := range text {
		if run++; !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			run = 0
		}
		if run >= secretLike {
			return true
		}
	}
	return credential.Resembles(text)
}
