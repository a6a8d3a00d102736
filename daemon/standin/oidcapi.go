package standin

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/neonauthd/neonauthd/daemon/standin/mint"
	"github.com/neonauthd/neonauthd/daemon/standin/ordered"
	"github.com/neonauthd/neonauthd/daemon/standin/stackauth"
)

func (s *Standin) oidcRoutes(mux *http.ServeMux) {
	s.introspectionRoute(mux, OIDC, oidcPath+"/introspect")
	mux.HandleFunc("GET "+oidcPath+"/.well-known/openid-configuration", s.at(Discovery, s.oidcDiscovery))
	mux.HandleFunc("GET "+oidcPath+"/jwks", s.at(OIDCKeys, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/jwk-set+json")
		s.writeKeys(w, r, OIDC, stackauth.ClassOfUser)
	}))
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		mux.HandleFunc(method+" "+oidcPath+"/userinfo", s.at(Userinfo, s.oidcUserinfo))
	}
}

// oidcDiscovery is the metadata of OpenID Connect Discovery 1.0, section 3, as far as it applies to an
// issuer that only the control interface can sign in at.
func (s *Standin) oidcDiscovery(w http.ResponseWriter, _ *http.Request) {
	issuer := s.ServiceURL(OIDC)
	w.Header().Set("Content-Type", "application/json")
	w.Write(ordered.Encode(ordered.Object{
		{"issuer", issuer},
		{"authorization_endpoint", issuer + "/authorize"},
		{"jwks_uri", issuer + "/jwks"},
		{"userinfo_endpoint", issuer + "/userinfo"},
		{"introspection_endpoint", issuer + "/introspect"},
		{"response_types_supported", []string{"id_token"}},
		{"subject_types_supported", []string{"public"}},
		{"id_token_signing_alg_values_supported", mint.Algorithms()},
		{"claims_supported", []string{"sub", "iss", "aud", "exp", "iat", "sid", "name", "email", "email_verified", "picture"}},
	}))
}

// oidcUserinfo answers as OpenID Connect Core 1.0, section 5.3, and RFC 6750, section 3, ask. Unlike at Stack Auth,
// tokens end here when their session is signed out.
func (s *Standin) oidcUserinfo(w http.ResponseWriter, r *http.Request) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		w.Header().Set("WWW-Authenticate", `Bearer realm="standin"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	user, ok := s.tokenUser(token)
	if !ok {
		const description = "The access token expired or is invalid"
		w.Header().Set("WWW-Authenticate", `Bearer realm="standin", error="invalid_token", error_description="`+description+`"`)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		w.Write(ordered.Encode(ordered.Object{{"error", "invalid_token"}, {"error_description", description}}))
		return
	}
	claims := ordered.Object{{"sub", user.ID}}
	if user.Name != "" {
		claims = append(claims, ordered.Member{"name", user.Name})
	}
	if user.Email != "" {
		claims = append(claims, ordered.Object{{"email", user.Email}, {"email_verified", user.EmailVerified}}...)
	}
	if user.ImageURL != "" {
		claims = append(claims, ordered.Member{"picture", user.ImageURL})
	}
	claims = append(claims, ordered.Member{"updated_at", user.SignedUpAt.Unix()})
	w.Header().Set("Content-Type", "application/json")
	w.Write(ordered.Encode(claims))
}

// tokenUser is the user of a token of this issuer that is valid now, with a session that has not ended.
func (s *Standin) tokenUser(token string) (User, bool) {
	segments := strings.Split(token, ".")
	if len(segments) != 3 {
		return User{}, false
	}
	header, ok := mint.ReadObject(segments[0])
	if !ok {
		return User{}, false
	}
	kid, _ := header["kid"].(string)
	k := mint.FindKey(s.publishedKeys(OIDC, stackauth.ClassOfUser), kid)
	signature, ok := mint.ReadBase64(segments[2])
	if !ok || k == nil || k.Alg != header["alg"] || !k.Verifies([]byte(segments[0]+"."+segments[1]), signature) {
		return User{}, false
	}
	claims, ok := mint.ReadObject(segments[1])
	if !ok || claims["iss"] != s.ServiceURL(OIDC) {
		return User{}, false
	}
	if _, given := claims["exp"].(json.Number); !given || mint.Number(claims["exp"]) <= float64(s.now().Unix()) {
		return User{}, false
	}
	if sid, _ := claims["sid"].(string); s.sessionEnded(sid) {
		return User{}, false
	}
	sub, _ := claims["sub"].(string)
	return s.User(sub)
}

// sessionEnded reports whether a session of this id was signed out. An id that no session has did not come from a
// sign-in, and counts as not ended.
func (s *Standin) sessionEnded(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	row := s.sessions[id]
	return row != nil && row.ended
}
