package introspect

import (
	"encoding/json"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin/mint"
	"github.com/neonauthd/neonauthd/daemon/standin/ordered"
)

// DefaultLimit is how many questions an address may ask, as at Better Auth.
const DefaultLimit = 100

// Server is the introspection of one OAuth server: its clients, and the opaque tokens that it has given out. Make it with
// New. Safe for concurrent use.
type Server struct {
	config Config

	mu      sync.Mutex
	clients map[string]Client
	given   map[string]*grant
	meters  map[string]*Meter // by address
	limit   int
}

// Config is what a Server needs from its surroundings. All fields are required.
type Config struct {
	Now    func() time.Time
	Issuer func() string
	// Keys are the keys that the issuer publishes.
	Keys func() []*mint.Key
	// Lives reports whether the session of a token and its user have not ended; a machine has neither.
	Lives func(subject, client, session string) bool
}

// New makes a Server without clients.
func New(config Config) *Server {
	return &Server{config: config, clients: map[string]Client{}, given: map[string]*grant{}, meters: map[string]*Meter{}, limit: DefaultLimit}
}

// AddClient adds a client, or replaces the client with its id.
func (s *Server) AddClient(c Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients[c.ID] = c
}

// SetLimit changes how many questions an address may ask.
func (s *Server) SetLimit(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limit = n
}

// Grant is what an opaque token stands for.
type Grant struct {
	Subject, Client, Session, Scope string
	// Audience is in the answer if there are Resources.
	Audience        any
	Resources       []string
	Issued, Expires time.Time
	// Key is "cnf" in the answer; nil: the token is bound to no key.
	Key any
	// Refresh makes it a refresh token.
	Refresh bool
}

type grant struct {
	Grant
	revoked bool
}

// Give gives out an opaque token.
func (s *Server) Give(g Grant) string {
	text, now := mint.RandomText(32), s.config.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for old, other := range s.given {
		if other.Expires.Add(time.Hour).Before(now) {
			delete(s.given, old)
		}
	}
	s.given[text] = &grant{Grant: g}
	return text
}

// Revoke ends an opaque token (RFC 7009), and reports whether there was one.
func (s *Server) Revoke(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.given[text]
	if g == nil || g.revoked {
		return false
	}
	g.revoked = true
	return true
}

// ServeHTTP answers a POST.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if after, refused := s.meter(r); refused {
		w.Header().Set("Content-Type", "text/plain;charset=UTF-8")
		w.Header().Set("X-Retry-After", strconv.Itoa(after))
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = w.Write([]byte(`{"message":"Too many requests. Please try again later."}`))
		return
	}
	e := endpoint{client: s.client, find: s.find}
	e.answer(w, r)
}

func (s *Server) meter(r *http.Request) (after int, refused bool) {
	address, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		address = r.RemoteAddr
	}
	now := s.config.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.meters[address]
	if m == nil {
		m = &Meter{}
		s.meters[address] = m
	}
	return m.Refuse(s.limit, now)
}

func (s *Server) client(id string) (Client, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, known := s.clients[id]
	return c, known
}

// find looks a text up.
func (s *Server) find(text string) (token, finding) {
	s.mu.Lock()
	var g grant
	given := s.given[text]
	if given != nil {
		g = *given
	}
	s.mu.Unlock()
	if given == nil {
		return s.findJWT(text)
	}
	t := token{claims: s.claims(&g.Grant), client: g.Client, resources: g.Resources, opaque: true, refresh: g.Refresh, bound: g.Key != nil}
	session := g.Session
	if g.Subject == g.Client {
		session = ""
	}
	t.alive = !g.revoked && g.Expires.After(s.config.Now()) && s.config.Lives(g.Subject, g.Client, session)
	return t, found
}

// claims are the claims of an opaque token, in the order of the genuine endpoint.
func (s *Server) claims(g *Grant) ordered.Object {
	all := ordered.Object{{"iss", s.config.Issuer()}, {"client_id", g.Client}, {"azp", g.Client}}
	if g.Refresh {
		all = ordered.Object{{"client_id", g.Client}, {"iss", s.config.Issuer()}}
	}
	if len(g.Resources) > 0 {
		all = append(all, ordered.Member{"aud", g.Audience})
	}
	if g.Subject != g.Client {
		all = append(all, ordered.Object{{"sub", g.Subject}, {"sid", g.Session}}...)
	}
	all = append(all, ordered.Object{{"exp", g.Expires.Unix()}, {"iat", g.Issued.Unix()}, {"scope", g.Scope}}...)
	if g.Key != nil {
		all = append(all, ordered.Member{"cnf", g.Key})
	}
	return all
}

// findJWT reads a JWT as the genuine endpoint does: that fails on a text with a header and a payload that is no token
// of this issuer. Tokens that no client got are not active.
func (s *Server) findJWT(text string) (token, finding) {
	segments := strings.Split(text, ".")
	if len(segments) != 3 {
		return token{}, nothing
	}
	header, ok := mint.ReadObject(segments[0])
	claims, ok2 := mint.ReadObject(segments[1])
	if !ok || !ok2 {
		return token{}, nothing
	}
	kid, _ := header["kid"].(string)
	k := mint.FindKey(s.config.Keys(), kid)
	signature, ok := mint.ReadBase64(segments[2])
	if !ok || k == nil || k.Alg != header["alg"] || !k.Verifies([]byte(segments[0]+"."+segments[1]), signature) || claims["iss"] != s.config.Issuer() {
		return token{}, failing
	}
	client, _ := claims["client_id"].(string)
	if client == "" {
		return token{}, nothing
	}
	subject, _ := claims["sub"].(string)
	session, _ := claims["sid"].(string)
	_, bound := claims["cnf"]
	return token{claims: members(segments[1]), client: client, resources: texts(claims["aud"]), bound: bound,
		alive: mint.Number(claims["exp"]) > float64(s.config.Now().Unix()) && s.config.Lives(subject, client, session)}, found
}

// members are the members of a payload, in their order.
func members(segment string) ordered.Object {
	raw, _ := mint.ReadBase64(segment)
	decoder := json.NewDecoder(strings.NewReader(string(raw)))
	var all ordered.Object
	if _, err := decoder.Token(); err != nil {
		return nil
	}
	for decoder.More() {
		name, err := decoder.Token()
		var value json.RawMessage
		if err != nil || decoder.Decode(&value) != nil {
			return all
		}
		all = append(all, ordered.Member{name, value})
	}
	return all
}

// texts are the texts of a claim that is a text or an array of texts.
func texts(value any) (all []string) {
	switch value := value.(type) {
	case string:
		return []string{value}
	case []any:
		for _, one := range value {
			if text, ok := one.(string); ok {
				all = append(all, text)
			}
		}
	}
	return all
}
