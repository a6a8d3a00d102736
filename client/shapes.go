package client

import "encoding/json"

// Claims returns the claims of the token that the answer is about, as JSON. At
// LevelClaims these are a.JSON. At LevelProfile they are the claims in the
// token itself, which the daemon has verified.
//
// Claims returns nil for a session credential, which has no claims, and for an
// answer at LevelProfile that was made by hand without ForToken.
func (a Accepted) Claims() json.RawMessage {
	if a.Level == LevelProfile {
		return decodePayload(a.payload)
	}
	return a.JSON
}

// ForToken returns a copy of the answer that belongs to the given token: Claims
// and User of an answer at LevelProfile then read that token's claims. Answers
// of a Client have their token already; ForToken is for answers that are made
// by hand, for example in a test.
func (a Accepted) ForToken(token string) Accepted {
	a.payload = payloadOf(token)
	return a
}

// StackClaims are the claims in a token of Neon Auth on Stack Auth, for
// programs that need more than User:
//
//	var claims client.StackClaims
//	err := json.Unmarshal(a.Claims(), &claims)
//
// In StackClaims, as in the other types for what upstreams send, a member that
// is absent or null is the zero value: older servers do not send every member,
// and a [[caller]] table may withhold some. For members that are missing here,
// decode into a type of your own.
type StackClaims struct {
	Subject           string            `json:"sub"`
	ProjectID         string            `json:"project_id"`
	BranchID          string            `json:"branch_id"`
	RefreshTokenID    string            `json:"refresh_token_id"` // the session
	Role              string            `json:"role"`
	Name              string            `json:"name"`
	Email             string            `json:"email"`
	EmailVerified     bool              `json:"email_verified"`
	SelectedTeamID    string            `json:"selected_team_id"`
	SignedUpAt        int64             `json:"signed_up_at"` // seconds since 1970
	IsAnonymous       bool              `json:"is_anonymous"`
	IsRestricted      bool              `json:"is_restricted"`
	RestrictedReason  *RestrictedReason `json:"restricted_reason"` // nil: the user is not restricted
	RequiresTOTPMFA   bool              `json:"requires_totp_mfa"`
	Issuer            string            `json:"iss"`
	Audience          string            `json:"aud"`
	IssuedAt          int64             `json:"iat"`            // seconds since 1970
	Expires           int64             `json:"exp"`            // seconds since 1970
	OldBranchID       string            `json:"branchId"`       // the name of BranchID until September 2025
	OldRefreshTokenID string            `json:"refreshTokenId"` // the name of RefreshTokenID until then
}

// RestrictedReason says why a user of Stack Auth is restricted.
type RestrictedReason struct {
	Type string `json:"type"` // anonymous, email_not_verified, restricted_by_administrator
}

// NeonClaims are the claims in a token of Neon Auth on Better Auth.
type NeonClaims struct {
	NeonProfile
	Subject      string            `json:"sub"`
	Organization *NeonOrganization `json:"o"` // nil: none is active
	Issuer       string            `json:"iss"`
	Audience     string            `json:"aud"`
	IssuedAt     int64             `json:"iat"` // seconds since 1970
	Expires      int64             `json:"exp"` // seconds since 1970
}

// NeonOrganization is the active organization of a user of Better Auth.
type NeonOrganization struct {
	ID   string `json:"id"`
	Slug string `json:"slug"`
	Role string `json:"role"`
}

// NeonProfile is a profile of Neon Auth on Better Auth: the user of a session.
type NeonProfile struct {
	ID            string `json:"id"`
	Name          string `json:"name"`
	Email         string `json:"email"`
	EmailVerified bool   `json:"emailVerified"`
	Image         string `json:"image"`
	CreatedAt     string `json:"createdAt"` // RFC 3339
	UpdatedAt     string `json:"updatedAt"` // RFC 3339
	Role          string `json:"role"`
	Banned        bool   `json:"banned"`
	BanReason     string `json:"banReason"`
	BanExpires    string `json:"banExpires"`  // RFC 3339; "" is never
	IsAnonymous   bool   `json:"isAnonymous"` // sent with the plugin for anonymous users
}

// StackProfile is a profile of Neon Auth on Stack Auth.
type StackProfile struct {
	ID                      string            `json:"id"`
	PrimaryEmail            string            `json:"primary_email"`
	PrimaryEmailVerified    bool              `json:"primary_email_verified"`
	PrimaryEmailAuthEnabled bool              `json:"primary_email_auth_enabled"`
	DisplayName             string            `json:"display_name"`
	ProfileImageURL         string            `json:"profile_image_url"`
	SelectedTeam            *StackTeam        `json:"selected_team"` // nil: none is selected
	SelectedTeamID          string            `json:"selected_team_id"`
	SignedUpAt              int64             `json:"signed_up_at_millis"`   // milliseconds since 1970
	LastActiveAt            int64             `json:"last_active_at_millis"` // milliseconds since 1970
	HasPassword             bool              `json:"has_password"`
	OTPAuthEnabled          bool              `json:"otp_auth_enabled"`
	PasskeyAuthEnabled      bool              `json:"passkey_auth_enabled"`
	ClientMetadata          json.RawMessage   `json:"client_metadata"`
	ClientReadOnlyMetadata  json.RawMessage   `json:"client_read_only_metadata"`
	ServerMetadata          json.RawMessage   `json:"server_metadata"`
	IsAnonymous             bool              `json:"is_anonymous"`
	IsRestricted            bool              `json:"is_restricted"`
	RestrictedReason        *RestrictedReason `json:"restricted_reason"` // nil: the user is not restricted
	RestrictedByAdmin       bool              `json:"restricted_by_admin"`
	RestrictedByAdminReason string            `json:"restricted_by_admin_reason"`
	// RestrictedByAdminPrivateDetails must not be shown to the user.
	RestrictedByAdminPrivateDetails string               `json:"restricted_by_admin_private_details"`
	CountryCode                     string               `json:"country_code"`
	RiskScores                      StackRiskScores      `json:"risk_scores"`
	OAuthProviders                  []StackOAuthProvider `json:"oauth_providers"`
	AuthWithEmail                   bool                 `json:"auth_with_email"`
	RequiresTOTPMFA                 bool                 `json:"requires_totp_mfa"`
}

// StackTeam is a team of Stack Auth.
type StackTeam struct {
	ID                     string          `json:"id"`
	DisplayName            string          `json:"display_name"`
	ProfileImageURL        string          `json:"profile_image_url"`
	ClientMetadata         json.RawMessage `json:"client_metadata"`
	ClientReadOnlyMetadata json.RawMessage `json:"client_read_only_metadata"`
	ServerMetadata         json.RawMessage `json:"server_metadata"`
	CreatedAt              int64           `json:"created_at_millis"` // milliseconds since 1970
}

// StackRiskScores are Stack Auth's estimates about a sign-up, from 0 to 100.
type StackRiskScores struct {
	SignUp struct {
		Bot            int `json:"bot"`
		FreeTrialAbuse int `json:"free_trial_abuse"`
	} `json:"sign_up"`
}

// StackOAuthProvider is an account at another service with which a user signs
// in.
type StackOAuthProvider struct {
	ID        string `json:"id"`
	AccountID string `json:"account_id"`
	Email     string `json:"email"`
}
