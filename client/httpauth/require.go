package httpauth

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/protocol"
)

// The reasons of a 403 for a requirement that is not met, in addition to
// protocol.ReasonClassNotAllowed and protocol.ReasonInsufficientScope.
const (
	ReasonEmailNotVerified = "email-not-verified"
	ReasonWrongTeam        = "wrong-team"
)

// Requirements are the conditions that a verified user must meet. The zero
// value requires a normal user and nothing else. The guards of all languages
// and neonauth-http have the same requirements.
type Requirements struct {
	// EmailVerified requires an email address that is known to be verified. The
	// claims of some issuers do not say so; a profile does.
	EmailVerified bool

	// Team requires that the user's selected team, or active organization, has
	// this id. An API key of a team must belong to the team with this id.
	// Empty: no requirement. Go cannot tell an empty id from one that is left
	// out: a program that reads the id from an environment variable, for
	// example, must exit if the variable is not set.
	Team string

	// Kinds are the kinds of users that are admitted. Empty: client.KindNormal.
	// The daemon's project must admit the other kinds too. A user whose kind is
	// not known is admitted if all three kinds of users (normal, restricted,
	// anonymous) are.
	Kinds []client.Kind

	// Scopes are the scopes that the token must have, all of them, compared as
	// whole words. No token has a scope that is not valid (ValidScope). Empty:
	// no requirement.
	Scopes []string
}

// Check returns an error if Kinds has what is no kind, such as
// client.KindUnknown, or Scopes has what is no scope.
func (r *Requirements) Check() error {
	if slices.ContainsFunc(r.Kinds, func(kind client.Kind) bool { return kind.String() == "" }) {
		return errors.New("kinds: one is no kind of users: name KindNormal, KindRestricted, KindAnonymous, KindMachine or KindTeam; " +
			"with the first three, users whose kind is not known are admitted too")
	}
	for i, scope := range r.Scopes {
		if !ValidScope(scope) {
			return fmt.Errorf("scopes: number %d is not one word: write each scope as a text of its own, of 1 to %d visible characters", i+1, MaxScope)
		}
	}
	return nil
}

// Unmet returns the reason, for Denied, why a verified user does not meet the
// requirements; "" if the user meets all of them.
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

// Refusal returns the refusal of a verified user who does not meet a
// requirement. refused is false if the user meets all of them. If scopes are
// missing, the challenge names the required scopes.
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
