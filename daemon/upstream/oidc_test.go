package upstream

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/protocol"
)

// issuer is an OpenID Connect issuer for tests.
type issuer struct {
	*httptest.Server
	kind       string // Content-Type of the document
	document   func(self string) string
	userinfo   http.HandlerFunc
	discovered int
}

func newIssuer(t *testing.T, document func(self string) string, userinfo http.HandlerFunc) *issuer {
	t.Helper()
	i := &issuer{kind: "application/json", document: document, userinfo: userinfo}
	i.Server = serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/.well-known/openid-configuration":
			i.discovered++
			reply(200, map[string]string{"Content-Type": i.kind}, i.document(i.URL))(w, r)
		case "/userinfo":
			i.userinfo(w, r)
		case "/keys":
			reply(200, jsonType, `{"keys":[]}`)(w, r)
		default:
			http.NotFound(w, r)
		}
	})
	return i
}

func wellKnown(self string) string {
	return `{"issuer":"` + self + `","jwks_uri":"` + self + `/keys","userinfo_endpoint":"` + self + `/userinfo"}`
}

func TestUserinfo(t *testing.T) {
	challenge := func(v string) map[string]string { return map[string]string{"WWW-Authenticate": v} }
	good := `{"sub":"` + stackUser + `","name":"Ada"}`
	tests := []struct {
		name   string
		status int
		header map[string]string
		body   string
		want   Meaning
		denial protocol.Reason
	}{
		{"claims", 200, jsonType, good, Answered, ""},
		{"somebody else's", 200, jsonType, `{"sub":"other"}`, Unavailable, ""},
		{"nobody's", 200, jsonType, `{"name":"Ada"}`, Unavailable, ""},
		{"not JSON", 200, jsonType, `<html>`, Unavailable, ""},
		{"page", 200, map[string]string{"Content-Type": "text/html"}, good, Unavailable, ""},
		{"signed", 200, map[string]string{"Content-Type": "application/jwt"}, "a.b.c", Misconfigured, ""},
		{"invalid token", 401, challenge(`Bearer error="invalid_token"`), "", Denied, protocol.ReasonRejectedUpstream},
		{"with realm", 401, challenge(`bearer realm="a \"b\", c", error="invalid_token", error_description="x"`), "", Denied, protocol.ReasonRejectedUpstream},
		{"unquoted", 401, challenge(`Bearer error=invalid_token`), "", Denied, protocol.ReasonRejectedUpstream},
		{"wrong status", 403, challenge(`Bearer error="invalid_token"`), "", Misconfigured, ""},
		{"bare 401", 401, nil, "", Misconfigured, ""},
		{"bare 403", 403, nil, "", Misconfigured, ""},
		{"no error", 401, challenge(`Bearer realm="x"`), "", Misconfigured, ""},
		{"named in a value", 401, challenge(`Bearer realm="error=\"invalid_token\""`), "", Misconfigured, ""},
		{"another scheme", 401, challenge(`Basic error="invalid_token"`), "", Misconfigured, ""},
		{"open quote", 401, challenge(`Bearer realm="x, error=invalid_token`), "", Misconfigured, ""},
		{"no value", 401, challenge(`Bearer x, error="invalid_token"`), "", Misconfigured, ""},
		{"unknown", 401, challenge(`Bearer error="something_newer"`), "", Misconfigured, ""},
		{"scope", 403, challenge(`Bearer error="insufficient_scope"`), "", Misconfigured, ""},
		{"limit", 429, nil, "", Unavailable, ""},
		{"down", 503, nil, "", Unavailable, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			i := newIssuer(t, wellKnown, func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") != "Bearer "+token {
					t.Errorf("Authorization: %q", r.Header.Get("Authorization"))
				}
				reply(test.status, test.header, test.body)(w, r)
			})
			got, err := profile(open(t, oidcConfig(i.URL)))
			if test.want == Answered {
				if err != nil || string(got.Body) != test.body || got.Subject != stackUser {
					t.Fatalf("got %s, %v", got.Body, err)
				}
				return
			}
			e := want(t, err, test.want, test.denial)
			noForeignText(t, e, test.body+test.header["WWW-Authenticate"])
		})
	}
}

func TestDiscoveryIsRememberedAndSurvivesTrouble(t *testing.T) {
	document := wellKnown
	i := newIssuer(t, func(self string) string { return document(self) }, reply(200, jsonType, `{"sub":"`+stackUser+`"}`))
	now := time.Now()
	config := oidcConfig(i.URL)
	config.Now = func() time.Time { return now }
	c := open(t, config)
	ask := func(discovered int) {
		t.Helper()
		if _, err := profile(c); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Keyset(context.Background(), Validators{}); err != nil {
			t.Fatal(err)
		}
		if i.discovered != discovered {
			t.Fatalf("discovered %d times, want %d", i.discovered, discovered)
		}
	}
	ask(1)
	now = now.Add(discoveryFresh - 1)
	ask(1)
	now = now.Add(1)
	ask(2)
	document = func(string) string { return `{"issuer":"https://evil.example"}` }
	now = now.Add(discoveryFresh)
	ask(3)
	now = now.Add(discoveryPause - 1)
	ask(3)
	document = wellKnown
	now = now.Add(1)
	ask(4)
}

func TestDiscoveryTrustsOnlyTheConfiguredIssuer(t *testing.T) {
	const evil = "http://192.0.2.1"
	tests := []struct {
		name     string
		document func(self string) string
		want     Meaning
	}{
		{"another issuer", func(self string) string { return strings.Replace(wellKnown(self), self, "https://evil.example", 1) }, Misconfigured},
		{"a slash more", func(self string) string { return strings.Replace(wellKnown(self), self, self+"/", 1) }, Misconfigured},
		{"no issuer", func(string) string { return `{}` }, Misconfigured},
		{"no endpoints", func(self string) string { return `{"issuer":"` + self + `"}` }, Misconfigured},
		{"plain endpoints elsewhere", func(self string) string {
			return `{"issuer":"` + self + `","jwks_uri":"` + evil + `","userinfo_endpoint":"` + evil + `"}`
		}, Misconfigured},
		{"not JSON", func(string) string { return `<html>` }, Unavailable},
		{"issuer twice", func(self string) string { return `{"issuer":"x",` + wellKnown(self)[1:] }, Unavailable},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			i := newIssuer(t, test.document, func(http.ResponseWriter, *http.Request) { t.Error("userinfo was asked") })
			c := open(t, oidcConfig(i.URL))
			_, err := profile(c)
			want(t, err, test.want, "")
			_, err = c.Keyset(context.Background(), Validators{})
			want(t, err, test.want, "")
			want(t, c.SelfTest(context.Background()), test.want, "")
		})
	}
}

// TestTheContentSaysWhatIsADiscoveryDocument, as of a key set: many an issuer is a folder of files.
func TestTheContentSaysWhatIsADiscoveryDocument(t *testing.T) {
	for kind, good := range map[string]bool{"text/plain": true, "application/octet-stream": true, "": true, "text/html": false} {
		i := newIssuer(t, wellKnown, nil)
		i.kind = kind
		_, err := open(t, oidcConfig(i.URL)).Keyset(context.Background(), Validators{})
		if (err == nil) != good {
			t.Errorf("%q: %v", kind, err)
		}
	}
}

func TestAnHTTPSIssuerDoesNotLeadToPlainHTTP(t *testing.T) {
	for _, test := range []struct{ issuer, raw, want string }{
		{"https://a.example", "https://b.example/x?y=z", "https://b.example/x?y=z"},
		{"https://a.example", "http://127.0.0.1/x", ""},
		{"http://127.0.0.1", "http://127.0.0.1/x", "http://127.0.0.1/x"},
		{"http://127.0.0.1", "https://b.example", "https://b.example"},
		{"https://a.example", "https://user:pw@b.example", ""},
		{"https://a.example", "/x", ""},
		{"https://a.example", "", ""},
	} {
		if got := new(Client).discovered(test.issuer, test.raw); got != test.want {
			t.Errorf("%s at %s: %q", test.raw, test.issuer, got)
		}
	}
}
