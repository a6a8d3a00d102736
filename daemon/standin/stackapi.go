package standin

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

func (s *Standin) stackRoutes(mux *http.ServeMux) {
	keys := "/{project}/.well-known/jwks.json"
	mux.HandleFunc("GET "+stackPath+"/projects"+keys, s.at(StackKeys, s.stackKeys))
	mux.HandleFunc("GET "+stackPath+"/projects-anonymous-users"+keys, s.at(StackKeys, redirectToSuperset))
	mux.HandleFunc("GET "+stackPath+"/users/me", s.at(Me, s.stackMe))
	mux.HandleFunc("POST "+stackPath+"/auth/password/sign-in", s.at(Access, s.stackSignIn))
	mux.HandleFunc("POST "+stackPath+"/auth/sessions/current/refresh", s.at(Access, s.stackRefresh))
	mux.HandleFunc("DELETE "+stackPath+"/auth/sessions/current", s.at(Access, s.stackSignOut))
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { writeStack(w, object{{"status", "ok"}}) })
}

// stackHeaders sets what every answer of the API carries, and returns its request id.
func stackHeaders(w http.ResponseWriter) string {
	var raw [8]byte
	rand.Read(raw[:])
	id := hex.EncodeToString(raw[:])
	h := w.Header()
	setBoth(h, "request-id", id)
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-store, max-age=0")
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", "x-stack-request-id, x-stack-actual-status, x-stack-known-error, x-hexclave-request-id, x-hexclave-actual-status, x-hexclave-known-error")
	h.Set("Vary", "x-stack-access-type, x-stack-project-id, x-stack-branch-id, x-stack-access-token, x-stack-secret-server-key, x-stack-publishable-client-key, x-stack-allow-anonymous-user, x-stack-allow-restricted-user, x-stack-override-error-status")
	return id
}

// setBoth sets a header under both names of the product.
func setBoth(h http.Header, name, value string) {
	h.Set("X-Stack-"+name, value)
	h.Set("X-Hexclave-"+name, value)
}

func writeStack(w http.ResponseWriter, body any) {
	stackHeaders(w)
	w.Write(mustEncode(body))
}

// refuse answers with an error of the authentication; an assertion that failed is a bare 500.
func refuse(w http.ResponseWriter, r *http.Request, e *knownError) {
	if e.code == "" {
		writeInternalError(w)
		return
	}
	e.write(w, r)
}

func (s *Standin) stackKeys(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	if complaint := queryComplaint(query, "include_restricted", "include_anonymous"); complaint != "" {
		errSchema(r, complaint).write(w, r)
		return
	}
	stackHeaders(w)
	if r.PathValue("project") != s.options.ProjectID {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, "Project not found")
		return
	}
	widest := ClassNormal
	switch {
	case query.Get("include_anonymous") == "true":
		widest = ClassAnonymous
	case query.Get("include_restricted") == "true":
		widest = ClassRestricted
	}
	s.writeKeys(w, r, Stack, widest)
}

// queryComplaint says what the server's schema dislikes about a query of booleans; empty: nothing.
func queryComplaint(query url.Values, booleans ...string) string {
	for name, values := range query {
		if !slices.Contains(booleans, name) {
			return "query contains unknown properties: " + name
		}
		if value := values[len(values)-1]; value != "true" && value != "false" {
			return "query." + name + " must be one of the following values: true, false"
		}
	}
	return ""
}

// redirectToSuperset serves the address that discovery from an anonymous token's issuer leads to.
func redirectToSuperset(w http.ResponseWriter, r *http.Request) {
	stackHeaders(w)
	target := url.URL{Path: strings.Replace(r.URL.Path, "/projects-anonymous-users/", "/projects/", 1), RawQuery: "include_anonymous=true"}
	w.Header().Set("Location", target.String())
	w.WriteHeader(http.StatusTemporaryRedirect)
}

func (s *Standin) stackMe(w http.ResponseWriter, r *http.Request) {
	caller, server, refusal := s.authenticate(r)
	if refusal != nil {
		refuse(w, r, refusal)
		return
	}
	if complaint := queryComplaint(r.URL.Query()); complaint != "" {
		errSchema(r, complaint).write(w, r)
		return
	}
	if caller == nil {
		errNoOwnUser().write(w, r)
		return
	}
	user, known := s.User(caller.userID)
	if !known { // deleted while the token lives on
		errNoOwnUser().write(w, r)
		return
	}
	writeStack(w, user.stackProfile(s.now(), server))
}

// stackRefresh mints a new access token. Refresh tokens are not rotated.
func (s *Standin) stackRefresh(w http.ResponseWriter, r *http.Request) {
	if _, _, refusal := s.authenticate(r); refusal != nil {
		refuse(w, r, refusal)
		return
	}
	token := stackHeader(r, "refresh-token")
	if token == "" {
		errSchema(r, `headers["x-stack-refresh-token"] must be defined`).write(w, r)
		return
	}
	row, _, found := s.sessionBy(func(row *session) bool { return same(row.refreshToken, token) })
	if !found || !row.expires.After(s.now()) {
		errRefreshToken().write(w, r)
		return
	}
	writeStack(w, object{{"access_token", s.StackToken(TokenSpec{Subject: row.userID, Session: row.id})}})
}

// stackSignOut ends the session of the token presented. The token itself lives on until it expires.
func (s *Standin) stackSignOut(w http.ResponseWriter, r *http.Request) {
	caller, _, refusal := s.authenticate(r)
	switch {
	case refusal != nil:
		refuse(w, r, refusal)
	case caller == nil:
		errUserRequired().write(w, r)
	case !s.RevokeSession(caller.session):
		errRefreshToken().write(w, r)
	default:
		writeStack(w, object{{"success", true}})
	}
}

func (s *Standin) stackSignIn(w http.ResponseWriter, r *http.Request) {
	if _, _, refusal := s.authenticate(r); refusal != nil {
		refuse(w, r, refusal)
		return
	}
	var form credentials
	if json.NewDecoder(r.Body).Decode(&form) != nil {
		errBodyParsing().write(w, r)
		return
	}
	user, known := s.UserByEmail(form.Email)
	if !known || !form.opens(user) {
		errPassword().write(w, r)
		return
	}
	row := s.startSession(user.ID)
	writeStack(w, object{
		{"access_token", s.StackToken(TokenSpec{Subject: user.ID, Session: row.id})},
		{"refresh_token", row.refreshToken},
		{"user_id", user.ID},
	})
}

// credentials are the body of the sign-in endpoints.
type credentials struct {
	Email    string `json:"email"`
	Password string `json:"password"`
}

func (c credentials) opens(u User) bool { return u.Password != "" && same(u.Password, c.Password) }

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
