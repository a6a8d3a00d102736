package config

import "reflect"

// Change is what a reload changes of a project, by what the daemon may go on to use of all
// that it knows. Later values leave less. The zero value is no change.
type Change uint8

// The changes.
const (
	// ChangeNone changes nothing.
	ChangeNone Change = iota
	// ChangeRhythm changes how often, how fast or for how long the daemon does something. No
	// verdict depends on that, so nothing is forgotten.
	ChangeRhythm
	// ChangeRule changes which credentials are accepted, and neither who is asked nor who is
	// meant. Verdicts are reached anew. What the upstream said of a user stays true, because
	// each lookup verifies its token first, by the new rules. A wider Allow is such a
	// change; for a narrower one see Admits. The names of files are rules too: what is in the
	// files decides, and whoever reads them compares that.
	ChangeRule
	// ChangeOrigin changes who is asked, as whom, or which user is meant. What the upstream
	// said before may be about somebody else.
	ChangeOrigin
)

// changes says for each key of [[project]] what a change of the key is. A test fails for a
// key that is not here.
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
// WithDerived. What is in files is not compared.
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
