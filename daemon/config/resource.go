package config

import (
	"slices"
	"strings"

	"github.com/neonauthd/neonauthd/internal/foreign"
)

// Bounds of what a protected resource is configured with.
const (
	maxResources      = 16
	maxResourceLength = 512
	MaxScopes         = 16
	maxScopeLength    = 128
)

// checkResources checks the settings that make a project a resource server (RFC 8707, RFC
// 9068), and that none of them is there without resources.
func checkResources(p *Project, report reporter) {
	if len(p.Resources) == 0 {
		if len(p.Scopes) > 0 {
			report("scopes", "needs resources: only tokens for a resource have scopes")
		}
		if p.goesByClient() || p.Introspection != nil {
			checkMachines(p, report)
		} else if len(p.Allow) > 0 {
			report("allow", "is for preset \"stack\" only, but for \"machine\" beside resources, audience_claim or introspection")
		}
		return
	}
	if len(p.Resources) > maxResources {
		report("resources", "at most %d of them", maxResources)
	}
	for i, resource := range p.Resources {
		if what := resourceFault(resource); what != "" {
			report("resources", "entry %d %s", i+1, what)
		} else if slices.Contains(p.Resources[:i], resource) {
			report("resources", "entry %d is there twice", i+1)
		}
	}
	if len(p.Audiences) > 0 {
		report("audiences", "cannot be set beside resources, which are the audiences; write a second project for other tokens")
	}
	checkMachines(p, report)
	checkScopes(p, report)
}

// checkMachines checks which classes are admitted by a project whose tokens name an OAuth
// client.
func checkMachines(p *Project, report reporter) {
	for _, class := range p.Allow {
		if class != AllowMachine {
			report("allow", "%q is not \"machine\", the only class beside users that preset %q knows", foreign.Cut(class, maxShown), p.Preset)
		}
	}
}

// resourceFault says what is wrong with the name of a resource. That is an absolute
// URI without a fragment (RFC 8707 section 2), but issuers have names of other forms
// in "aud" as well, so only names that are certainly a mistake are refused.
func resourceFault(resource string) string {
	switch {
	case resource == "", resource[0] == '/', strings.Contains(resource, "#"), !onlyVisible(resource):
		return "must be the resource's absolute URI without a fragment, such as https://mcp.example.com/mcp, to the letter as its tokens have it in aud"
	case len(resource) > maxResourceLength:
		return "is too long"
	}
	return ""
}

func checkScopes(p *Project, report reporter) {
	if len(p.Scopes) > MaxScopes {
		report("scopes", "at most %d of them", MaxScopes)
	}
	for _, scope := range p.Scopes {
		if !isScope(scope) {
			report("scopes", "%q is not one word (RFC 6749 section 3.3)", foreign.Cut(scope, maxShown))
		}
	}
}

// isScope tells whether text is one scope: 1 to 128 visible ASCII characters but
// for quotes and backslashes (RFC 6749 section 3.3).
func isScope(text string) bool {
	return text != "" && len(text) <= maxScopeLength && onlyVisible(text) && !strings.ContainsAny(text, `"\`)
}
