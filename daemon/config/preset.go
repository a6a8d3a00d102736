package config

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/upstream"
	"github.com/neonauthd/neonauthd/internal/foreign"
)

// The classes of users a project may admit beside the normal ones.
const (
	AllowRestricted = "restricted"
	AllowAnonymous  = "anonymous"
	// AllowMachine admits clients that act for themselves: with resources, audience_claim or introspection.
	AllowMachine = "machine"
	// AllowTeam admits API keys that belong to a team, and to no user.
	AllowTeam = "team"
)

// The types of API keys that a project may take.
const (
	APIKeysUser = "user"
	APIKeysTeam = "team"
)

// Preset describes one kind of upstream: its features, the keys that its table may
// hold, and the settings that follow from them. Other code asks for these fields, and
// never for the name of a preset. The zero value of each field but Upstream, check,
// derive and policy is safe for every upstream: fewer credentials are taken, and a
// logout ends more tokens.
type Preset struct {
	// Upstream is how the upstream is asked.
	Upstream upstream.Preset
	// ServerKey tells that profiles are asked for with a secret server key, which can
	// be tested without any user's token.
	ServerKey bool
	// Sessions tells that the project takes session credentials (see
	// upstream.ParseSession), which only the upstream can judge.
	Sessions bool
	// APIKeys tells that the project can take API keys (see upstream.ParseAPIKey), those
	// in api_keys.
	APIKeys bool
	// Metadata tells that the upstream's metadata name where the key set and profiles are,
	// unless the table says where.
	Metadata bool

	// logoutTokens tells that the upstream sends logout tokens.
	logoutTokens bool
	// issuersAreURLs tells that the key issuers holds addresses of the upstream. Otherwise
	// it holds issuers to the letter, as tokens name them.
	issuersAreURLs bool
	// sessionJWTs tells that the signed tokens of a project without resources belong to
	// sessions of the upstream, and are not access tokens of an OAuth client.
	sessionJWTs bool
	// naming is how far signed tokens name their session, and resourceNaming is the same
	// for a project with resources.
	naming, resourceNaming SessionNaming

	check  func(*Project, reporter)
	derive func(*Project)
	policy func(*Project) *keyset.Policy
}

var presets = map[string]Preset{
	"stack": {
		Upstream: upstream.Stack, ServerKey: true, APIKeys: true, issuersAreURLs: true, naming: SessionsAlways,
		check: checkStack, derive: deriveStack, policy: policyStack,
	},
	"neon": {
		Upstream: upstream.Neon, Sessions: true, logoutTokens: true, sessionJWTs: true, naming: SessionsNever, resourceNaming: SessionsAlways,
		check: checkNeon, derive: deriveNeon, policy: policyNeon,
	},
	"oidc": {
		Upstream: upstream.OIDC, Metadata: true, logoutTokens: true,
		check: checkOIDC, derive: deriveOIDC, policy: policyOIDC,
	},
}

// checkFeatures checks the keys of a table whose meaning follows from the fields of its
// preset.
func (d *Preset) checkFeatures(p *Project, report reporter) {
	if !d.APIKeys && len(p.APIKeys) > 0 {
		report("api_keys", "cannot be set for preset %q, which takes none", p.Preset)
	}
	if !d.logoutTokens && len(p.LogoutClientIDs) > 0 {
		report("logout_client_ids", "cannot be set for preset %q, whose upstream sends no logout tokens", p.Preset)
	}
	if !d.issuersAreURLs {
		checkNames("issuers", "iss", p.Issuers, report)
		return
	}
	for i, issuer := range p.Issuers {
		if err := upstream.CheckURL(issuer, p.InsecureHTTP); err != nil {
			report("issuers", "entry %d: %v", i+1, err) // which repeats nothing: there may be a password
		}
	}
}

// Meaning returns what p's preset means. p has passed validate. A resource takes the
// tokens that are for it, and no sessions.
func (p *Project) Meaning() Preset {
	meaning := presets[p.Preset]
	meaning.Sessions = meaning.Sessions && len(p.Resources) == 0
	return meaning
}

// WithDerived returns p with every field that its preset derives filled in. p
// has passed validate.
func (p Project) WithDerived() Project {
	presets[p.Preset].derive(&p)
	return p
}

// FindsIssuer tells that the issuer of p's tokens is found in the upstream's metadata.
// Until then there is no policy. p comes from WithDerived.
func (p *Project) FindsIssuer() bool { return len(p.Issuers) == 0 }

// Policy returns the rules for p's tokens. p comes from WithDerived.
func (p *Project) Policy() *keyset.Policy {
	policy := presets[p.Preset].policy(p)
	if len(p.Resources) > 0 {
		policy.Resource, policy.AudienceArray, policy.Machines, policy.Scopes = true, true, p.Admits(AllowMachine), p.Scopes
		policy.Role, policy.SessionClaims = "", []string{"sid"}
	}
	policy.Leeway = time.Duration(p.Leeway)
	for _, a := range p.Algorithms {
		policy.Algorithms = append(policy.Algorithms, keyset.Algorithm(a))
	}
	return policy
}

// Admits tells whether users of a class are accepted. Anonymous users are
// restricted ones too, so admitting the former admits the latter.
func (p *Project) Admits(class string) bool {
	return slices.Contains(p.Allow, class) || class == AllowRestricted && slices.Contains(p.Allow, AllowAnonymous)
}

// KeysID names the key set's origin: its URL, or the issuer it is discovered at.
func (p *Project) KeysID() string {
	if p.JWKSURL != "" {
		return p.JWKSURL
	}
	return p.BaseURL
}

// --- Stack Auth, later Hexclave (the legacy Neon Auth)

// stackClouds lists the hosts under which one and the same cloud answers: an
// access token names the host that its client talked to.
var stackClouds = [][]string{
	{"https://api.stack-auth.com", "https://api.hexclave.com"},
	{"https://api.dev.stack-auth.com", "https://api.dev.hexclave.com"},
	{"https://api.staging.stack-auth.com", "https://api.staging.hexclave.com"},
}

func checkStack(p *Project, report reporter) {
	switch {
	case p.ProjectID == "":
		report("project_id", "is required for preset \"stack\": the id shown on the project's page")
	case !upstream.IsProjectID(p.ProjectID):
		report("project_id", "must be the id shown on the project's page, of at most 128 letters, digits, \"-\" or \"_\"")
	}
	if len(p.Audiences) > 0 {
		report("audiences", "cannot be set for preset \"stack\": they follow from project_id and allow")
	}
	if len(p.Algorithms) > 0 && !slices.Equal(p.Algorithms, []string{"ES256"}) {
		report("algorithms", "preset \"stack\" signs with ES256 only; leave the key out")
	}
	for _, class := range p.Allow {
		if class != AllowRestricted && class != AllowAnonymous && class != AllowTeam {
			report("allow", "%s", noneOf(class, AllowRestricted, AllowAnonymous, AllowTeam))
		}
	}
	for _, kind := range p.APIKeys {
		if kind != APIKeysUser && kind != APIKeysTeam {
			report("api_keys", "%s", noneOf(kind, APIKeysUser, APIKeysTeam))
		}
	}
	if p.UserinfoURL != "" {
		report("userinfo_url", "is for preset \"oidc\" only")
	}
	if p.goesByClient() {
		report("audience_claim", "is for preset \"oidc\" only: tokens of Stack Auth have aud")
	}
	if len(p.Resources) > 0 {
		report("resources", "is for the presets \"neon\" and \"oidc\" only: Stack Auth is no OAuth server for others")
	}
	if len(p.Scopes) > 0 {
		report("scopes", "needs resources: only tokens for a resource have scopes")
	}
	if p.Introspection != nil || p.IntrospectionURL != "" {
		report("introspection", "is for the presets \"neon\" and \"oidc\" only: Stack Auth does not introspect; what only it can judge are api_keys")
	}
}

func deriveStack(p *Project) {
	p.BaseURL = strings.TrimRight(p.BaseURL, "/")
	if p.BaseURL == "" {
		p.BaseURL = stackClouds[0][0]
	}
	if len(p.Issuers) == 0 {
		p.Issuers = []string{p.BaseURL}
		for _, cloud := range stackClouds {
			if slices.Contains(cloud, p.BaseURL) {
				p.Issuers = cloud
			}
		}
	}
	if p.JWKSURL == "" {
		p.JWKSURL = upstream.KeysURL(upstream.Stack, p.BaseURL, p.ProjectID)
	}
	p.Algorithms = []string{"ES256"}
}

func policyStack(p *Project) *keyset.Policy {
	policy := &keyset.Policy{StackFlags: true, SessionClaims: []string{"refresh_token_id", "refreshTokenId"}}
	for _, class := range []struct {
		class        keyset.Class
		suffix, path string
		admitted     bool
	}{
		{keyset.ClassNormal, "", "projects", true},
		{keyset.ClassRestricted, ":restricted", "projects-restricted-users", p.Admits(AllowRestricted)},
		{keyset.ClassAnonymous, ":anon", "projects-anonymous-users", p.Admits(AllowAnonymous)},
	} {
		audience := keyset.Audience{Class: class.class, Name: p.ProjectID + class.suffix}
		for _, api := range p.Issuers {
			audience.Issuers = append(audience.Issuers, fmt.Sprintf("%s/api/v1/%s/%s", strings.TrimRight(api, "/"), class.path, p.ProjectID))
		}
		if class.admitted {
			policy.Admitted = append(policy.Admitted, audience)
		} else {
			policy.Refused = append(policy.Refused, audience)
		}
	}
	return policy
}

// --- Neon Auth on Better Auth

func checkNeon(p *Project, report reporter) {
	if p.BaseURL == "" {
		report("base_url", "is required for preset \"neon\": the auth URL of the branch, https://ep-...neonauth.../auth")
	}
	if len(p.Resources) > 0 {
		checkAlgorithms(p, report)
	} else if len(p.Algorithms) > 0 && !slices.Equal(p.Algorithms, []string{"EdDSA"}) {
		report("algorithms", "preset \"neon\" signs with EdDSA only, but for resources; leave the key out")
	}
	refuseForeign(p, report)
	checkResources(p, report)
	checkIntrospection(p, report)
	if p.UserinfoURL != "" {
		report("userinfo_url", "is for preset \"oidc\" only")
	}
	if p.goesByClient() {
		report("audience_claim", "is for preset \"oidc\" only: tokens of Neon Auth have aud")
	}
}

func deriveNeon(p *Project) {
	p.BaseURL = strings.TrimRight(p.BaseURL, "/")
	if origin := originOf(p.BaseURL); len(p.Resources) == 0 {
		if len(p.Issuers) == 0 {
			p.Issuers = []string{origin}
		}
		if len(p.Audiences) == 0 {
			p.Audiences = []string{origin}
		}
	}
	if p.JWKSURL == "" {
		p.JWKSURL = upstream.KeysURL(upstream.Neon, p.BaseURL, "")
	}
	if len(p.Algorithms) == 0 {
		p.Algorithms = []string{"EdDSA"}
	}
}

func policyNeon(p *Project) *keyset.Policy {
	policy := policyPlain(p)
	policy.KeyIDOptional = len(p.Resources) == 0
	policy.Role = "authenticated"
	return policy
}

// --- any issuer that publishes a key set

func checkOIDC(p *Project, report reporter) {
	if p.BaseURL == "" {
		report("base_url", "is required for preset \"oidc\": the issuer's URL")
	}
	if len(p.Audiences) == 0 && len(p.Resources) == 0 {
		report("audiences", "is required for preset \"oidc\": the audience your tokens carry")
	}
	checkAlgorithms(p, report)
	refuseForeign(p, report)
	checkResources(p, report)
	checkIntrospection(p, report)
}

func checkAlgorithms(p *Project, report reporter) {
	known := keyset.Algorithms()
	for _, a := range p.Algorithms {
		if !slices.Contains(known, keyset.Algorithm(a)) {
			report("algorithms", "%q is none of %v", foreign.Cut(a, maxShown), known)
		}
	}
}

func deriveOIDC(p *Project) {
	// An issuer is compared byte for byte, so its trailing slash stays.
	if len(p.Issuers) == 0 {
		p.Issuers = []string{p.BaseURL}
	}
	if len(p.Algorithms) == 0 {
		// Each key is bound to algorithms of its own type when it is loaded, so
		// admitting every asymmetric one admits no confusion between types.
		for _, a := range keyset.Algorithms() {
			p.Algorithms = append(p.Algorithms, string(a))
		}
	}
}

func policyOIDC(p *Project) *keyset.Policy {
	policy := policyPlain(p)
	policy.AudienceArray = true
	policy.KeyIDOptional = true
	policy.AccessTokenType = true
	policy.SessionClaims = []string{"sid", "origin_jti"} // the latter is Cognito's
	if p.goesByClient() {
		policy.AudienceClaim, policy.Machines = p.AudienceClaim, p.Admits(AllowMachine)
	}
	return policy
}

// refuseForeign reports the keys that have a meaning for preset stack only.
func refuseForeign(p *Project, report reporter) {
	if p.ProjectID != "" {
		report("project_id", "is for preset \"stack\" only")
	}
	if p.SecretServerKey != "" {
		report("secret_server_key", "is for preset \"stack\" only")
	}
}

// policyPlain admits each configured audience with each configured issuer.
func policyPlain(p *Project) *keyset.Policy {
	policy := &keyset.Policy{}
	for _, name := range slices.Concat(p.Audiences, p.Resources) {
		policy.Admitted = append(policy.Admitted, keyset.Audience{Class: keyset.ClassNormal, Name: name, Issuers: p.Issuers})
	}
	return policy
}

// originOf is the origin of a URL that has been checked, as browsers and
// Better Auth write it: in lower case, without the scheme's own port.
func originOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return raw
	}
	host := strings.ToLower(u.Host)
	port := map[string]string{"https": ":443", "http": ":80"}[u.Scheme]
	return u.Scheme + "://" + strings.TrimSuffix(host, port)
}
