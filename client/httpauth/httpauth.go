// Package httpauth is the one definition of how a token travels in HTTP: where
// a request may carry it, which status an answer of the daemon becomes, and
// the headers that go with a refusal (WWW-Authenticate, Retry-After).
//
// client/middleware and neonauth-http use it, and so can a guard of your own:
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
// Requirements are what a verified user has to be besides.
//
// The clients for Node and Python have a module of the same name with the same
// structure; client/testdata/httpauth holds the cases that all of them play.
package httpauth

import "net/http"

// Preflight reports whether r asks on behalf of a browser's CORS check (Fetch
// section 4.8): OPTIONS with Access-Control-Request-Method. A browser sends no
// token with it, so a guard lets it through to whatever answers such checks,
// and without a user. A request that some frameworks take for another method
// because of a header is none, nor is one that asks for another protocol: after
// an Upgrade nobody looks at what goes over the connection.
func Preflight(r *http.Request) bool {
	for _, name := range [...]string{"X-Http-Method-Override", "X-Http-Method", "X-Method-Override", "Upgrade"} {
		if len(r.Header[name]) > 0 {
			return false
		}
	}
	return r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
}
