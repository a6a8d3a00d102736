package main

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"strings"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/internal/strictjson"
)

// answer3 is a fact that may not be known. Its zero value is "not known".
type answer3 uint8

const (
	yes answer3 = iota + 1
	no
)

func (a answer3) String() string {
	switch a {
	case yes:
		return "true"
	case no:
		return "false"
	}
	return ""
}

// user is what is known of the person behind an accepted token. Only the id is
// always there. All of it is the user's or the upstream's text and leaves
// through header.go only.
type user struct {
	id            string
	email         string
	emailVerified answer3
	name          string
	team          string
	session       string
	class         class
}

// userOf reads the user from an accepted answer.
func userOf(a *client.Accepted, token string) user {
	if a.Level == client.LevelProfile {
		return profileUser(a, token)
	}
	return claimsUser(a)
}

// facts are the members that any preset's claims or profile may have, each
// under the name that it goes by there. An absent member and null are the same.
type facts struct {
	email, name                       string // Better Auth, OpenID Connect, Stack's claims
	primaryEmail, displayName         string // Stack's profile
	aud                               string
	selectedTeamID, teamID            string // Stack; the id in selected_team or in o (an organization)
	refreshTokenID, refreshTokenIDOld string // Stack: the session
	sid                               string // OpenID Connect: the session
	emailVerified, emailVerifiedCamel answer3
	primaryEmailVerified              answer3
	isAnonymous, isRestricted         answer3
	stackProfile                      bool // there is a primary_email or its flag
}

// factsOf picks the members called for; others are skipped.
func factsOf(object []byte) facts {
	var f facts
	strictjson.Each(object, func(name []byte, value strictjson.Value) {
		if text := f.text(name); text != nil {
			*text, _ = strictjson.Text(value)
		} else if flag := f.flag(name); flag != nil {
			*flag = answer3Of(value)
		} else if string(name) == "selected_team" || string(name) == "o" {
			strictjson.Each(value, func(name []byte, value strictjson.Value) {
				if string(name) == "id" {
					f.teamID, _ = strictjson.Text(value)
				}
			})
		}
		f.stackProfile = f.stackProfile || bytes.HasPrefix(name, []byte("primary_email"))
	})
	return f
}

func (f *facts) text(name []byte) *string {
	switch string(name) {
	case "email":
		return &f.email
	case "name":
		return &f.name
	case "aud":
		return &f.aud
	case "sid":
		return &f.sid
	case "primary_email":
		return &f.primaryEmail
	case "display_name":
		return &f.displayName
	case "selected_team_id":
		return &f.selectedTeamID
	case "refresh_token_id":
		return &f.refreshTokenID
	case "refreshTokenId":
		return &f.refreshTokenIDOld
	}
	return nil
}

func (f *facts) flag(name []byte) *answer3 {
	switch string(name) {
	case "email_verified":
		return &f.emailVerified
	case "emailVerified":
		return &f.emailVerifiedCamel
	case "primary_email_verified":
		return &f.primaryEmailVerified
	case "is_anonymous":
		return &f.isAnonymous
	case "is_restricted":
		return &f.isRestricted
	}
	return nil
}

// answer3Of reads true and false; the word "true" in quotes is neither.
func answer3Of(value strictjson.Value) answer3 {
	switch string(value) {
	case "true":
		return yes
	case "false":
		return no
	}
	return 0
}

// claimsUser reads claims: Stack Auth's (snake case), Better Auth's (camel
// case, the organization in "o"), or OpenID Connect's.
func claimsUser(a *client.Accepted) user {
	f := factsOf(a.JSON)
	return user{
		id: a.Subject, class: f.class(), session: f.session(),
		email: f.email, emailVerified: cmp.Or(f.emailVerified, f.emailVerifiedCamel),
		name: f.name, team: cmp.Or(f.selectedTeamID, f.teamID),
	}
}

// profileUser reads a profile. It has no session id; the token has, and the
// daemon has verified the very bytes that stand in it.
func profileUser(a *client.Accepted, token string) user {
	f, claims := factsOf(a.JSON), factsOf(payload(token))
	u := user{
		id: a.Subject, class: f.classAfter(&claims), session: claims.session(),
		email: f.email, emailVerified: cmp.Or(f.emailVerified, f.emailVerifiedCamel),
		name: cmp.Or(f.displayName, f.name), team: cmp.Or(f.selectedTeamID, f.teamID),
	}
	if f.stackProfile {
		// The flag of one address says nothing about another one.
		u.email, u.emailVerified = f.primaryEmail, f.primaryEmailVerified
	}
	return u
}

func (f *facts) session() string { return cmp.Or(f.refreshTokenID, f.refreshTokenIDOld, f.sid) }

// class goes by the flags, and where a token has none by its audience.
func (f *facts) class() class {
	switch {
	case f.isAnonymous == yes, strings.HasSuffix(f.aud, ":anon"):
		return anonymous
	case f.isRestricted == yes, strings.HasSuffix(f.aud, ":restricted"):
		return restricted
	}
	return 0
}

// classAfter is the class by a profile that was fetched with a token of these
// claims. What the profile says is newer; where it does not say, because it is
// of another preset or a [[caller]] rule withholds it, the token does.
func (f *facts) classAfter(claims *facts) class {
	merged := facts{
		isAnonymous:  cmp.Or(f.isAnonymous, claims.isAnonymous),
		isRestricted: cmp.Or(f.isRestricted, claims.isRestricted),
	}
	if f.isAnonymous == 0 {
		merged.aud = claims.aud
	}
	return merged.class()
}

// payload is the claims part of a token that was accepted; nil for a session
// credential, which has none.
func payload(token string) []byte {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil
	}
	claims, err := base64.RawURLEncoding.Strict().DecodeString(parts[1])
	if err != nil {
		return nil
	}
	return claims
}
