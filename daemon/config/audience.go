package config

// The claims that can say whom a token is for.
const (
	AudienceClaimAud      = "aud"
	AudienceClaimClientID = "client_id"
	AudienceClaimAZP      = "azp"
)

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
