package resolve

import (
	"fmt"
	"strings"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/upstream"
)

// untaken says which kind of credential this is by its form, and why the project does not
// take it; "" if the form tells nothing. It is for a credential that classify calls
// malformed, and for people: the form proves nothing.
func (l *Lookup) untaken() string {
	switch k, whole := upstream.ParseAPIKey(l.Token); {
	case whole:
		return "it is " + keyKind(k) + ", and " + l.noKeys(k)
	case upstream.ResemblesAPIKey(l.Token):
		return "it looks like an API key of Stack Auth, and has not the form or not the checksum of one: it was cut or changed, so the upstream is not asked"
	}
	_, session := upstream.ParseSession(l.Token)
	switch access := upstream.OpaqueAccessToken(l.Token); {
	case session && access:
		return "it has the form of an opaque access token, and of the token of a session without its signature, and " + l.noOpaque()
	case access && len(l.Project.config().Resources) > 0:
		return "it may be an opaque access token, and " + l.noOpaque()
	case session:
		return "it is a session credential of Better Auth, and " + l.noOpaque()
	}
	return ""
}

// keyKind names an API key.
func keyKind(k upstream.APIKey) string {
	if k.Team {
		return "an API key of a team"
	}
	return "an API key of a user"
}

// noKeys says why the project does not take an API key.
func (l *Lookup) noKeys(k upstream.APIKey) string {
	c := l.Project.config()
	switch {
	case !l.Project.preset.APIKeys:
		return fmt.Sprintf("a project of preset %q takes none: ask one of preset \"stack\"", c.Preset)
	case len(c.APIKeys) == 0:
		return "the project takes none: see api_keys in the configuration"
	case k.Team:
		return "the project takes API keys of users only: api_keys in the configuration lacks \"" + config.APIKeysTeam + "\""
	default:
		return "the project takes API keys of teams only: api_keys in the configuration lacks \"" + config.APIKeysUser + "\""
	}
}

// noOpaque says why the project takes no other credential that only the upstream can judge.
func (l *Lookup) noOpaque() string {
	c := l.Project.config()
	if len(c.Resources) == 0 {
		return fmt.Sprintf("this project of preset %q takes no sessions, which are for one of preset \"neon\", and no opaque access tokens, which need introspection", c.Preset)
	}
	text := "the project is a resource, which takes access tokens for " + strings.Join(c.Resources, ", ") + " only"
	if c.Introspection == nil {
		text += ", and opaque ones only with introspection"
	}
	return text
}
