package standin

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"maps"
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin/mint"
)

// neonSessionLifetime is Better Auth's default; maxSessions bounds the sessions that sign-ins make.
const (
	neonSessionLifetime = 7 * 24 * time.Hour
	maxSessions         = 100_000
)

// ErrUnknownUser says that nobody has the id or address given to [Standin.SignIn].
var ErrUnknownUser = errors.New("unknown user")

// ErrBanned says that [Standin.SignIn] refused a banned user.
var ErrBanned = errors.New("user is banned")

// Session is a signed-in user: the credentials that an application would hold, for all presets.
type Session struct {
	UserID    string `json:"user_id"`
	SessionID string `json:"session_id"`
	// AccessToken is Stack's, RefreshToken renews it.
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	// NeonCookie is the value of the session cookie, "<token>.<base64 HMAC>", before the URL encoding
	// that it has in a Cookie header. NeonToken is the access token of the same session.
	NeonCookie string `json:"neon_cookie"`
	NeonToken  string `json:"neon_token"`
	// OIDCToken is an access token of the OpenID Connect issuer.
	OIDCToken string `json:"oidc_token"`
}

// session is a row of the session table; the Standin's mutex guards it. Ended rows stay, with a mark, so that their
// cookies can be told from invented ones.
type session struct {
	id, userID, refreshToken, neonToken string
	created, updated, expires           time.Time
	ended                               bool
}

// SignIn starts a session for a user, named by id or email address, and mints its tokens.
func (s *Standin) SignIn(user string) (Session, error) {
	u, known := s.User(user)
	if !known {
		u, known = s.UserByEmail(user)
	}
	if !known {
		return Session{}, ErrUnknownUser
	}
	if u.Banned {
		return Session{}, ErrBanned
	}
	return s.tokens(s.startSession(u.ID)), nil
}

// TakeBearer sets whether the Neon upstream takes a session's bare token as a bearer token. A self-hosted Better Auth
// with the plugin "bearer" does; Neon itself does not.
func (s *Standin) TakeBearer(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bearer = on
}

func (s *Standin) takesBearer() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bearer
}

func (s *Standin) startSession(userID string) session {
	now := s.now()
	row := session{id: mint.UUID(), userID: userID, refreshToken: strings.ToLower(mint.RandomText(52)), neonToken: mint.RandomText(32),
		created: now, updated: now, expires: now.Add(s.sessionLifetime())}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.sessions) >= maxSessions {
		maps.DeleteFunc(s.sessions, func(_ string, row *session) bool { return row.ended || !row.expires.After(now) })
	}
	s.sessions[row.id] = &row
	return row
}

func (s *Standin) tokens(row session) Session {
	spec := TokenSpec{Subject: row.userID, Session: row.id}
	return Session{
		UserID:       row.userID,
		SessionID:    row.id,
		AccessToken:  s.StackToken(spec),
		RefreshToken: row.refreshToken,
		NeonCookie:   s.cookie(row.neonToken),
		NeonToken:    s.NeonToken(spec),
		OIDCToken:    s.OIDCToken(spec),
	}
}

// RevokeSession ends a session, as logout does, and reports whether it was alive. Refresh tokens and
// cookies die at once; access tokens that were given out stay valid, as with the real services.
func (s *Standin) RevokeSession(id string) bool {
	row, alive := s.endSession(id)
	if alive {
		s.ended(row)
	}
	return alive
}

// endSession ends a session, and tells nobody.
func (s *Standin) endSession(id string) (ended session, alive bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	row := s.sessions[id]
	if row == nil || row.ended {
		return session{}, false
	}
	row.ended = true
	return *row, true
}

// endSessions ends every session of a user and returns those that were alive; the caller holds the mutex.
func (s *Standin) endSessions(userID string) (ended []session) {
	for _, row := range s.sessions {
		if row.userID == userID && !row.ended {
			row.ended = true
			ended = append(ended, *row)
		}
	}
	return ended
}

// sessionBy finds a live session of a living user; the copy may be read without the mutex.
func (s *Standin) sessionBy(matches func(*session) bool) (session, User, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, row := range s.sessions {
		if row.ended || !matches(row) {
			continue
		}
		if u := s.users[row.userID]; u != nil {
			return *row, u.clone(), true
		}
	}
	return session{}, User{}, false
}

func (s *Standin) sessionLifetime() time.Duration {
	if s.options.SessionLifetime != 0 {
		return s.options.SessionLifetime
	}
	return neonSessionLifetime
}

// cookie signs a session token as better-call does: HMAC-SHA256 in standard base64 behind a dot.
func (s *Standin) cookie(token string) string {
	mac := hmac.New(sha256.New, s.hmacKey)
	mac.Write([]byte(token))
	return token + "." + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// cookieToken is the token of a correctly signed cookie value.
func (s *Standin) cookieToken(value string) (string, bool) {
	token, _, found := strings.Cut(value, ".")
	return token, found && hmac.Equal([]byte(value), []byte(s.cookie(token)))
}

// credentials are the body of the sign-in endpoints.
type credentials struct {
	Email    string `json:"email"`
	Password string `json:"password"`
}

func (c credentials) opens(u User) bool { return u.Password != "" && same(u.Password, c.Password) }

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
