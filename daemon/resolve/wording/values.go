package wording

import (
	"slices"
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/resolve/excerpt"
	"github.com/neonauthd/neonauthd/internal/span"
)

// Values returns the token's value at a check, and what the project demands there.
// They are empty if the token could not be read.
func (j *Judgement) Values(check keyset.Stage) (is, wants string) {
	said := &j.Token.Said
	if j.Policy == nil || said.Algorithm == "" && said.Expires.IsZero() {
		return "", ""
	}
	switch check {
	case keyset.StageHeader:
		return excerpt.Of(said.Type), j.types()
	case keyset.StageScope:
		return excerpt.Of(said.Scope), excerpt.List(j.Policy.Scopes)
	case keyset.StageAlgorithm:
		return excerpt.Of(said.Algorithm), j.algorithms()
	case keyset.StageKey:
		return excerpt.Of(said.KeyID), j.keyIDs()
	case keyset.StageIssuer:
		return excerpt.Of(said.Issuer), issuers(j.Policy.Admitted)
	case keyset.StageAudience:
		return j.audience()
	case keyset.StageClass:
		return j.classes()
	case keyset.StageTime:
		return times(said, j.At), "exp after, nbf and iat at most " + span.String(max(j.Policy.Leeway, 0)) + " after this host's time, " + excerpt.Instant(j.At)
	case keyset.StageGate, keyset.StageSignature, keyset.StageClaims: // these compare no values
	}
	return "", ""
}

// types returns the values that "typ" may have.
func (j *Judgement) types() string {
	switch {
	case j.Policy.Resource:
		return "at+jwt"
	case j.Policy.AccessTokenType:
		return "JWT, at+jwt or none"
	default:
		return "JWT or none"
	}
}

// audience returns the token's audiences and the project's. If the project reads
// them from another claim than "aud", the texts name that claim.
func (j *Judgement) audience() (is, wants string) {
	said, claim := &j.Token.Said, j.Policy.AudienceClaim
	is, wants = excerpt.List(said.Audiences), audiences(j.Policy.Admitted)
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
func (j *Judgement) algorithms() string {
	from, whose := j.Policy.Algorithms, ""
	if k := j.Token.Key; k != nil && !k.Withdrawn() {
		from, whose = k.Algorithms(), ", as its key"
	}
	var all []string
	for _, alg := range from {
		all = append(all, string(alg))
	}
	return excerpt.List(all) + whose
}

// keyIDs returns the ids of the keys in the key set.
func (j *Judgement) keyIDs() string {
	var all []string
	if j.Set == nil {
		return ""
	}
	for _, k := range j.Set.Keys() {
		if !k.Withdrawn() {
			all = append(all, k.ID())
		}
	}
	return excerpt.List(all)
}

// classes returns the class of the user and the admitted classes. If the project
// admits by role, it returns roles instead.
func (j *Judgement) classes() (is, wants string) {
	if j.Policy.Role != "" {
		return excerpt.Of(j.Token.Said.Role), j.Policy.Role
	}
	var all []string
	for i := range j.Policy.Admitted {
		if class := j.Policy.Admitted[i].Class; class != keyset.ClassUnknown {
			all = appendNew(all, class.String())
		}
	}
	if j.Policy.Machines {
		all = appendNew(all, keyset.ClassMachine.String())
	}
	if all == nil { // a project without classes
		return "", ""
	}
	return j.Token.Said.Class.String(), excerpt.List(all)
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
