package upstream

import (
	"errors"
	"net/http"
	"testing"
)

// TestAPinnedBaseTakesNoMetadataOfTheOrigin: their endpoints may be another database's.
func TestAPinnedBaseTakesNoMetadataOfTheOrigin(t *testing.T) {
	const base = "/neondb/auth"
	var self string
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/.well-known/oauth-authorization-server" {
			http.NotFound(w, r)
			return
		}
		reply(200, jsonType, `{"issuer":"`+self+`","introspection_endpoint":"`+self+`/other/auth/oauth2/introspect"}`)(w, r)
	})
	self = server.URL
	c := open(t, Config{Preset: Neon, BaseURL: self + base})
	if issuer, err := c.Issuer(t.Context()); err != nil || issuer != self {
		t.Fatalf("%q, %v", issuer, err)
	}
	c.Pin(self + base)
	if issuer, err := c.IssuerNow(t.Context()); err == nil {
		t.Errorf("%q", issuer)
	}
	c.Pin(self)
	if issuer, err := c.IssuerNow(t.Context()); err != nil || issuer != self {
		t.Errorf("%q, %v", issuer, err)
	}
}

// TestTheIssuerIsTheOneOfTheMetadata: Better Auth answers 404 where the metadata of the other issuer would be.
func TestTheIssuerIsTheOneOfTheMetadata(t *testing.T) {
	const base = "/neondb/auth"
	for _, test := range []struct {
		name, at string
		status   int
		issuer   string // of the document, behind the origin
		want     string
		meaning  Meaning
	}{
		{"base", base + "/.well-known/oauth-authorization-server", 200, base, base, Answered},
		{"base, below the origin", "/.well-known/oauth-authorization-server" + base, 200, base, base, Answered},
		{"base, as OpenID Connect", base + "/.well-known/openid-configuration", 200, base, base, Answered},
		{"origin", "/.well-known/oauth-authorization-server", 200, "", "", Answered},
		{"origin, as OpenID Connect", "/.well-known/openid-configuration", 200, "", "", Answered},
		{"nowhere", "/elsewhere", 200, "", "", Misconfigured},
		{"a third one", base + "/.well-known/oauth-authorization-server", 200, "/other/auth", "", Misconfigured},
		{"the base, at the place of the origin", "/.well-known/oauth-authorization-server", 200, base, "", Misconfigured},
		{"the origin, at the place of the base", base + "/.well-known/oauth-authorization-server", 200, "", "", Misconfigured},
		{"down", base + "/.well-known/oauth-authorization-server", 503, base, "", Unavailable},
		{"limited", base + "/.well-known/oauth-authorization-server", 429, base, "", Unavailable},
	} {
		t.Run(test.name, func(t *testing.T) {
			var self string
			server := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != test.at {
					http.NotFound(w, r)
					return
				}
				reply(test.status, jsonType, `{"issuer":"`+self+test.issuer+`","jwks_uri":"`+self+base+`/.well-known/jwks.json"}`)(w, r)
			})
			self = server.URL
			c, err := New(Config{Preset: Neon, BaseURL: self + base + "/"})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			issuer, err := c.Issuer(t.Context())
			if test.meaning == Answered {
				if err != nil || issuer != self+test.want {
					t.Errorf("%q, %v", issuer, err)
				}
				return
			}
			var e *Error
			if !errors.As(err, &e) || e.Meaning != test.meaning || issuer != "" {
				t.Errorf("%q, %v", issuer, err)
			}
		})
	}
}
