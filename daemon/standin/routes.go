package standin

import "net/http"

// mux maps the paths of all presets.
func (s *Standin) mux() *http.ServeMux {
	mux := http.NewServeMux()
	s.stackRoutes(mux)
	s.neonRoutes(mux)
	s.oidcRoutes(mux)
	return mux
}

// at counts the calls of an endpoint and lets its faults act.
func (s *Standin) at(e Endpoint, answer http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		defer s.calls.begin(e, r.Header)()
		answer(w, r)
	}
}

func (s *Standin) stackRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET "+stackPath+"/projects/{project}/.well-known/jwks.json", s.at(StackKeys, s.stackKeys))
}

func (s *Standin) stackKeys(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	widest := ClassNormal
	if r.URL.Query().Get("include_restricted") == "true" {
		widest = ClassRestricted
	}
	if r.URL.Query().Get("include_anonymous") == "true" {
		widest = ClassAnonymous
	}
	s.writeKeys(w, r, Stack, widest)
}

func (s *Standin) neonRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET "+neonPath+"/.well-known/jwks.json", s.at(NeonKeys, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		s.writeKeys(w, r, Neon, ClassOfUser)
	}))
}

func (s *Standin) oidcRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET "+oidcPath+"/jwks", s.at(OIDCKeys, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/jwk-set+json")
		s.writeKeys(w, r, OIDC, ClassOfUser)
	}))
}
