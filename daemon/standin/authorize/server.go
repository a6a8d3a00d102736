// Package authorize answers as the authorization server of Better Auth's OAuth provider does to a public client: it
// registers it (RFC 7591), sends the browser of a signed-in user back with a code (RFC 6749 section 4.1, PKCE as in RFC
// 7636, the resource as in RFC 8707), and gives tokens for the code and for refresh tokens. Nobody is asked for consent.
package authorize

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin/mint"
	"github.com/neonauthd/neonauthd/daemon/standin/ordered"
)

const (
	// CodeLifetime is how long a code can be exchanged.
	CodeLifetime = time.Minute
	// RefreshLifetime is how long a refresh token can be used; each use gives another one.
	RefreshLifetime = 30 * 24 * time.Hour
	// most bounds the number of registrations, of codes and of refresh tokens.
	most = 10_000
)

// Grant is what a user has given a client.
type Grant struct {
	Client, Subject, Session, Scope string
	// Resources are those that the client has named; without any the access token is opaque.
	Resources []string
}

// Config is what a Server needs from its surroundings. All fields are required.
type Config struct {
	Now func() time.Time
	// User says whose browser asks, by its session; not ok: nobody's.
	User func(r *http.Request) (subject, session string, ok bool)
	// Known reports whether there still is a user. Whether the session has ended does not matter, as in the genuine
	// server.
	Known func(subject string) bool
	// Mint makes the access token of a grant, which lasts for so many seconds.
	Mint func(g Grant) (token string, seconds int)
	// Issuer is named in redirections (RFC 9207).
	Issuer func() string
}

// Server is the authorization server. Make it with New. Safe for concurrent use.
type Server struct {
	config Config

	mu        sync.Mutex
	clients   map[string][]string // what each client may be sent back to
	codes     map[string]code
	refreshes map[string]refresh
}

// code stands for a grant that is not yet exchanged.
type code struct {
	Grant
	redirect, challenge string
	ends                time.Time
}

type refresh struct {
	Grant
	ends time.Time
}

// New makes a Server that knows no client.
func New(config Config) *Server {
	return &Server{config: config, clients: map[string][]string{}, codes: map[string]code{}, refreshes: map[string]refresh{}}
}

// Register answers POST of a client's metadata with its id.
func (s *Server) Register(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Redirects []string `json:"redirect_uris"`
		Name      string   `json:"client_name"`
		Scope     string   `json:"scope"`
	}
	if json.NewDecoder(r.Body).Decode(&asked) != nil || len(asked.Redirects) == 0 {
		fail(w, "invalid_client_metadata", "redirect_uris are required")
		return
	}
	id := mint.RandomText(32)
	s.mu.Lock()
	if len(s.clients) >= most {
		clear(s.clients)
	}
	s.clients[id] = asked.Redirects
	s.mu.Unlock()
	write(w, http.StatusCreated, ordered.Object{
		{"client_id", id},
		{"client_id_issued_at", s.config.Now().Unix()},
		{"client_name", asked.Name},
		{"redirect_uris", asked.Redirects},
		{"scope", asked.Scope},
		{"token_endpoint_auth_method", "none"},
		{"grant_types", []string{"authorization_code", "refresh_token"}},
		{"response_types", []string{"code"}},
		{"public", true},
	})
}

// Authorize sends a signed-in user's browser back to the client, with a code.
func (s *Server) Authorize(w http.ResponseWriter, r *http.Request) {
	asked := r.URL.Query()
	client, redirect := asked.Get("client_id"), asked.Get("redirect_uri")
	s.mu.Lock()
	known := slices.Contains(s.clients[client], redirect)
	s.mu.Unlock()
	back, err := url.Parse(redirect)
	if !known || err != nil {
		fail(w, "invalid_client", "no such client, or not registered for this redirect_uri")
		return
	}
	answer := back.Query()
	answer.Set("iss", s.config.Issuer())
	if state := asked.Get("state"); state != "" {
		answer.Set("state", state)
	}
	subject, session, signedIn := s.config.User(r)
	switch {
	case asked.Get("response_type") != "code":
		answer.Set("error", "unsupported_response_type")
	case asked.Get("code_challenge_method") != "S256" || asked.Get("code_challenge") == "":
		answer.Set("error", "invalid_request")
	case !signedIn:
		answer.Set("error", "login_required")
	default:
		g := Grant{client, subject, session, asked.Get("scope"), asked["resource"]}
		answer.Set("code", s.keepCode(code{g, redirect, asked.Get("code_challenge"), s.config.Now().Add(CodeLifetime)}))
	}
	back.RawQuery = answer.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

func (s *Server) keepCode(c code) string {
	text, now := mint.RandomText(32), s.config.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.codes, func(_ string, c code) bool { return !now.Before(c.ends) || len(s.codes) >= most })
	s.codes[text] = c
	return text
}

// Token answers POST of a code or of a refresh token.
func (s *Server) Token(w http.ResponseWriter, r *http.Request) {
	if r.ParseForm() != nil {
		fail(w, "invalid_request", "the body is no form")
		return
	}
	var g Grant
	var ok bool
	switch r.PostForm.Get("grant_type") {
	case "authorization_code":
		g, ok = s.takeCode(r.PostForm)
	case "refresh_token":
		g, ok = s.takeRefresh(r.PostForm)
	default:
		fail(w, "unsupported_grant_type", "only authorization_code and refresh_token")
		return
	}
	if !ok {
		fail(w, "invalid_grant", "invalid or expired")
		return
	}
	if !s.config.Known(g.Subject) {
		fail(w, "invalid_grant", "user not found")
		return
	}
	token, seconds := s.config.Mint(g)
	answer := ordered.Object{{"access_token", token}, {"expires_in", seconds}, {"token_type", "Bearer"}, {"scope", g.Scope}}
	if slices.Contains(strings.Fields(g.Scope), "offline_access") {
		answer = append(answer, ordered.Member{"refresh_token", s.keepRefresh(g)})
	}
	w.Header().Set("Cache-Control", "no-store")
	write(w, http.StatusOK, answer)
}

// takeCode takes the grant of a code. A code can be used only once, even if the parameters with it are wrong.
func (s *Server) takeCode(form url.Values) (Grant, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, known := s.codes[form.Get("code")]
	delete(s.codes, form.Get("code"))
	right := known && s.config.Now().Before(c.ends) && form.Get("client_id") == c.Client && form.Get("redirect_uri") == c.redirect &&
		challengeOf(form.Get("code_verifier")) == c.challenge
	if asked := form["resource"]; len(asked) > 0 {
		c.Resources = asked
	}
	return c.Grant, right
}

func (s *Server) takeRefresh(form url.Values) (Grant, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, known := s.refreshes[form.Get("refresh_token")]
	delete(s.refreshes, form.Get("refresh_token"))
	return t.Grant, known && s.config.Now().Before(t.ends) && form.Get("client_id") == t.Client
}

func (s *Server) keepRefresh(g Grant) string {
	text, now := mint.RandomText(32), s.config.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.refreshes, func(_ string, t refresh) bool { return !now.Before(t.ends) || len(s.refreshes) >= most })
	s.refreshes[text] = refresh{g, now.Add(RefreshLifetime)}
	return text
}

func fail(w http.ResponseWriter, kind, why string) {
	write(w, http.StatusBadRequest, ordered.Object{{"error_description", why}, {"error", kind}})
}

func write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(ordered.Encode(body))
}
