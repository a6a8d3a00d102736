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

// User is the user that an accepted token belongs to. Its fields are the same
// for every preset and level: an email address is "email" in claims and
// "primary_email" in a profile of Stack Auth, and here it is always Email. A
// field is empty if its value is not known. The JSON of the answer has all
// other members.
//
// Printing a User shows only its kind. As JSON, a User has the names of the
// client for Node: id, email, emailVerified (true, false or null), name,
// imageUrl, teamId, sessionId, kind, scopes.
type User struct {
	// ID identifies the user. Do not identify users by Email: an address can
	// change, and can later belong to another user. A machine, which is no user,
	// has its client id here. It is empty for a team, and never otherwise.
	ID string `json:"id"`

	// Email is the primary address. EmailVerified is about this address.
	Email         string `json:"email"`
	EmailVerified Flag   `json:"emailVerified"`

	// Name is the name to show to people. It may contain any character.
	Name string `json:"name"`

	// ImageURL is the address of the user's picture. It may be a data URL of a
	// megabyte. Tokens of Stack Auth have no picture.
	ImageURL string `json:"imageUrl"`

	// TeamID is the selected team (Stack Auth) or the active organization
	// (Better Auth). For a team's API key it is the team.
	TeamID string `json:"teamId"`

	// SessionID identifies the sign-in that the token comes from. It is empty
	// for a session credential of Better Auth.
	SessionID string `json:"sessionId"`

	// Kind is the class of the user.
	Kind Kind `json:"kind"`

	// Scopes are the scopes of an OAuth client's token. Tokens of sessions have
	// none.
	Scopes Scopes `json:"scopes"`
}

// Scopes are the scopes of a token (RFC 6749 section 3.3), one word each. nil:
// none are known. As JSON, Scopes are always a list.
type Scopes []string

// MarshalJSON writes the list.
func (s Scopes) MarshalJSON() ([]byte, error) { return json.Marshal(append([]string{}, s...)) }

// scopesIn splits the claim "scope" at its blanks.
func scopesIn(text string) (s Scopes) {
	for word := range strings.SplitSeq(text, " ") {
		if word != "" {
			s = append(s, word)
		}
	}
	return s
}

// String returns the kind of the user, and nothing else about the user.
func (u User) String() string { return "user kind=" + cmp.Or(u.Kind.String(), "unknown") }

// GoString is String: %#v must not show the other fields either.
func (u User) GoString() string { return "client.User{" + u.String() + "}" }

// LogValue is String for structured logs.
func (u User) LogValue() slog.Value { return slog.StringValue(u.String()) }

// User returns the user that the token belongs to. It parses the JSON at each
// call, so keep the result.
//
// A profile has neither session nor scopes. It has no class of user if it comes
// from an older server or if a [[caller]] table withholds that member. User
// takes these from the claims of the token that the answer is about. An opaque
// access token has no claims but those that its introspection returned.
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
		// A program that looks up a user by the ID must not find one by the id of a team.
		u.Kind, u.ID, u.TeamID = KindTeam, "", a.Subject
	default: // a newer daemon's principal, which this program has not admitted
		u.Kind, u.ID = KindUnknown, ""
	}
	return u
}

// payloadOf returns the claims part of a token. It returns "" unless the token
// has exactly three parts, like every token whose claims the daemon verifies: a
// session credential has no claims, and of an opaque access token with more
// parts no part is verified.
func payloadOf(token string) string {
	_, rest, _ := strings.Cut(token, ".")
	payload, signature, found := strings.Cut(rest, ".")
	if !found || strings.Contains(signature, ".") {
		return ""
	}
	return strings.Clone(payload) // a kept answer must not keep the token in memory
}

// decodePayload decodes claims that the daemon has verified. An issuer may have
// written blanks into them; the daemon removes blanks from the JSON that it
// sends, and decodePayload does the same.
func decodePayload(payload string) []byte {
	claims, err := base64.RawURLEncoding.Strict().DecodeString(payload)
	var compact bytes.Buffer
	if err != nil || json.Compact(&compact, claims) != nil {
		return nil
	}
	return compact.Bytes()
}
