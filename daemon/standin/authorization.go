package standin

import (
	"net/http"

	"github.com/neonauthd/neonauthd/daemon/standin/authorize"
)

// authorizationRoutes serve the authorization server of the Neon preset, for a client that knows only the upstream: the
// client finds the address in the metadata, registers itself, and gets a code through a signed-in user's browser.
func (s *Standin) authorizationRoutes(mux *http.ServeMux) {
	server := authorize.New(authorize.Config{
		Now:    s.now,
		User:   s.browser,
		Known:  func(subject string) bool { u, known := s.User(subject); return known && !u.Banned },
		Mint:   s.granted,
		Issuer: s.BaseURL,
	})
	mux.HandleFunc("POST "+neonPath+"/oauth2/register", s.at(Access, server.Register))
	mux.HandleFunc("GET "+neonPath+"/oauth2/authorize", s.at(Access, server.Authorize))
	mux.HandleFunc("POST "+neonPath+"/oauth2/token", s.at(Access, server.Token))
}

// browser says whose browser asks, by the session's cookie.
func (s *Standin) browser(r *http.Request) (subject, session string, ok bool) {
	row, user, state := s.findNeon(r)
	return user.ID, row.id, state == neonLive
}

func (s *Standin) granted(g authorize.Grant) (token string, seconds int) {
	spec := TokenSpec{Subject: g.Subject, Session: g.Session, Client: g.Client, Scope: g.Scope, Resources: g.Resources}
	return s.ResourceToken(Neon, spec), int(resourceLifetime.Seconds())
}
