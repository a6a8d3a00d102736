package resolve

import (
	"slices"
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/resolve/excerpt"
	"github.com/neonauthd/neonauthd/internal/span"
)

// values returns the token's value at a check, and what the project demands there.
// They are empty if the token could not be read.
func (t *trace) values(check string) (is, wants string) {
	said := &t.token.Said
	if t.policy == nil || said.Algorithm == "" && said.Expires.IsZero() {
		return "", ""
	}
	switch check {
	case "header":
		return excerpt.Of(said.Type), t.types()
	case "scope":
		return excerpt.Of(said.Scope), excerpt.List(t.policy.Scopes)
	case "algorithm":
		return excerpt.Of(said.Algorithm), t.algorithms()
	case "key":
		return excerpt.Of(said.KeyID), t.keyIDs()
	case "issuer":
		return excerpt.Of(said.Issuer), issuers(t.policy.Admitted)
	case "audience":
		return t.audience()
	case "class":
		return t.classes()
	case "time":
		return times(said, t.at), "exp after, nbf and iat at most " + span.String(max(t.policy.Leeway, 0)) + " after this host's time, " + excerpt.Instant(t.at)
	}
	return "", ""
}

// types returns the values that "typ" may have.
func (t *trace) types() string {
	switch {
	case t.policy.Resource:
		return "at+jwt"
	case t.policy.AccessTokenType:
		return "JWT, at+jwt or none"
	default:
		return "JWT or none"
	}
}

// audience returns for whom the token is, and for whom it must be. If another
// claim than "aud" says so, the texts name that claim.
func (t *trace) audience() (is, wants string) {
	said, claim := &t.token.Said, t.policy.AudienceClaim
	is, wants = excerpt.List(said.Audiences), audiences(t.policy.Admitted)
	if claim == "" {
		return is, wants
	}
	var has []string
	if is != "" {
		has = append(has, claim+" "+is)
	}
	if said.HasAud {
		has = append(has, strings.TrimRight("aud "+excerpt.List(said.Aud), " "))
	}
	return strings.Join(has, "; "), claim + " " + wants + "; no aud"
}

// algorithms returns the algorithms of the key that the token names; without such
// a key, those of the project.
func (t *trace) algorithms() string {
	from, whose := t.policy.Algorithms, ""
	if k := t.token.Key; k != nil && !k.Withdrawn() {
		from, whose = k.Algorithms(), ", as its key"
	}
	var all []string
	for _, alg := range from {
		all = append(all, string(alg))
	}
	return excerpt.List(all) + whose
}

// keyIDs returns the ids of the keys in the key set.
func (t *trace) keyIDs() string {
	var all []string
	if t.set == nil {
		return ""
	}
	for _, k := range t.set.Keys() {
		if !k.Withdrawn() {
			all = append(all, k.ID())
		}
	}
	return excerpt.List(all)
}

// classes returns the class of the user and the admitted classes. If the project
// admits by role, it returns roles instead.
func (t *trace) classes() (is, wants string) {
	if t.policy.Role != "" {
		return excerpt.Of(t.token.Said.Role), t.policy.Role
	}
	var all []string
	for i := range t.policy.Admitted {
		if class := t.policy.Admitted[i].Class; class != keyset.ClassUnknown {
			all = appendNew(all, class.String())
		}
	}
	if t.policy.Machines {
		all = appendNew(all, keyset.ClassMachine.String())
	}
	if all == nil { // a project without classes
		return "", ""
	}
	return t.token.Said.Class.String(), excerpt.List(all)
}

func issuers(audiences []keyset.Audience) string {
	var all []string
	for i := range audiences {
		for _, issuer := range audiences[i].Issuers {
			all = appendNew(all, issuer)
		}
	}
	return excerpt.List(all)
}

func audiences(audiences []keyset.Audience) string {
	var all []string
	for i := range audiences {
		all = appendNew(all, audiences[i].Name)
	}
	return excerpt.List(all)
}

func appendNew(all []string, one string) []string {
	if slices.Contains(all, one) {
		return all
	}
	return append(all, one)
}

// times returns the instants that a token names, each with its distance from now.
func times(said *keyset.Said, now time.Time) string {
	var all []string
	for _, is := range []struct {
		name string
		at   time.Time
	}{{"exp", said.Expires}, {"iat", said.IssuedAt}, {"nbf", said.NotBefore}} {
		if !is.at.IsZero() {
			all = append(all, is.name+" "+excerpt.Instant(is.at)+", "+excerpt.Distance(is.at, now))
		}
	}
	return strings.Join(all, "; ")
}
