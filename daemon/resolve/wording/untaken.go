package wording

import (
	"fmt"
	"strings"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/upstream"
)

// Untaken says which kind a credential is by its form, and why a project does not take it;
// "" if the form tells nothing. table is the project's, preset is that of the table. It is
// for a credential that is malformed as a token, and for people: the form proves nothing.
func Untaken(credential []byte, table *config.Project, preset *config.Preset) string {
	switch k, whole := upstream.ParseAPIKey(credential); {
	case whole:
		return "it is " + KeyKind(k) + ", and " + noKeys(k, table, preset)
	case upstream.ResemblesAPIKey(credential):
		return "it looks like an API key of Stack Auth, and has not the form or not the checksum of one: it was cut or changed, so the upstream is not asked"
	}
	_, session := upstream.ParseSession(credential)
	switch access := upstream.OpaqueAccessToken(credential); {
	case session && access:
		return "it has the form of an opaque access token, and of the token of a session without its signature, and " + noOpaque(table)
	case access && len(table.Resources) > 0:
		return "it may be an opaque access token, and " + noOpaque(table)
	case session:
		return "it is a session credential of Better Auth, and " + noOpaque(table)
	}
	return ""
}

// KeyKind names an API key.
func KeyKind(k upstream.APIKey) string {
	if k.Team {
		return "an API key of a team"
	}
	return "an API key of a user"
}

// noKeys says why the project does not take an API key.
func noKeys(k upstream.APIKey, table *config.Project, preset *config.Preset) string {
	switch {
	case !preset.APIKeys:
		return fmt.Sprintf("a project of preset %q takes none: ask one of preset \"stack\"", table.Preset)
	case len(table.APIKeys) == 0:
		return "the project takes none: see api_keys in the configuration"
	case k.Team:
		return "the project takes API keys of users only: api_keys in the configuration lacks \"" + config.APIKeysTeam + "\""
	default:
		return "the project takes API keys of teams only: api_keys in the configuration lacks \"" + config.APIKeysUser + "\""
	}
}

// noOpaque says why the project takes no other credential that only the upstream can judge.
func noOpaque(table *config.Project) string {
	if len(table.Resources) == 0 {
		return fmt.Sprintf("this project of preset %q takes no sessions, which are for one of preset \"neon\", and no opaque access tokens, which need introspection", table.Preset)
	}
	text := "the project is a resource, which takes access tokens for " + strings.Join(table.Resources, ", ") + " only"
	if table.Introspection == nil {
		text += ", and opaque ones only with introspection"
	}
	return text
}
