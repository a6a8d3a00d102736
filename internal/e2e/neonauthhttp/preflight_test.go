package neonauthhttp_test

import (
	"net/http"
	"slices"
	"testing"
)

// A CORS preflight carries no token, and the application answers it where the recipe allows this. Nothing else gets
// through in this way, and a preflight has no user.
func TestPreflightsReachTheApplication(t *testing.T) {
	t.Parallel()
	const origin, wish = "Origin: https://app.example", "Access-Control-Request-Method: PUT"
	eachFront(t, func(t *testing.T, f *front) {
		good := bearing(f.w.token())
		for _, test := range []struct {
			name, method, path string
			lines              []string
			status             int
		}{
			{"preflight", "OPTIONS", "/api/x?y=1", []string{origin, wish}, 200},
			{"preflight with headers", "OPTIONS", "/api/", []string{origin, wish, "Access-Control-Request-Headers: authorization"}, 200},
			{"preflight of a page from a file", "OPTIONS", "/api/x", []string{"Origin: null", wish}, 200},
			{"preflight of a DELETE", "OPTIONS", "/api/x", []string{origin, "Access-Control-Request-Method: DELETE"}, 200},
			{"preflight that wants to be more", "OPTIONS", "/api/x", append(spoofsAsMore(), origin, wish, good), 200},
			{"preflight with a body", "OPTIONS", "/api/x", []string{origin, wish, "Content-Length: 0"}, 200},
			{"no origin", "OPTIONS", "/api/x", []string{wish}, 401},
			{"no method", "OPTIONS", "/api/x", []string{origin}, 401},
			{"no preflight at all", "OPTIONS", "/api/x", nil, 401},
			{"GET", "GET", "/api/x", []string{origin, wish}, 401},
			{"POST", "POST", "/api/x", []string{origin, wish, "Content-Length: 0"}, 401},
			{"HEAD", "HEAD", "/api/x", []string{origin, wish}, 401},
			{"a method that says it is another", "POST", "/api/x", []string{origin, wish, "X-HTTP-Method-Override: OPTIONS", "Content-Length: 0"}, 401},
			{"elsewhere", "OPTIONS", "/x", []string{origin, wish}, 401},
			{"at the root", "OPTIONS", "/", []string{origin, wish}, 401},
			{"where more is asked", "OPTIONS", "/account/x", []string{origin, wish}, 401},
			{"longer", "OPTIONS", "/apis/x", []string{origin, wish}, 401},
			{"out of it", "OPTIONS", "/api/../account/x", []string{origin, wish}, 400},
			{"out of it, encoded", "OPTIONS", "/api/%2e%2e/account/x", []string{origin, wish}, 400},
			{"a user", "PUT", "/api/x", []string{origin, good, "Content-Length: 0"}, 200},
		} {
			before := f.w.app.count()
			g := f.raw(t, request(test.method, test.path, test.lines...))
			if g.StatusCode != test.status || f.w.app.count() > before != (test.status == 200) {
				t.Errorf("%s: %s, and the application was reached %d times", test.name, g.Status, f.w.app.count()-before)
			}
			if test.status != http.StatusOK || test.method != http.MethodOptions {
				continue
			}
			seen := g.seen(t)
			for name, values := range seen.Header {
				switch variable(name) {
				case "HTTP_AUTHORIZATION", "HTTP_COOKIE", "HTTP_X_HTTP_METHOD", "HTTP_X_HTTP_METHOD_OVERRIDE", "HTTP_X_METHOD_OVERRIDE", "HTTP_UPGRADE", "HTTP_HTTP2_SETTINGS":
					t.Errorf("%s: the application saw %s: %q", test.name, name, values)
				}
			}
			if seen.Method != test.method || seen.Header.Get("Origin") == "" || seen.Header.Get("Access-Control-Request-Method") == "" {
				t.Errorf("%s: the application saw %+v", test.name, seen)
			}
			if id := identityOnly(seen.Header); len(id) != 0 {
				t.Errorf("%s is somebody: %v", test.name, id)
			}
		}
	})
}

// spoofsAsMore returns header lines with which a preflight could be taken for another request, or for a request of a
// user.
func spoofsAsMore() []string {
	return slices.Concat(spoofs()[:2], []string{
		"X-HTTP-Method-Override: DELETE", "X-HTTP-Method: DELETE", "X-Method-Override: DELETE",
		"X_HTTP_Method_Override: DELETE", "X-HTTP_Method: DELETE", "X.Method.Override: DELETE", "X-Method_Override: DELETE", "X-HTTP~Method-Override: DELETE", "Cookie: session=1", "Upgrade: h2c",
		"Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
	})
}
