package main

import (
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/neonauthd/neonauthd/client"
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

// facts are the members that any preset's claims or profile may have under one
// of the names that it goes by. An absent member and null are the same.
type facts struct {
	text map[string]string
	flag map[string]answer3
	team string // the id in the object selected_team or o
}

// factsOf picks the members called for; names that are not listed are skipped.
func factsOf(object []byte) facts {
	f := facts{text: make(map[string]string, 8), flag: make(map[string]answer3, 4)}
	members(object, func(name string, value json.RawMessage) {
		switch name {
		case "email", "name", "aud", "sid", "selected_team_id", "refresh_token_id", "refreshTokenId", "primary_email", "display_name":
			if text, ok := decodeText(value); ok {
				f.text[name] = text
			}
		case "email_verified", "emailVerified", "primary_email_verified", "is_anonymous", "is_restricted":
			switch string(value) {
			case "true":
				f.flag[name] = yes
			case "false":
				f.flag[name] = no
			}
		case "selected_team", "o":
			members(value, func(name string, value json.RawMessage) {
				if name == "id" {
					f.team, _ = decodeText(value)
				}
			})
		}
	})
	return f
}

// claimsUser reads claims: Stack Auth's (snake case), Better Auth's (camel
// case, the organization in "o"), or OpenID Connect's.
func claimsUser(a *client.Accepted) user {
	f := factsOf(a.JSON)
	u := user{id: a.Subject, email: f.text["email"], name: f.text["name"], class: f.class()}
	u.emailVerified = firstKnown(f.flag["email_verified"], f.flag["emailVerified"])
	u.team = firstText(f.text["selected_team_id"], f.team)
	u.session = f.session()
	return u
}

// profileUser reads a profile. It has no session id; the token has, and the
// daemon has verified the very bytes that stand in it.
func profileUser(a *client.Accepted, token string) user {
	f := factsOf(a.JSON)
	u := user{id: a.Subject, class: f.class()}
	if email, stack := f.text["primary_email"]; stack || f.flag["primary_email_verified"] != 0 {
		// The flag of one address says nothing about another one.
		u.email, u.emailVerified = email, f.flag["primary_email_verified"]
	} else {
		u.email, u.emailVerified = f.text["email"], firstKnown(f.flag["email_verified"], f.flag["emailVerified"])
	}
	u.name = firstText(f.text["display_name"], f.text["name"])
	u.team = firstText(f.text["selected_team_id"], f.team)
	claims := factsOf(payload(token))
	u.session = claims.session()
	return u
}

func (f *facts) session() string {
	return firstText(f.text["refresh_token_id"], f.text["refreshTokenId"], f.text["sid"])
}

// class goes by the flags, and where a token has none by its audience.
func (f *facts) class() class {
	switch {
	case f.flag["is_anonymous"] == yes, strings.HasSuffix(f.text["aud"], ":anon"):
		return anonymous
	case f.flag["is_restricted"] == yes, strings.HasSuffix(f.text["aud"], ":restricted"):
		return restricted
	}
	return 0
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

func firstText(all ...string) string {
	for _, s := range all {
		if s != "" {
			return s
		}
	}
	return ""
}

func firstKnown(all ...answer3) answer3 {
	for _, a := range all {
		if a != 0 {
			return a
		}
	}
	return 0
}
