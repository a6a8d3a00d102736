package neonauthhttp_test

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// others returns identity headers that are not ours: of other gates, of a later version, of an application.
func others() []string {
	return []string{
		"X-Auth-User", "X-Auth-Role", "X-Auth-Roles", "X-Auth-Groups", "X-Auth-Request-User", "X-Auth-Request-Email", "X-Auth-Admin", "X-Auth-Image",
		"x-auth-anything", "X-AUTH-ANYTHING", "X-Auth-", "X-Auth-User-Id-2", "X_Auth_Admin", "X-Auth_Admin", "X_Auth-Admin", "x_auth_admin",
		// Gateway interfaces make HTTP_X_AUTH_USER_ID of each of these.
		"X.Auth.User.Id", "X-Auth.User-Id", "X.Auth-User-Id", "X~Auth~User~Id", "X'Auth-User-Id", "X-Auth'User-Id", "X!Auth!User-Id", "X#Auth-User-Id", "X$Auth$User-Id",
		"X%Auth-User-Id", "X&Auth-User-Id", "X*Auth*User-Id", "X+Auth+User-Id", "X^Auth-User-Id", "X`Auth`User-Id", "X|Auth|User-Id", "X-Auth|User-Id", "X-Auth+User.Id", "X-Auth*User-Id",
	}
}

// No visitor's header with our prefix reaches the application: it is removed, or the request is refused.
func TestNoForeignIdentityHeaderReachesTheApplication(t *testing.T) {
	t.Parallel()
	eachFront(t, func(t *testing.T, f *front) {
		good := bearing(f.w.token())
		want := identityOnly(mustSee(t, f, "/", good).Header)
		for _, name := range others() {
			for _, path := range []string{"/", "/account/x", "/live/x", "/api/x"} {
				g := f.get(t, path, good, name+": mallory", "X-Other: 1")
				switch g.StatusCode {
				case http.StatusBadRequest, http.StatusForbidden:
					continue
				}
				seen := g.seen(t).Header
				if id := identityOnly(seen); len(id) != len(want) || id["X-Auth-User-Id"] != f.w.ada.ID || strings.Contains(fmt.Sprint(id), "mallory") || seen.Get("X-Other") != "1" {
					t.Errorf("%s with %s: %v", path, name, id)
				}
			}
			// Where nginx does not ask neonauth-http, it removes only the headers of a list.
			if g := f.get(t, "/login", name+": mallory"); g.StatusCode == http.StatusOK && (f.Process.Name() != "nginx" || slices.Contains(nginxRemoves(t, "identity"), name)) {
				if id := identityOnly(g.seen(t).Header); len(id) != 0 {
					t.Errorf("open path with %s: %v", name, id)
				}
			}
		}
	})
}

func mustSee(t *testing.T, f *front, path string, lines ...string) seen {
	t.Helper()
	g := f.get(t, path, lines...)
	return g.seen(t)
}

// nginxRemoves returns the identity headers that a file of nginx's recipe sets or removes.
func nginxRemoves(t *testing.T, file string) []string {
	t.Helper()
	var all []string
	for _, found := range regexp.MustCompile(`(?m)^proxy_set_header (X-Auth-\S+)`).FindAllStringSubmatch(recipe(t, "nginx/neonauth-"+file+".conf"), -1) {
		all = append(all, found[1])
	}
	slices.Sort(all)
	return all
}

// nginx must remove the same headers from its question as from the visitor's request, because neonauth-http refuses a
// question with such a header.
func TestNginxAsksAboutWhatItHandsOn(t *testing.T) {
	t.Parallel()
	asked, handed := nginxRemoves(t, "ask"), nginxRemoves(t, "identity")
	if len(asked) <= int(fieldCount) || !slices.Equal(asked, handed) {
		t.Errorf("neonauth-ask.conf has %v, neonauth-identity.conf has %v", asked, handed)
	}
}

// Envoy is not run here. This test applies the pattern of its recipe for headers that neonauth-http must see, to refuse
// them. Envoy itself refuses names with "_".
func TestEnvoyAsksAboutForeignIdentityHeaders(t *testing.T) {
	t.Parallel()
	found := regexp.MustCompile(`safe_regex: \{ regex: "(.*)" \}`).FindStringSubmatch(recipe(t, "envoy/envoy.yaml"))
	if found == nil {
		t.Fatal("the recipe has no pattern")
	}
	pattern := regexp.MustCompile("^(?:" + found[1] + ")$")
	ours := fieldNames()
	for _, name := range append(others(), ours[:]...) {
		if !strings.Contains(name, "_") && !pattern.MatchString(strings.ToLower(name)) {
			t.Errorf("neonauth-http does not see %s", name)
		}
	}
	for _, name := range []string{"x-neonauth-require", "x-neonauth-visitor", "x-authentic", "x-auth"} {
		if pattern.MatchString(name) {
			t.Errorf("neonauth-http sees %s", name)
		}
	}
}

func TestHeadersThatAreLeftAreRefusedOnRequest(t *testing.T) {
	t.Parallel()
	w := newSystem(t)
	good := bearing(w.token())
	check := func(query string, status int, lines ...string) {
		t.Helper()
		if g := w.ask(t, "/nginx?"+query, append(lines, good)...); g.StatusCode != status || status == 403 && g.reason(t) != reasonHeader {
			t.Errorf("%s with %q: %s %s", query, lines, g.Status, g.body)
		}
	}
	for _, name := range append(others(), "X-Auth-User-Id", "X-Auth-Token") {
		check("require=clean-headers", 403, name+": mallory")
		check("level=claims", 204, name+": mallory")
	}
	check("require=clean-headers", 204)
	for _, name := range []string{"X-Authentic", "X-Auth", "Authorization-X", "X-Stack-Auth-X", "X-Real-Auth-User", "Auth-User"} {
		check("require=clean-headers", 204, name+": x")
	}
	if g := w.ask(t, "/nginx?require=clean-headers", "X-Auth-Admin: 1"); g.StatusCode != http.StatusUnauthorized {
		t.Error("nobody:", g.Status)
	}
	// A visitor may send a header that may carry the token.
	w.restartHTTP(t, `token_from = ["header:X-Auth-Token"]`)
	if g := w.ask(t, "/nginx?require=clean-headers", "X-Auth-Token: "+w.token()); g.StatusCode != http.StatusNoContent {
		t.Error("the token's own header:", g.Status)
	}
	if g := w.ask(t, "/nginx?require=clean-headers", "X-Auth-Token: "+w.token(), "X-Auth-Token-2: x"); g.StatusCode != http.StatusForbidden {
		t.Error("another one beside it:", g.Status)
	}
}
