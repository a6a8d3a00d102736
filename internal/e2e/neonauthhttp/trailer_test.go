package neonauthhttp_test

import (
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// merging is an application that takes the fields after a body for headers, as some gateway interfaces do.
type merging struct {
	mu   sync.Mutex
	seen []http.Header // of each request, with the fields after its body
}

func (a *merging) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // if the visitor leaves, there are no trailers
	all := r.Header.Clone()
	maps.Copy(all, r.Trailer)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.seen = append(a.seen, all)
}

func (a *merging) taken() []http.Header {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := a.seen
	a.seen = nil
	return all
}

// chunked returns a POST whose body of three bytes is followed by trailers.
func chunked(path, trailers string, lines ...string) string {
	return request("POST", path, append(lines, "Transfer-Encoding: chunked")...) + "3\nabc\n0\n" + trailers + "\n"
}

const spoofingTrailers = "X-Auth-User-Id: mallory\nX_Auth_Role: mallory\nX-Other: mallory\n"

// No visitor names itself after the body of its request: neither the announced fields reach the application nor, in
// nginx and Caddy, fields that are not announced.
func TestNoVisitorNamesItselfAfterTheBody(t *testing.T) {
	t.Parallel()
	eachFront(t, func(t *testing.T, f *front) {
		app := new(merging)
		f.w.app.Config.Handler = app
		good := bearing(f.w.token())
		for _, path := range []string{"/", "/login", "/account/x", "/api/x"} {
			for _, lines := range [][]string{{"Trailer: X-Auth-User-Id, X_Auth_Role"}, {"Trailer: X-Auth-User-Id", "TE: trailers"}, {"trailer: X-Other"}, nil} {
				if f.Process.Name() == "haproxy" && lines == nil {
					continue // see TestHAProxyRefusesWhatMayHaveTrailers
				}
				g := f.raw(t, chunked(path, spoofingTrailers, append(lines, good)...))
				seen := app.taken()
				switch f.Process.Name() {
				case "haproxy":
					if g.StatusCode != http.StatusBadRequest || len(seen) > 0 {
						t.Errorf("%s with %q: %s", path, lines, g.Status)
					}
					continue
				case "nginx":
					if len(seen) == 1 && seen[0]["Trailer"] != nil {
						t.Errorf("%s: the application saw Trailer: %q", path, seen[0]["Trailer"])
					}
				}
				if g.StatusCode != http.StatusOK || len(seen) != 1 {
					t.Errorf("%s with %q: %s", path, lines, g.Status)
					continue
				}
				for name, values := range seen[0] {
					if strings.Contains(strings.Join(values, " "), "mallory") {
						t.Errorf("%s with %q: the application saw %s: %q", path, lines, name, values)
					}
				}
			}
		}
		// A body in chunks is no trailer.
		if g := f.raw(t, chunked("/", "", good)); g.StatusCode != http.StatusOK || len(app.taken()) != 1 {
			t.Error("a body in chunks:", g.Status)
		}
	})
}

// HAProxy before 3.2 cannot drop trailers. The line that the recipe has for this refuses every request that may have
// some, announced or not.
func TestHAProxyRefusesWhatMayHaveTrailers(t *testing.T) {
	t.Parallel()
	f := startHAProxy(t, newSystem(t), "#http-request deny", "http-request deny")
	app := new(merging)
	f.w.app.Config.Handler = app
	good := bearing(f.w.token())
	for _, path := range []string{"/", "/login"} {
		if g := f.raw(t, chunked(path, spoofingTrailers, good)); g.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %s", path, g.Status)
		}
		if status := overHTTP2(t, f, path, f.w.token()); status != http.StatusBadRequest {
			t.Errorf("%s over HTTP/2: %d", path, status)
		}
	}
	if seen := app.taken(); len(seen) > 0 {
		t.Errorf("the application saw %v", seen)
	}
	for _, text := range []string{request("GET", "/", good), request("POST", "/", good, "Content-Length: 3") + "abc"} {
		if g := f.raw(t, text); g.StatusCode != http.StatusOK || len(app.taken()) != 1 {
			t.Errorf("%.10q: %s", text, g.Status)
		}
	}
}

// overHTTP2 sends a body without a length and a trailer after it, and returns the status.
func overHTTP2(t *testing.T, f *front, path, token string) int {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+f.address+path, io.NopCloser(strings.NewReader("abc")))
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = -1
	r.Header.Set("Authorization", "Bearer "+token)
	r.Trailer = http.Header{"X-Auth-User-Id": {"mallory"}}
	res, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode
}
