package standin

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/neonauthd/neonauthd/daemon/standin/mint"
	"github.com/neonauthd/neonauthd/daemon/standin/ordered"
	"github.com/neonauthd/neonauthd/daemon/standin/stackauth"
)

func (s *Standin) stackRoutes(mux *http.ServeMux) {
	keys := "/{project}/.well-known/jwks.json"
	mux.HandleFunc("GET "+stackauth.Path+"/projects"+keys, s.at(StackKeys, s.stackKeys))
	mux.HandleFunc("GET "+stackauth.Path+"/projects-anonymous-users"+keys, s.at(StackKeys, redirectToSuperset))
	mux.HandleFunc("GET "+stackauth.Path+"/users/me", s.at(Me, s.stackMe))
	for _, kind := range []string{"user", "team"} {
		mux.HandleFunc("POST "+stackauth.Path+"/"+kind+"-api-keys/check", s.at(APIKeys, s.checkAPIKey(kind)))
	}
	mux.HandleFunc("POST "+stackauth.Path+"/auth/password/sign-in", s.at(Access, s.stackSignIn))
	mux.HandleFunc("POST "+stackauth.Path+"/auth/sessions/current/refresh", s.at(Access, s.stackRefresh))
	mux.HandleFunc("DELETE "+stackauth.Path+"/auth/sessions/current", s.at(Access, s.stackSignOut))
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { writeStack(w, ordered.Object{{"status", "ok"}}) })
}

func writeStack(w http.ResponseWriter, body any) {
	stackauth.SetHeaders(w)
	w.Write(ordered.Encode(body))
}

// refuse answers with an error of the authentication. If an assertion failed, the answer is a bare 500.
func refuse(w http.ResponseWriter, r *http.Request, e *stackauth.KnownError) {
	if e.Code == "" {
		stackauth.WriteInternalError(w)
		return
	}
	e.Write(w, r)
}

// authenticate runs the checks that precede every endpoint of Stack Auth.
func (s *Standin) authenticate(r *http.Request) (caller *stackauth.Access, server bool, refusal *stackauth.KnownError) {
	published := func(audience string) []*mint.Key {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.stack.Published(audience, false)
	}
	return stackauth.Gate{Project: s.options.ProjectID, ClientKey: s.options.ClientKey, ServerKey: s.options.ServerKey,
		Tokens: stackauth.Decoder{Bases: []string{s.BaseURL()}, Now: s.now(), Keys: published}}.Authenticate(r)
}

func (s *Standin) stackKeys(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	if complaint := queryComplaint(query, "include_restricted", "include_anonymous"); complaint != "" {
		stackauth.BadSchema(r, complaint).Write(w, r)
		return
	}
	stackauth.SetHeaders(w)
	if r.PathValue("project") != s.options.ProjectID {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, "Project not found")
		return
	}
	widest := stackauth.ClassNormal
	switch {
	case query.Get("include_anonymous") == "true":
		widest = stackauth.ClassAnonymous
	case query.Get("include_restricted") == "true":
		widest = stackauth.ClassRestricted
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
	stackauth.SetHeaders(w)
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
		stackauth.BadSchema(r, complaint).Write(w, r)
		return
	}
	if caller == nil {
		stackauth.NoOwnUser().Write(w, r)
		return
	}
	user, known := s.User(caller.UserID)
	if !known { // the user was deleted, and the token is still valid
		stackauth.NoOwnUser().Write(w, r)
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
	token := stackauth.Header(r, "refresh-token")
	if token == "" {
		stackauth.BadSchema(r, `headers["x-stack-refresh-token"] must be defined`).Write(w, r)
		return
	}
	row, _, found := s.sessionBy(func(row *session) bool { return same(row.refreshToken, token) })
	if !found || !row.expires.After(s.now()) {
		stackauth.BadRefreshToken().Write(w, r)
		return
	}
	writeStack(w, ordered.Object{{"access_token", s.StackToken(TokenSpec{Subject: row.userID, Session: row.id})}})
}

// stackSignOut ends the session of the token presented. The token itself stays valid until it expires.
func (s *Standin) stackSignOut(w http.ResponseWriter, r *http.Request) {
	caller, _, refusal := s.authenticate(r)
	switch {
	case refusal != nil:
		refuse(w, r, refusal)
	case caller == nil:
		stackauth.UserRequired().Write(w, r)
	case !s.RevokeSession(caller.Session):
		stackauth.BadRefreshToken().Write(w, r)
	default:
		writeStack(w, ordered.Object{{"success", true}})
	}
}

func (s *Standin) stackSignIn(w http.ResponseWriter, r *http.Request) {
	if _, _, refusal := s.authenticate(r); refusal != nil {
		refuse(w, r, refusal)
		return
	}
	var form credentials
	if json.NewDecoder(r.Body).Decode(&form) != nil {
		stackauth.BadBody().Write(w, r)
		return
	}
	user, known := s.UserByEmail(form.Email)
	if !known || !form.opens(user) {
		stackauth.BadPassword().Write(w, r)
		return
	}
	row := s.startSession(user.ID)
	writeStack(w, ordered.Object{
		{"access_token", s.StackToken(TokenSpec{Subject: user.ID, Session: row.id})},
		{"refresh_token", row.refreshToken},
		{"user_id", user.ID},
	})
}
