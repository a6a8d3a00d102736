package client

import (
	"cmp"
	"encoding/json"
	"strings"
)

// facts are the members of claims and profiles from which a User is made, each
// under its name there. An absent member and null are the same.
type facts struct {
	email, primaryEmail, name, displayName string
	emailVerified, emailVerifiedCamel      mark
	primaryEmailVerified                   mark
	primary                                bool // the object has a primary_email or its flag
	image, picture, profileImageURL        string
	selectedTeamID                         string
	selectedTeam, organization             string // the id of the object
	refreshTokenID, refreshTokenIDCamel    string
	sid, aud, scope, clientID              string
	isAnonymous, isAnonymousCamel          mark
	isRestricted                           mark
	active                                 mark // with clientID: the object is the answer of an introspection
}

// mark is a JSON value that ought to be true or false.
type mark uint8

const (
	markAbsent mark = iota // or null
	markTrue
	markFalse
	markOdd // present, but neither true nor false
)

// markOf reads true and false, also in quotes, as some issuers send them.
func markOf(value json.RawMessage) mark {
	switch string(value) {
	case "true", `"true"`:
		return markTrue
	case "false", `"false"`:
		return markFalse
	case "null":
		return markAbsent
	}
	return markOdd
}

func (m mark) flag() Flag {
	switch m {
	case markTrue:
		return FlagTrue
	case markFalse:
		return FlagFalse
	case markAbsent, markOdd:
	}
	return FlagUnknown
}

func factsOf(object []byte) facts {
	var f facts
	members(object, func(name []byte, value json.RawMessage) {
		if text := f.text(name); text != nil {
			*text, _ = decodeText(value)
		} else if m := f.mark(name); m != nil {
			*m = markOf(value)
		} else if id := f.inner(name); id != nil {
			members(value, func(name []byte, value json.RawMessage) {
				if string(name) == "id" {
					*id, _ = decodeText(value)
				}
			})
		}
		f.primary = f.primary || string(name) == "primary_email" || string(name) == "primary_email_verified"
	})
	return f
}

// text returns the field for a member that is a string; nil for every other
// member.
func (f *facts) text(name []byte) *string {
	switch string(name) {
	case "email":
		return &f.email
	case "primary_email":
		return &f.primaryEmail
	case "name":
		return &f.name
	case "display_name":
		return &f.displayName
	case "image":
		return &f.image
	case "picture":
		return &f.picture
	case "profile_image_url":
		return &f.profileImageURL
	case "selected_team_id":
		return &f.selectedTeamID
	case "refresh_token_id":
		return &f.refreshTokenID
	case "refreshTokenId":
		return &f.refreshTokenIDCamel
	case "sid":
		return &f.sid
	case "aud":
		return &f.aud
	case "scope":
		return &f.scope
	case "client_id":
		return &f.clientID
	}
	return nil
}

// mark returns the field for a member that is true or false; nil for every
// other member.
func (f *facts) mark(name []byte) *mark {
	switch string(name) {
	case "email_verified":
		return &f.emailVerified
	case "emailVerified":
		return &f.emailVerifiedCamel
	case "primary_email_verified":
		return &f.primaryEmailVerified
	case "is_anonymous":
		return &f.isAnonymous
	case "isAnonymous":
		return &f.isAnonymousCamel
	case "is_restricted":
		return &f.isRestricted
	case "active":
		return &f.active
	}
	return nil
}

// inner returns the field for the id of a member that is an object; nil for
// every other member.
func (f *facts) inner(name []byte) *string {
	switch string(name) {
	case "selected_team":
		return &f.selectedTeam
	case "o":
		return &f.organization
	}
	return nil
}

// kind decides by the flags. The flags of the object are newer than those of
// the token's claims, so they count first; the audience counts where neither
// has the flag. A flag that cannot be read leaves the kind unknown, unless
// another flag decides it.
func (f *facts) kind(claims *facts) Kind {
	anonymous := cmp.Or(f.isAnonymous, f.isAnonymousCamel, claims.isAnonymous, claims.isAnonymousCamel, markIf(strings.HasSuffix(claims.aud, ":anon")))
	restricted := cmp.Or(f.isRestricted, claims.isRestricted, markIf(strings.HasSuffix(claims.aud, ":restricted")))
	switch {
	case anonymous == markTrue:
		return KindAnonymous
	case anonymous == markOdd, restricted == markOdd:
		return KindUnknown
	case restricted == markTrue:
		return KindRestricted
	}
	return KindNormal
}

func markIf(set bool) mark {
	if set {
		return markTrue
	}
	return markAbsent
}
