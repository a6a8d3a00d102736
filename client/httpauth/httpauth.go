// Package httpauth defines how a token travels in HTTP: where a request may
// carry the token, which status an answer of the daemon becomes, and which
// headers a refusal has (WWW-Authenticate, Retry-After).
//
// client/middleware and neonauth-http use this package. A guard of your own can
// use it too:
//
//	search, err := httpauth.NewSearch(httpauth.Headers()...)
//	found := search.Find(r.Header, client.LevelClaims)
//	if refusal, refused := found.Refusal(); refused {
//		refusal.SetHeaders(w.Header(), "")
//		w.WriteHeader(refusal.Status)
//		return
//	}
//	answer, _ := found.Ask(func(token string) client.Answer { return c.Verify(ctx, token) })
//	refusal, refused := httpauth.RefusalOf(answer)
//
// Requirements check more about a verified user, such as the team or the
// scopes.
//
// The clients for Node and Python have a module of the same name and structure.
// The cases in client/testdata/httpauth test all three.
package httpauth

import "net/http"

// Preflight reports whether r is a CORS preflight (Fetch section 4.8): OPTIONS
// with Access-Control-Request-Method. A browser sends no token with a
// preflight, so a guard lets it through, without a user, to the handler that
// answers preflights.
//
// A request with a header that makes some frameworks take it for another method
// is not a preflight. Neither is a request with Upgrade: after the upgrade no
// guard sees what goes over the connection.
func Preflight(r *http.Request) bool {
	for _, name := range [...]string{"X-Http-Method-Override", "X-Http-Method", "X-Method-Override", "Upgrade"} {
		if len(r.Header[name]) > 0 {
			return false
		}
	}
	return r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
}
