package keyset

import (
	"slices"
	"strings"

	"github.com/neonauthd/neonauthd/internal/strictjson"
)

// otherKind tells whether a claim shows that the token is of another kind than the policy
// takes (access tokens or logout tokens). The claims are: hashes that only ID tokens have
// (OpenID Connect Core section 3.3.2.11); "events" of logout tokens and security events
// (RFC 8417); "typ" as Keycloak writes it; "token_use" as Cognito writes it.
func (c *payload) otherKind(name string, value strictjson.Value) bool {
	switch name {
	case "typ":
		switch exactText(value) {
		case "ID", "Refresh", "Offline":
			return true
		case "Logout":
			return !c.policy.Logout
		}
		return false
	case "token_use":
		return exactText(value) == "id"
	case "events":
		if c.policy.Logout {
			c.event = hasLogoutEvent(value)
			return !c.event
		}
		return value.Kind() == '{'
	default:
		return value.Kind() == '"'
	}
}

// grant reads which client got the token and for which scope (RFC 9068 section 2.2). If the
// policy does not use the claim, any form will do.
func (c *payload) grant(name []byte, value strictjson.Value) (what string) {
	used := c.policy.Resource || c.policy.AudienceClaim != "" && string(name) != "scope"
	if !used || !c.fits(name, value, "\"", "a string") {
		return ""
	}
	if string(name) == "scope" {
		c.scope = exactText(value)
		return ""
	}
	id, what := identifier(value)
	switch {
	case what != "":
	case id == "":
		c.misfits(name, "is empty")
	case c.client != "" && c.client != id:
		c.misfits(name, "names another client than azp or client_id does")
	default:
		c.client = id
		c.stated = c.stated || string(name) == c.policy.AudienceClaim
	}
	return what
}

// addressees are the audiences of the token: the names in "aud" or, if the policy has an
// AudienceClaim, the client if there is no "aud".
func (c *payload) addressees() []string {
	switch {
	case c.policy.AudienceClaim == "":
		return c.audiences
	case c.stated && !c.hasAudience:
		return []string{c.client}
	default:
		return nil
	}
}

// audienceFlaw says why a token has none of the policy's audiences if the policy has an
// AudienceClaim; nil if the only reason is the claim's value.
func (c *payload) audienceFlaw() error {
	switch {
	case c.policy.AudienceClaim == "":
		return nil
	case c.hasAudience:
		return &flaw{"aud", "is there, and the project takes tokens without one only (audience_claim)"}
	case !c.stated:
		return &flaw{c.policy.AudienceClaim, "is absent"}
	default:
		return nil
	}
}

// class is ClassMachine for a client that acts for itself, and for users the class of a.
func (c *payload) class(a *Audience) Class {
	if (c.policy.Resource || c.policy.AudienceClaim != "") && c.subject == c.client {
		return ClassMachine
	}
	return a.Class
}

// lacksScope tells whether a word that the policy demands is not in "scope".
// Words are compared whole (RFC 6749 section 3.3).
func (c *payload) lacksScope() bool {
	granted := strings.Split(c.scope, " ")
	return slices.ContainsFunc(c.policy.Scopes, func(word string) bool { return !slices.Contains(granted, word) })
}
