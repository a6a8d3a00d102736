package standin

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
)

const stackKeysPath = "/api/v1/projects/" + fixtureProject + "/.well-known/jwks.json"

// kids of a key set in its order.
func kids(t *testing.T, body string) []string {
	t.Helper()
	var set struct{ Keys []struct{ Kid string } }
	if err := json.Unmarshal([]byte(body), &set); err != nil {
		t.Fatalf("%v in %q", err, body)
	}
	ids := make([]string, len(set.Keys))
	for i, k := range set.Keys {
		ids[i] = k.Kid
	}
	return ids
}

func TestStackKeySetWidensOnRequest(t *testing.T) {
	s := serve(t, Options{})
	all := s.KeyIDs(Stack)
	for query, n := range map[string]int{"": 2, "?include_restricted=false": 2, "?include_restricted=true": 4, "?include_anonymous=true": 6,
		"?include_restricted=false&include_anonymous=true": 6} {
		got := s.get(t, stackKeysPath+query)
		if have := kids(t, got.body); !slices.Equal(have, all[:n]) {
			t.Errorf("%q: %v, want the first %d of %v", query, have, n, all)
		}
		if got.header.Get("Cache-Control") != "public, max-age=3600" || got.header.Get("ETag") != "" || got.header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%q: headers %v", query, got.header)
		}
	}
	for _, query := range []string{"?include_anonymous=1", "?other=true"} {
		if got := s.get(t, stackKeysPath+query); got.status != http.StatusBadRequest || got.header.Get("X-Hexclave-Known-Error") != "SCHEMA_ERROR" {
			t.Errorf("%q: %d %s", query, got.status, got.body)
		}
	}
}

func TestKeySetMembersAreInTheGenuineOrder(t *testing.T) {
	s := serve(t, Options{})
	for _, c := range []struct{ fixture, path string }{
		{"stack/jwks-plain.json", stackKeysPath},
		{"neon/jwks.json", "/neondb/auth/.well-known/jwks.json"},
	} {
		var genuine, have struct{ Keys []json.RawMessage }
		load(t, c.fixture, &genuine)
		if err := json.Unmarshal([]byte(s.get(t, c.path).body), &have); err != nil {
			t.Fatal(err)
		}
		if len(have.Keys) != len(genuine.Keys) {
			t.Fatalf("%s: %d keys, want %d", c.path, len(have.Keys), len(genuine.Keys))
		}
		if got, want := memberNames(t, have.Keys[0]), memberNames(t, genuine.Keys[0]); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", c.path, got, want)
		}
	}
}

func TestUnknownProjectIsPlainText(t *testing.T) {
	s := serve(t, Options{})
	got := s.get(t, "/api/v1/projects/unknown/.well-known/jwks.json")
	if got.status != http.StatusNotFound || got.body != "Project not found" || got.header.Get("Content-Type") != "text/plain; charset=utf-8" ||
		got.header.Get("X-Stack-Known-Error") != "" || got.header.Get("Cache-Control") != "no-store, max-age=0" {
		t.Errorf("%d %v %q", got.status, got.header, got.body)
	}
}

func TestAnonymousAliasRedirects(t *testing.T) {
	s := serve(t, Options{})
	got := s.get(t, strings.Replace(stackKeysPath, "/projects/", "/projects-anonymous-users/", 1))
	if want := stackKeysPath + "?include_anonymous=true"; got.status != http.StatusTemporaryRedirect || got.header.Get("Location") != want {
		t.Errorf("%d to %q", got.status, got.header.Get("Location"))
	}
}

func TestConditionalRequests(t *testing.T) {
	s := serve(t, Options{})
	s.SetCaching(Stack, "max-age=60", true)
	first := s.get(t, stackKeysPath)
	tag := first.header.Get("ETag")
	if tag == "" || first.header.Get("Cache-Control") != "max-age=60" {
		t.Fatalf("%v", first.header)
	}
	for header, status := range map[string]int{tag: http.StatusNotModified, "W/" + tag: http.StatusNotModified,
		`"other", ` + tag: http.StatusNotModified, "*": http.StatusNotModified, `"other"`: http.StatusOK} {
		if got := s.get(t, stackKeysPath, "If-None-Match", header); got.status != status || (status == http.StatusNotModified) != (got.body == "") {
			t.Errorf("%s: %d %q", header, got.status, got.body)
		}
	}
	s.Rotate(Stack, false)
	if got := s.get(t, stackKeysPath, "If-None-Match", tag); got.status != http.StatusOK || got.header.Get("ETag") == tag {
		t.Errorf("after a rotation: %d", got.status)
	}
	s.SetCaching(Stack, "", false)
	got := s.get(t, stackKeysPath)
	if got.header.Get("ETag") != "" {
		t.Error("an ETag although they are off")
	}
}

func TestRotationReplacesOrOverlaps(t *testing.T) {
	for _, p := range []Preset{Stack, Neon, OIDC} {
		t.Run(string(p), func(t *testing.T) {
			s := New(Options{})
			first := s.KeyIDs(p)
			s.Rotate(p, true)
			second := s.KeyIDs(p)
			if len(second) != 2*len(first) {
				t.Fatalf("%d keys, then %d", len(first), len(second))
			}
			for _, kid := range first {
				if !slices.Contains(second, kid) {
					t.Errorf("%s vanished in spite of the overlap", kid)
				}
			}
			s.Rotate(p, false)
			third := s.KeyIDs(p)
			if len(third) != len(first) {
				t.Errorf("%d keys, want %d", len(third), len(first))
			}
			for _, kid := range third {
				if slices.Contains(second, kid) {
					t.Errorf("%s survived", kid)
				}
			}
			if !s.WithdrawKey(third[0]) || s.WithdrawKey(third[0]) || slices.Contains(s.KeyIDs(p), third[0]) {
				t.Error("a key is withdrawn once")
			}
		})
	}
}
