package standin

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin/mint"
	"github.com/neonauthd/neonauthd/daemon/standin/ordered"
	"github.com/neonauthd/neonauthd/daemon/standin/stackauth"
)

// User is a user of every preset at once. Fields that are empty are null upstream.
type User struct {
	// ID is a UUID; empty: a fresh one.
	ID            string `json:"id"`
	Email         string `json:"email"`
	EmailVerified bool   `json:"email_verified"`
	Name          string `json:"name"`
	ImageURL      string `json:"image_url"`
	// Password for the sign-in endpoints; empty: these refuse the user.
	Password string `json:"password"`
	// Anonymous users are restricted as well.
	Anonymous bool `json:"anonymous"`
	// Restricted users carry the RestrictedReason "email_not_verified" (also when it is empty) or
	// "restricted_by_administrator".
	Restricted       bool   `json:"restricted"`
	RestrictedReason string `json:"restricted_reason"`
	// Banned users cannot sign in at Neon; Stack calls the same thing restricted by an administrator.
	Banned    bool   `json:"banned"`
	BanReason string `json:"ban_reason"`
	Team      Team   `json:"team"`
	// SignedUpAt; zero: when the user was added.
	SignedUpAt time.Time `json:"signed_up_at"`
	// Fields replaces members of the Stack profile, or adds some, by their JSON. Values have to be valid JSON.
	Fields map[string]json.RawMessage `json:"fields"`
}

// Team is the team a user has selected; without an ID there is none.
type Team struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// AddUser adds a user, or replaces the one of the same id, and returns what was stored. [Standin.ID] tells which id a
// user without one gets.
func (s *Standin) AddUser(u User) User {
	fallback(&u.ID, func() string {
		if u.Email != "" && s.options.Seed != "" {
			return s.ID(u.Email)
		}
		return mint.UUID()
	})
	if u.SignedUpAt.IsZero() {
		u.SignedUpAt = s.now()
	}
	u.Fields = maps.Clone(u.Fields)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users[u.ID] = &u
	return u.clone()
}

// ID is the id that a name has in this stand-in: a UUID that follows from
// [Options.Seed]. Users that are added with an address and without an id get
// that of their address, where there is a seed.
func (s *Standin) ID(name string) string { return s.seed.UUID("id " + name) }

// User returns a copy of a user, and whether there is one of this id.
func (s *Standin) User(id string) (User, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.users[id]
	if u == nil {
		return User{}, false
	}
	return u.clone(), true
}

// UserByEmail returns the user with this address, compared without regard to case.
func (s *Standin) UserByEmail(email string) (User, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range s.users {
		if email != "" && strings.EqualFold(u.Email, email) {
			return u.clone(), true
		}
	}
	return User{}, false
}

// DeleteUser deletes a user with all sessions and reports whether there was one. Access tokens that were given out keep
// a valid signature.
func (s *Standin) DeleteUser(id string) bool {
	var ended []session
	known := s.change(id, func(*User) {
		delete(s.users, id)
		ended = s.endSessions(id)
	})
	s.ended(ended...)
	return known
}

// Ban bans a user and ends all sessions; Unban lifts the ban. Stack shows it as a restriction by an
// administrator in the profile and in tokens minted later. They report whether there is such a user.
func (s *Standin) Ban(id, reason string) bool {
	var ended []session
	known := s.change(id, func(u *User) {
		u.Banned, u.BanReason = true, reason
		ended = s.endSessions(id)
	})
	s.ended(ended...)
	return known
}

// Unban is the opposite of [Standin.Ban]; the sessions stay ended.
func (s *Standin) Unban(id string) bool {
	return s.change(id, func(u *User) { u.Banned, u.BanReason = false, "" })
}

// SetRestricted restricts a user, or lifts that, in the live profile and in tokens minted later.
func (s *Standin) SetRestricted(id string, restricted bool) bool {
	return s.change(id, func(u *User) { u.Restricted = restricted })
}

// SetProfile replaces one member of a user's Stack profile, or adds it; value has to encode to JSON.
func (s *Standin) SetProfile(id, member string, value any) bool {
	text := ordered.Encode(value)
	return s.change(id, func(u *User) {
		if u.Fields == nil {
			u.Fields = map[string]json.RawMessage{}
		}
		u.Fields[member] = text
	})
}

// change runs act on a user under the mutex.
func (s *Standin) change(id string, act func(*User)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.users[id]
	if u == nil {
		return false
	}
	act(u)
	return true
}

func (u *User) clone() User {
	c := *u
	c.Fields = maps.Clone(u.Fields)
	return c
}

// class is the class of the tokens minted for a user.
func (u *User) class() stackauth.Class {
	switch {
	case u.Anonymous:
		return stackauth.ClassAnonymous
	case u.Restricted || u.Banned:
		return stackauth.ClassRestricted
	default:
		return stackauth.ClassNormal
	}
}

// restrictedReason is the claim or profile member of that name for a user seen as one of class.
func (u *User) restrictedReason(class stackauth.Class) any {
	reason := u.RestrictedReason
	switch {
	case class == stackauth.ClassNormal:
		return nil
	case class == stackauth.ClassAnonymous:
		reason = stackauth.ReasonAnonymous
	case u.Banned:
		reason = stackauth.ReasonAdmin
	case reason == "":
		reason = stackauth.ReasonUnverified
	}
	return ordered.Object{{"type", reason}}
}

// byAdmin tells whether an administrator restricted the user.
func (u *User) byAdmin() bool {
	return u.Banned || u.Restricted && u.RestrictedReason == stackauth.ReasonAdmin
}

// neonColumns are the columns of Better Auth's user table, in their order in tokens; the role is
// "authenticated" there and "user" in the table.
func (u *User) neonColumns(role string) ordered.Object {
	at := ordered.ISOTime(u.SignedUpAt)
	return ordered.Object{
		{"name", u.Name},
		{"email", u.Email},
		{"emailVerified", u.EmailVerified},
		{"image", ordered.OrNull(u.ImageURL)},
		{"createdAt", at},
		{"updatedAt", at},
		{"role", role},
		{"banned", u.Banned},
		{"banReason", ordered.OrNull(u.BanReason)},
		{"banExpires", nil},
		{"id", u.ID},
	}
}

// serverOnly names the profile members that client access leaves out.
func serverOnly() []string {
	return []string{"primary_email_auth_enabled", "server_metadata", "last_active_at_millis",
		"restricted_by_admin_private_details", "country_code", "risk_scores"}
}

// stackProfile is the body of users/me (packages/stack-shared/src/interface/crud/users.ts).
func (u *User) stackProfile(now time.Time, server bool) ordered.Object {
	class := u.class()
	var reason any
	if u.byAdmin() {
		reason = ordered.OrNull(u.BanReason)
	}
	profile := ordered.Object{
		{"id", u.ID},
		{"display_name", ordered.OrNull(u.Name)},
		{"primary_email", ordered.OrNull(u.Email)},
		{"primary_email_verified", u.EmailVerified},
		{"primary_email_auth_enabled", u.Email != ""},
		{"profile_image_url", ordered.OrNull(u.ImageURL)},
		{"signed_up_at_millis", u.SignedUpAt.UnixMilli()},
		{"client_metadata", nil},
		{"client_read_only_metadata", nil},
		{"server_metadata", nil},
		{"has_password", u.Password != ""},
		{"otp_auth_enabled", false},
		{"auth_with_email", u.Email != ""},
		{"requires_totp_mfa", false},
		{"passkey_auth_enabled", false},
		{"oauth_providers", []any{}},
		{"selected_team_id", ordered.OrNull(u.Team.ID)},
		{"selected_team", u.Team.profile(u.SignedUpAt, server)},
		{"last_active_at_millis", now.UnixMilli()},
		{"is_anonymous", u.Anonymous},
		{"is_restricted", class != stackauth.ClassNormal},
		{"restricted_reason", u.restrictedReason(class)},
		{"restricted_by_admin", u.byAdmin()},
		{"restricted_by_admin_reason", reason},
		{"restricted_by_admin_private_details", nil},
		{"country_code", nil},
		{"risk_scores", ordered.Object{{"sign_up", ordered.Object{{"bot", 0}, {"free_trial_abuse", 0}}}}},
	}
	changes := map[string]any{}
	for name, value := range u.Fields {
		changes[name] = value
	}
	profile = profile.With(changes)
	if !server {
		profile = profile.Without(serverOnly())
	}
	return profile
}

func (t Team) profile(created time.Time, server bool) any {
	if t.ID == "" {
		return nil
	}
	team := ordered.Object{{"id", t.ID}, {"display_name", t.Name}, {"profile_image_url", nil},
		{"client_metadata", nil}, {"client_read_only_metadata", nil}}
	if server {
		team = slices.Concat(team, ordered.Object{{"created_at_millis", created.UnixMilli()}, {"server_metadata", nil}})
	}
	return team
}
