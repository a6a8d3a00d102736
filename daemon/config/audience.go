package config

import "strings"

// goesByClient tells that audiences are compared with the client that got the token,
// because the issuer writes no "aud".
func (p *Project) goesByClient() bool {
	return p.AudienceClaim == AudienceClaimClientID || p.AudienceClaim == AudienceClaimAZP
}

// checkAudienceClaim checks which claim audiences are compared with.
func checkAudienceClaim(p *Project, report reporter) {
	switch {
	case p.AudienceClaim == "", p.AudienceClaim == AudienceClaimAud:
	case !p.goesByClient():
		report("audience_claim", "%s", noneOf(p.AudienceClaim, AudienceClaimAud, AudienceClaimClientID, AudienceClaimAZP))
	case len(p.Resources) > 0:
		report("audience_claim", "cannot be set beside resources: a token for a resource names it in aud (RFC 9068)")
	}
}

// checkNames checks the entries of a list that tokens are compared with to the letter.
// One that is empty, for example from a template's empty variable, fits no token: then
// everybody would be rejected, and nothing would say why.
func checkNames(key, claim string, names []string, report reporter) {
	for i, name := range names {
		if name == "" || name != strings.TrimSpace(name) {
			report(key, "entry %d must be a text without blanks around it, to the letter as the project's tokens have it in %s", i+1, claim)
		}
	}
}
