package client

import (
	"cmp"
	"encoding/json"
	"strings"
)

// facts are the members of claims and profiles that a User is made of, each
// under the name that it goes by there. An absent member and null are the same.
type facts struct {
	email, primaryEmail, name, displayName string
	emailVerified, emailVerifiedCamel      mark
	primaryEmailVerified                   mark
	primary                                bool // there is a primary_email or its flag
	image, picture, profileImageURL        string
	selectedTeamID                         string
	selectedTeam, organization             string // the id in it
	refreshTokenID, refreshTokenIDCamel    string
	sid, aud, scope, clientID              string
	isAnonymous, isAnonymousCamel          mark
	isRestricted                           mark
	active                                 mark // with clientID: it is an answer of an introspection
}

// mark is a JSON value that ought to be true or false.
type mark uint8

const (
	markAbsent mark = iota // or null
	markTrue
	markFalse
	markOdd // there, and neither
)

// markOf reads true and false, and the words for them in quotes, which some
// issuers send.
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

// text is where a member goes that is a string.
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

// mark is where a member goes that is true or false.
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

// inner is where the id goes of a member that is an object.
func (f *facts) inner(name []byte) *string {
	switch string(name) {
	case "selected_team":
		return &f.selectedTeam
	case "o":
		return &f.organization
	}
	return nil
}

// kind goes by the flags: what the object says is newer than what the token
// says, and the audience tells where neither does. A flag that cannot be read
// leaves the kind unknown, unless another one settles it.
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
