package neonauthhttp_test

import (
	"testing"

	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e/ports"
)

// TestATeamsKeyHasNoUser behind each web server: an application that looks up its users by X-Auth-User-Id must not find
// one by the id of a team. A user's key names its user.
func TestATeamsKeyHasNoUser(t *testing.T) {
	const asked = "level=profile&allow=team"
	for name, start := range map[string]func(testing.TB, *system) *front{
		"nginx": func(t testing.TB, w *system) *front {
			address := ports.Address(t)
			return startNginxAt(t, w, "tcp", address, "listen 8080;", "listen "+address+";", "?level=claims&require=clean-headers", "?"+asked+"&require=clean-headers")
		},
		"Caddy": func(t testing.TB, w *system) *front {
			return startCaddy(t, w, "neonauth_ask level=claims", "neonauth_ask "+asked)
		},
		"HAProxy": func(t testing.TB, w *system) *front { return startHAProxy(t, w, `"level=claims" if`, `"`+asked+`" if`) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newSystem(t, `api_keys = ["user", "team"]`, `allow = ["team"]`)
			f := start(t, w)
			for key, want := range map[string][2]string{
				w.APIKey(standin.APIKeySpec{Team: "team-9"}): {"", "team-9"},
				w.APIKey(standin.APIKeySpec{User: w.ada.ID}): {w.ada.ID, ""},
			} {
				g := f.get(t, "/", bearing(key), "X-Auth-User-Id: mallory")
				if g.StatusCode != 200 {
					t.Fatalf("%s: %s", g.Status, g.body)
				}
				if seen := identityOnly(g.seen(t).Header); [2]string{seen["X-Auth-User-Id"], seen["X-Auth-Team-Id"]} != want {
					t.Errorf("user and team are %v, want %q", seen, want)
				}
			}
			if g := f.get(t, "/"); g.StatusCode != 401 {
				t.Errorf("without a key: %s", g.Status)
			}
		})
	}
}
