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
