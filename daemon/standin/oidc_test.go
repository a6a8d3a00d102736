package standin

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin/mint"
)

func TestDiscoveryLeadsToEverything(t *testing.T) {
	s := serve(t, Options{})
	var metadata struct {
		Issuer      string
		JWKSURI     string   `json:"jwks_uri"`
		UserinfoURL string   `json:"userinfo_endpoint"`
		Algorithms  []string `json:"id_token_signing_alg_values_supported"`
	}
	body := s.get(t, "/oidc/.well-known/openid-configuration").body
	if err := json.Unmarshal([]byte(body), &metadata); err != nil {
		t.Fatal(err)
	}
	if metadata.Issuer != s.BaseURL()+"/oidc" || metadata.JWKSURI != s.KeysURL(OIDC) || metadata.UserinfoURL != s.BaseURL()+"/oidc/userinfo" {
		t.Errorf("%+v", metadata)
	}
	var set struct {
		Keys []struct{ Kid, Alg, Kty, Use string }
	}
	if err := json.Unmarshal([]byte(s.get(t, "/oidc/jwks").body), &set); err != nil {
		t.Fatal(err)
	}
	if len(set.Keys) != len(metadata.Algorithms) {
		t.Fatalf("%d keys for %d algorithms", len(set.Keys), len(metadata.Algorithms))
	}
	for i, k := range set.Keys {
		if k.Alg != metadata.Algorithms[i] || k.Use != "sig" || k.Kid == "" {
			t.Errorf("%+v", k)
		}
	}
}

func TestUserinfoAcceptsEveryAlgorithm(t *testing.T) {
	s := serve(t, Options{})
	user := s.AddUser(User{Email: "ada@example.org", Name: "Ada", ImageURL: "https://example.org/a.png"})
	for _, alg := range mint.Algorithms() {
		got := s.get(t, "/oidc/userinfo", "Authorization", "Bearer "+s.OIDCToken(TokenSpec{Subject: user.ID, Alg: alg}))
		if got.status != http.StatusOK || !strings.HasPrefix(got.body, `{"sub":"`+user.ID+`","name":"Ada","email":"ada@example.org","email_verified":false,"picture":`) {
			t.Errorf("%s: %d %s", alg, got.status, got.body)
		}
	}
}

func TestUserinfoRefuses(t *testing.T) {
	s := serve(t, Options{})
	user, session := signIn(t, s)
	valid := TokenSpec{Subject: user.ID}
	change := func(act func(*TokenSpec)) string {
		spec := valid
		act(&spec)
		return s.OIDCToken(spec)
	}
	cases := map[string]string{
		"forged":             change(func(c *TokenSpec) { c.Forged = true }),
		"expired":            change(func(c *TokenSpec) { c.Lifetime = -time.Second }),
		"without exp":        change(func(c *TokenSpec) { c.Remove = []string{"exp"} }),
		"of another issuer":  change(func(c *TokenSpec) { c.Set = map[string]any{"iss": "https://example.org"} }),
		"of nobody":          change(func(c *TokenSpec) { c.Subject = mint.UUID() }),
		"of an unknown key":  change(func(c *TokenSpec) { c.Header = map[string]any{"kid": "other"} }),
		"of other algorithm": change(func(c *TokenSpec) { c.Header = map[string]any{"alg": "RS256"} }),
		"garbage":            "garbage",
	}
	for name, token := range cases {
		t.Run(name, func(t *testing.T) {
			got := s.get(t, "/oidc/userinfo", "Authorization", "Bearer "+token)
			if got.status != http.StatusUnauthorized || !strings.Contains(got.header.Get("WWW-Authenticate"), `error="invalid_token"`) {
				t.Errorf("%d %s", got.status, got.header.Get("WWW-Authenticate"))
			}
		})
	}
	if got := s.get(t, "/oidc/userinfo"); got.status != http.StatusUnauthorized || strings.Contains(got.header.Get("WWW-Authenticate"), "error") {
		t.Errorf("no token: %d %s", got.status, got.header.Get("WWW-Authenticate"))
	}
	bearer := []string{"Authorization", "bearer " + session.OIDCToken}
	if got := s.get(t, "/oidc/userinfo", bearer...); got.status != http.StatusOK {
		t.Errorf("signed in: %d", got.status)
	}
	s.RevokeSession(session.SessionID)
	if got := s.get(t, "/oidc/userinfo", bearer...); got.status != http.StatusUnauthorized {
		t.Errorf("signed out: %d", got.status)
	}
}
