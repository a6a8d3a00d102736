package clienttest

import (
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/protocol"
)

// claimsOf returns the user as claims of Stack Auth. Those have no picture, so
// the picture has the claim of other issuers.
func claimsOf(u *client.User) json.RawMessage {
	return object(map[string]any{
		"sub": subjectOf(u), "email": text(u.Email), "email_verified": u.EmailVerified, "name": text(u.Name), "picture": text(u.ImageURL),
		"selected_team_id": text(u.TeamID), "refresh_token_id": text(u.SessionID),
		"is_anonymous": u.Kind == client.KindAnonymous, "is_restricted": u.Kind == client.KindAnonymous || u.Kind == client.KindRestricted,
		"exp": Expires().Unix(), "scope": text(strings.Join(u.Scopes, " ")),
	})
}

// profileOf returns the user as a profile of Stack Auth.
func profileOf(u *client.User) json.RawMessage {
	return object(map[string]any{
		"id": subjectOf(u), "primary_email": text(u.Email), "primary_email_verified": u.EmailVerified, "display_name": text(u.Name),
		"profile_image_url": text(u.ImageURL), "selected_team_id": text(u.TeamID),
		"is_anonymous": u.Kind == client.KindAnonymous, "is_restricted": u.Kind == client.KindAnonymous || u.Kind == client.KindRestricted,
	})
}

// sessionProfileOf returns the user as a profile of Better Auth, which is what a
// session credential has. It panics if the user has what no such profile says.
func sessionProfileOf(u *client.User) json.RawMessage {
	if u.TeamID != "" || u.SessionID != "" || len(u.Scopes) > 0 || u.Kind > client.KindNormal && u.Kind != client.KindAnonymous {
		panic("clienttest: the user of a session credential has neither team, session nor scopes, and is a normal or an anonymous one")
	}
	return object(map[string]any{
		"id": u.ID, "email": text(u.Email), "emailVerified": u.EmailVerified, "name": text(u.Name), "image": text(u.ImageURL),
		"isAnonymous": u.Kind == client.KindAnonymous,
	})
}

// subjectOf returns the id that the daemon would send for the user.
func subjectOf(u *client.User) string {
	if u.Kind == client.KindTeam {
		return u.TeamID
	}
	return u.ID
}

// principalOf returns the principal that the daemon would send for the user.
func principalOf(u *client.User) string {
	if u.Kind == client.KindMachine || u.Kind == client.KindTeam {
		return u.Kind.String()
	}
	return protocol.PrincipalUser
}

// text returns nil (null) for an empty text, as the upstream writes it.
func text(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func object(members map[string]any) json.RawMessage {
	encoded, err := json.Marshal(members)
	if err != nil {
		panic(err) // texts and flags always have an encoding
	}
	return encoded
}

// tokenOf returns a token with these claims.
func tokenOf(claims []byte) string {
	return "e30." + base64.RawURLEncoding.EncodeToString(claims) + ".c2ln"
}
