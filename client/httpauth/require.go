package httpauth

import (
	"slices"
	"strings"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/protocol"
)

// The Reasons of a 403 for a requirement that is not met, beside
// protocol.ReasonClassNotAllowed and protocol.ReasonInsufficientScope.
const (
	ReasonEmailNotVerified = "email-not-verified"
	ReasonWrongTeam        = "wrong-team"
)

// Requirements are what a verified user has to be besides. The zero value asks
// for a normal user and nothing else. The guards of every language and
// neonauth-http go by the same ones.
type Requirements struct {
	// EmailVerified asks for an address that is known to be verified. Claims
	// of some issuers do not tell; a profile does.
	EmailVerified bool

	// Team asks for the user's selected team, or active organization, to be
	// the one of this id. Empty: any or none. Go cannot tell an empty id from
	// one that is left out: a program that takes the id from a variable, such
	// as one of the environment, has to end when that is not set.
	Team string

	// Kinds say who may come in: kinds of users, machines, teams. Empty: client.KindNormal.
	// The others have to be admitted by the daemon's project too. A user whose
	// kind is not known may come in where all three kinds of users may.
	Kinds []client.Kind

	// Scopes are those that the token has to have, all of them, compared as whole words. One that is no scope (ValidScope) no
	// token has. Empty: none.
	Scopes []string
}

// Unmet says which requirement a verified user does not meet, for Denied; ""
// is none.
func (r *Requirements) Unmet(u client.User) (reason string) {
	switch {
	case !r.admits(u.Kind):
		return string(protocol.ReasonClassNotAllowed)
	case r.EmailVerified && (u.Email == "" || u.EmailVerified != client.FlagTrue):
		return ReasonEmailNotVerified
	case r.Team != "" && u.TeamID != r.Team:
		return ReasonWrongTeam
	case slices.ContainsFunc(r.Scopes, func(scope string) bool { return !slices.Contains(u.Scopes, scope) }):
		return string(protocol.ReasonInsufficientScope)
	}
	return ""
}

// Refusal is how a request is answered whose verified user does not meet a requirement. refused is false for one who meets
// them all. A challenge for want of scopes names those that are required.
func (r *Requirements) Refusal(u client.User) (refusal Refusal, refused bool) {
	reason := r.Unmet(u)
	if reason == "" {
		return Refusal{}, false
	}
	refusal = Denied(reason)
	if reason == string(protocol.ReasonInsufficientScope) {
		refusal.Scope = strings.Join(r.Scopes, " ")
	}
	return refusal, true
}

func (r *Requirements) admits(kind client.Kind) bool {
	if len(r.Kinds) == 0 {
		return kind == client.KindNormal
	}
	if kind != client.KindUnknown {
		return slices.Contains(r.Kinds, kind)
	}
	for _, each := range []client.Kind{client.KindNormal, client.KindRestricted, client.KindAnonymous} {
		if !slices.Contains(r.Kinds, each) {
			return false
		}
	}
	return true
}
