package standin

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin/ordered"
	"github.com/neonauthd/neonauthd/daemon/standin/stackauth"
)

// The age from which Better Auth extends a session, and the name of Neon's cookie.
const (
	neonUpdateAge   = 24 * time.Hour
	neonCookieName  = "__Secure-neon-auth.session_token"
	neonCookieScope = "; Path=/; HttpOnly; Secure; SameSite=Lax"
)

func (s *Standin) neonRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET "+neonPath+"/.well-known/jwks.json", s.at(NeonKeys, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		s.writeKeys(w, r, Neon, stackauth.ClassOfUser)
	}))
	mux.HandleFunc("GET "+neonPath+"/get-session", s.at(GetSession, s.neonGetSession))
	mux.HandleFunc("GET "+neonPath+"/token", s.at(Access, s.neonToken))
	mux.HandleFunc("POST "+neonPath+"/sign-in/email", s.at(Access, s.neonSignIn))
	mux.HandleFunc("POST "+neonPath+"/sign-out", s.at(Access, s.neonSignOut))
	mux.HandleFunc(neonPath+"/", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
}

// presentedCookie is the value of the session cookie, decoded; empty when there is none.
func presentedCookie(r *http.Request) string {
	cookie, err := r.Cookie(neonCookieName)
	if err != nil {
		return ""
	}
	value, err := url.PathUnescape(cookie.Value)
	if err != nil {
		return ""
	}
	return value
}

// findNeon looks a session up by its cookie. The answer depends on state.
func (s *Standin) findNeon(r *http.Request) (row session, user User, state neonState) {
	token, signed := s.cookieToken(presentedCookie(r))
	if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok && !signed && s.takesBearer() && !strings.Contains(bearer, ".") {
		token, signed = bearer, true // the plugin signs it itself
	}
	if !signed {
		return row, user, neonAbsent
	}
	row, user, found := s.sessionBy(func(row *session) bool { return same(row.neonToken, token) })
	switch {
	case !found:
		return row, user, neonGone
	case !row.expires.After(s.now()):
		return row, user, neonExpired
	}
	return row, user, neonLive
}

type neonState uint8

const (
	neonAbsent  neonState = iota // no cookie, or one with a wrong signature
	neonGone                     // a session that has ended
	neonExpired                  // a session past its end, its row not yet deleted
	neonLive
)

// neonGetSession answers 200 whatever the state of the session: the body decides. An expired session is
// answered with null and, once, with a fresh token in set-auth-jwt, as better-auth 1.4.18 does.
func (s *Standin) neonGetSession(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	row, user, state := s.findNeon(r)
	switch state {
	case neonGone:
		clearCookies(w)
	case neonExpired:
		clearCookies(w)
		s.endSession(row.id) // no client is told of this
		s.setAuthJWT(w, user)
	case neonLive:
		if r.URL.Query().Get("disableRefresh") != "true" {
			row = s.slide(w, row)
		}
		s.setAuthJWT(w, user)
		w.Write(ordered.Encode(ordered.Object{{"session", sessionColumns(row, r)}, {"user", user.neonColumns("user")}}))
		return
	}
	w.Write([]byte("null"))
}

// slide extends a session older than a day, as better-auth does unless asked not to.
func (s *Standin) slide(w http.ResponseWriter, row session) session {
	now := s.now()
	if row.updated.Add(neonUpdateAge).After(now) {
		return row
	}
	s.mu.Lock()
	if live := s.sessions[row.id]; live != nil {
		live.updated, live.expires = now, now.Add(s.sessionLifetime())
		row = *live
	}
	s.mu.Unlock()
	s.setCookie(w, row.neonToken)
	return row
}

func sessionColumns(row session, r *http.Request) ordered.Object {
	return ordered.Object{
		{"expiresAt", ordered.ISOTime(row.expires)},
		{"token", row.neonToken},
		{"createdAt", ordered.ISOTime(row.created)},
		{"updatedAt", ordered.ISOTime(row.updated)},
		{"ipAddress", ""},
		{"userAgent", r.UserAgent()},
		{"userId", row.userID},
		{"impersonatedBy", nil},
		{"id", row.id},
	}
}

func (s *Standin) setAuthJWT(w http.ResponseWriter, u User) {
	w.Header().Set("Access-Control-Expose-Headers", "set-auth-jwt")
	w.Header().Set("Set-Auth-Jwt", s.NeonToken(TokenSpec{Subject: u.ID}))
}

func (s *Standin) setCookie(w http.ResponseWriter, token string) {
	w.Header().Add("Set-Cookie", neonCookieName+"="+url.QueryEscape(s.cookie(token))+"; Max-Age=604800"+neonCookieScope)
}

func clearCookies(w http.ResponseWriter) {
	for _, name := range []string{neonCookieName, "__Secure-neon-auth.session_data", "__Secure-neon-auth.dont_remember"} {
		w.Header().Add("Set-Cookie", name+"=; Max-Age=0"+neonCookieScope)
	}
}

func (s *Standin) neonToken(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, user, state := s.findNeon(r)
	if state != neonLive {
		w.WriteHeader(http.StatusUnauthorized) // with an empty body in better-auth 1.4.18
		return
	}
	w.Write(ordered.Encode(ordered.Object{{"token", s.NeonToken(TokenSpec{Subject: user.ID})}}))
}

func (s *Standin) neonSignIn(w http.ResponseWriter, r *http.Request) {
	var form credentials
	if json.NewDecoder(r.Body).Decode(&form) != nil {
		writeNeonError(w, http.StatusBadRequest, "VALIDATION_ERROR", "Invalid body parameters")
		return
	}
	user, known := s.UserByEmail(form.Email)
	switch {
	case !known || !form.opens(user):
		writeNeonError(w, http.StatusUnauthorized, "INVALID_EMAIL_OR_PASSWORD", "Invalid email or password")
	case user.Banned:
		writeNeonError(w, http.StatusForbidden, "BANNED_USER", "You have been banned from this application. Please contact support if you believe this is an error.")
	default:
		row := s.startSession(user.ID)
		s.setCookie(w, row.neonToken)
		w.Header().Set("Content-Type", "application/json")
		w.Write(ordered.Encode(ordered.Object{{"redirect", false}, {"token", row.neonToken}, {"user", user.neonColumns("user")}}))
	}
}

func (s *Standin) neonSignOut(w http.ResponseWriter, r *http.Request) {
	if origin := r.Header.Get("Origin"); presentedCookie(r) != "" && (origin == "" || origin == "null") {
		writeNeonError(w, http.StatusForbidden, "MISSING_OR_NULL_ORIGIN", "Missing or null Origin")
		return
	}
	if row, _, state := s.findNeon(r); state == neonLive {
		s.RevokeSession(row.id)
	}
	clearCookies(w)
	w.Header().Set("Content-Type", "application/json")
	w.Write(ordered.Encode(ordered.Object{{"success", true}}))
}

func writeNeonError(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(ordered.Encode(ordered.Object{{"code", code}, {"message", message}}))
}
