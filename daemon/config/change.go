package config

import "reflect"

// Change says how much of its knowledge about a project the daemon has to give up after a
// reload. Later values give up more. The zero value is no change.
type Change uint8

// The changes.
const (
	// ChangeNone changes nothing.
	ChangeNone Change = iota
	// ChangeRhythm changes how often, how fast or for how long the daemon does something. No
	// verdict depends on that, so nothing is forgotten.
	ChangeRhythm
	// ChangeRule changes which credentials are accepted, but not who is asked or who is
	// meant. Cached verdicts are not used any more. The upstream's answers about users stay
	// true, because each lookup first verifies its token by the new rules. A wider Allow is
	// such a change; for a narrower one see Admits. The names of files are rules too: only
	// the contents of the files decide, and the code that reads the files compares these.
	ChangeRule
	// ChangeOrigin changes who is asked, as whom, or which user is meant. Earlier answers of
	// the upstream may be about somebody else.
	ChangeOrigin
)

// changes has the kind of change for each key of [[project]]. A test fails for a key that is
// not here.
var changes = map[string]Change{
	"profile_fresh":       ChangeRhythm,
	"profile_stale":       ChangeRhythm,
	"upstream_timeout":    ChangeRhythm,
	"upstream_rate":       ChangeRhythm,
	"jwks_refresh":        ChangeRhythm,
	"jwks_max_age":        ChangeRhythm,
	"jwks_cooldown":       ChangeRhythm,
	"session_lifetime":    ChangeRhythm, // revocations are kept for so long, and they are not the project's
	"introspection.limit": ChangeRhythm,

	"leeway":               ChangeRule,
	"scopes":               ChangeRule,
	"allow":                ChangeRule,
	"api_keys":             ChangeRule,
	"logout_client_ids":    ChangeRule,
	"secret_server_key":    ChangeRule, // these four are names of files
	"introspection.secret": ChangeRule,
	"ca":                   ChangeRule,
	"upstream_proxy":       ChangeRule,

	"name":                    ChangeOrigin,
	"preset":                  ChangeOrigin,
	"project_id":              ChangeOrigin,
	"base_url":                ChangeOrigin,
	"jwks_url":                ChangeOrigin,
	"userinfo_url":            ChangeOrigin,
	"insecure_http":           ChangeOrigin,
	"introspection":           ChangeOrigin, // one comes or goes
	"introspection_url":       ChangeOrigin,
	"introspection.client_id": ChangeOrigin,
	"introspection.auth":      ChangeOrigin,
	"issuers":                 ChangeOrigin, // a subject of one issuer is another user at the next
	"audiences":               ChangeOrigin, // what userinfo says may depend on the client that asked
	"audience_claim":          ChangeOrigin,
	"resources":               ChangeOrigin,
	"algorithms":              ChangeOrigin, // a signed answer may have come by one that is refused now
}

// ChangeFrom returns the greatest change from the table before to p. Both come from
// WithDerived. The contents of files are not compared.
func (p *Project) ChangeFrom(before *Project) Change {
	return changeOf("", reflect.ValueOf(p).Elem(), reflect.ValueOf(before).Elem())
}

// changeOf returns the greatest change between two tables whose keys begin with prefix.
func changeOf(prefix string, now, before reflect.Value) (greatest Change) {
	for i := range now.NumField() {
		key, a, b := prefix+now.Type().Field(i).Tag.Get("toml"), now.Field(i), before.Field(i)
		if reflect.DeepEqual(a.Interface(), b.Interface()) {
			continue
		}
		change, known := changes[key]
		if !known {
			change = ChangeOrigin
		}
		if isTable(a.Type()) && !a.IsNil() && !b.IsNil() {
			change = changeOf(key+".", a.Elem(), b.Elem())
		}
		greatest = max(greatest, change)
	}
	return greatest
}

// isTable reports whether a key has a table of its own.
func isTable(t reflect.Type) bool {
	return t.Kind() == reflect.Pointer && t.Elem().Kind() == reflect.Struct
}
