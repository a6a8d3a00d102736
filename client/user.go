package client

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"strings"

	"github.com/neonauthd/neonauthd/protocol"
)

// User is who an accepted token belongs to, in the same words whatever preset
// and level it comes from: an email address is "email" in claims and
// "primary_email" in a profile of Stack Auth, and here it is Email. What is not
// known is empty. The JSON of the answer has everything else.
//
// Printing a User shows its kind and nothing else. As JSON it has the names that
// the client for Node uses: id, email, emailVerified (true, false or null), name,
// imageUrl, teamId, sessionId, kind, scopes.
type User struct {
	// ID names the user, and is never empty in an answer. An address does not
	// name anybody: it can change, and move to somebody else.
	ID string `json:"id"`

	// Email is the primary address, and EmailVerified belongs to it.
	Email         string `json:"email"`
	EmailVerified Flag   `json:"emailVerified"`

	// Name is for people to read. It may hold any character.
	Name string `json:"name"`

	// ImageURL may be a data URL of a megabyte. A token of Stack Auth has none.
	ImageURL string `json:"imageUrl"`

	// TeamID is the selected team (Stack Auth) or the active organization
	// (Better Auth).
	TeamID string `json:"teamId"`

	// SessionID is the sign-in that the token comes from. The session
	// credential of Better Auth tells none.
	SessionID string `json:"sessionId"`

	// Kind is what class of user this is.
	Kind Kind `json:"kind"`

	// Scopes are what the token of an OAuth client is good for. Tokens of sessions have none.
	Scopes Scopes `json:"scopes"`
}

// Scopes are what a token is good for (RFC 6749 section 3.3), each a word of its own; nil: nothing, as far as is known. As JSON
// they are a list in every case.
type Scopes []string

// MarshalJSON writes the list.
func (s Scopes) MarshalJSON() ([]byte, error) { return json.Marshal(append([]string{}, s...)) }

// scopesIn takes the words apart, which have nothing but blanks between.
func scopesIn(text string) (s Scopes) {
	for word := range strings.SplitSeq(text, " ") {
		if word != "" {
			s = append(s, word)
		}
	}
	return s
}

// Flag is a fact that may not be known. Its zero value is FlagUnknown.
type Flag uint8

// The flags.
const (
	FlagUnknown Flag = iota
	FlagTrue
	FlagFalse
)

// String returns "true", "false", or "" for what is not known.
func (f Flag) String() string {
	switch f {
	case FlagTrue:
		return "true"
	case FlagFalse:
		return "false"
	case FlagUnknown:
	}
	return ""
}

// MarshalJSON writes true, false, or null for what is not known.
func (f Flag) MarshalJSON() ([]byte, error) {
	return []byte(cmp.Or(f.String(), "null")), nil
}

// Kind is a class of users. Its zero value is KindUnknown.
type Kind uint8

// The kinds. The daemon refuses restricted and anonymous users, machines and teams
// unless its project admits them.
const (
	KindUnknown    Kind = iota
	KindNormal          // signed in, and nothing stands against it
	KindRestricted      // signed in, but not let in everywhere, such as one whose address is not verified
	KindAnonymous       // somebody who has not signed in
	KindMachine         // no user: an OAuth client that acts for itself
	KindTeam            // no user: a team, whose API key it is
)

// String returns "normal", "restricted", "anonymous", "machine", "team", or "" for
// what is not known.
func (k Kind) String() string {
	switch k {
	case KindNormal:
		return "normal"
	case KindRestricted:
		return "restricted"
	case KindAnonymous:
		return "anonymous"
	case KindMachine:
		return protocol.PrincipalMachine
	case KindTeam:
		return protocol.PrincipalTeam
	case KindUnknown:
	}
	return ""
}

// MarshalText is String.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// String says what kind of user it is, and nothing of who.
func (u User) String() string { return "user kind=" + cmp.Or(u.Kind.String(), "unknown") }

// GoString is String: %#v must not spill the rest either.
func (u User) GoString() string { return "client.User{" + u.String() + "}" }

// LogValue is String for structured logs.
func (u User) LogValue() slog.Value { return slog.StringValue(u.String()) }

// User reads who the token belongs to. It costs a pass over the JSON, so keep
// what it returns.
//
// A profile has no session, no scopes and, where it comes from an older server or a
// [[caller]] table withholds members, no class of user: those come from the
// claims of the token that the answer is about. An opaque access token has no
// claims but what its introspection says.
func (a Accepted) User() User {
	f := factsOf(a.JSON)
	u := User{
		ID:    a.Subject,
		Email: f.email, EmailVerified: cmp.Or(f.emailVerified.flag(), f.emailVerifiedCamel.flag()),
		Name:     cmp.Or(f.displayName, f.name),
		ImageURL: cmp.Or(f.profileImageURL, f.image, f.picture),
		TeamID:   cmp.Or(f.selectedTeamID, f.selectedTeam, f.organization),
	}
	if f.primary {
		// The flag of one address says nothing about another one.
		u.Email, u.EmailVerified = f.primaryEmail, f.primaryEmailVerified.flag()
	}
	claims := &f
	if payload := a.Claims(); a.Level == LevelProfile && (payload != nil || f.active != markTrue || f.clientID == "") {
		token := factsOf(payload)
		claims = &token
	}
	u.SessionID = cmp.Or(claims.refreshTokenID, claims.refreshTokenIDCamel, claims.sid)
	u.Scopes = scopesIn(claims.scope)
	switch u.Kind = f.kind(claims); a.Principal {
	case "", protocol.PrincipalUser:
	case protocol.PrincipalMachine:
		u.Kind = KindMachine
	case protocol.PrincipalTeam:
		u.Kind = KindTeam
	default: // of a newer daemon: not one that anybody here has admitted
		u.Kind = KindUnknown
	}
	return u
}

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

// payloadOf is the claims part of a token; "" for a session credential, which
// has none.
func payloadOf(token string) string {
	_, rest, _ := strings.Cut(token, ".")
	payload, _, found := strings.Cut(rest, ".")
	if !found {
		return ""
	}
	return strings.Clone(payload) // or an answer that is kept would keep the token
}

// decodePayload opens what the daemon has verified. An issuer may have written
// blanks into it, which the daemon leaves out of what it sends.
func decodePayload(payload string) []byte {
	claims, err := base64.RawURLEncoding.Strict().DecodeString(payload)
	var compact bytes.Buffer
	if err != nil || json.Compact(&compact, claims) != nil {
		return nil
	}
	return compact.Bytes()
}
