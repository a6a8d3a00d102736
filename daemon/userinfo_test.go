package daemon

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

// TestSignedUserinfoIsVerified: an answer that is signed by the issuer's key, about this
// user and for this client, is a profile. Any other answer says nothing about the user.
func TestSignedUserinfoIsVerified(t *testing.T) {
	w := newLiveDaemon(t, func(c *config.Config) {
		for i := range c.Projects {
			c.Projects[i].UpstreamRate = 1000
		}
	})
	k := w.dial()
	token := w.upstream.OIDCToken(standin.TokenSpec{Subject: w.user.ID, Set: map[string]any{"azp": "web"}})
	answer := func(body string) {
		w.upstream.Clear(standin.Userinfo)
		w.upstream.Inject(standin.Userinfo, standin.Fault{Kind: standin.Answer, Header: http.Header{"Content-Type": {"application/jwt"}}, Body: body})
	}
	signed := func(change func(*standin.TokenSpec)) string {
		spec := standin.TokenSpec{Subject: w.user.ID, Set: map[string]any{"aud": "web", "nickname": "Countess"}, Remove: []string{"exp", "iat", "sid"}}
		change(&spec)
		return w.upstream.OIDCToken(spec)
	}
	good := signed(func(*standin.TokenSpec) {})
	if reply := k.Ask("VERIFY project=oidc %s", token); head(reply) != "OK" {
		t.Fatal(reply)
	}
	for _, c := range []struct{ name, body, want, log string }{
		{"as asked for", good, "OK", ""},
		{"with a line break behind", good + "\n", "OK", ""},
		{"without aud", signed(func(s *standin.TokenSpec) { s.Remove = append(s.Remove, "aud") }), "OK", ""},
		{"another algorithm of the issuer", signed(func(s *standin.TokenSpec) { s.Alg = "EdDSA" }), "OK", ""},
		{"about somebody else", signed(func(s *standin.TokenSpec) { s.Subject = "somebody" }), "ERR unavailable", "about another user"},
		{"of another issuer", signed(func(s *standin.TokenSpec) { s.Set["iss"] = "https://evil.example" }), "ERR misconfigured", "its iss is not that of the token"},
		{"for another client", signed(func(s *standin.TokenSpec) { s.Set["aud"] = "other" }), "ERR misconfigured", "its aud is neither the client"},
		{"over", signed(func(s *standin.TokenSpec) { s.Remove, s.Lifetime = nil, -time.Minute }), "ERR unavailable", "it is over by its exp"},
		{"an ID token", signed(func(s *standin.TokenSpec) { s.Set["at_hash"] = "x" }), "ERR misconfigured", "a JWT of another kind"},
		{"not signed", strings.Join(append(strings.Split(signed(func(s *standin.TokenSpec) { s.Header = map[string]any{"alg": "none"} }), ".")[:2], ""), "."), "ERR misconfigured", "a JWT that is not signed"},
		{"signed with a shared secret", signed(func(s *standin.TokenSpec) { s.Header = map[string]any{"alg": "HS256"} }), "ERR misconfigured", "a JWT that is not signed"},
		{"encrypted", "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.a2V5.aXY.dGV4dA.dGFn", "ERR misconfigured", "userinfo is encrypted"},
		{"no JWT", `{"sub":"` + w.user.ID + `"}`, "ERR misconfigured", "it is no JWT"},
		{"forged", signed(func(s *standin.TokenSpec) { s.Forged = true }), "ERR unavailable", "not by the key that it names"},
		{"of an unknown key", signed(func(s *standin.TokenSpec) { s.Header = map[string]any{"kid": "nobody"} }), "ERR unavailable", "its key is not in the key set"},
	} {
		w.clock.advance(time.Duration(w.config.Projects[0].JWKSCooldown))
		fetched := w.upstream.Calls(standin.OIDCKeys)
		answer(c.body)
		reply := k.Ask("PROFILE project=oidc max-age=0 %s", token)
		if head(reply) != c.want || c.want == "OK" && !strings.Contains(reply, `"nickname":"Countess"`) {
			t.Errorf("%s: %.120s, want %s", c.name, reply, c.want)
		}
		if n := w.upstream.Calls(standin.OIDCKeys) - fetched; n > 1 {
			t.Errorf("%s: the keys were fetched %d times", c.name, n)
		}
		if !strings.Contains(w.log.String(), c.log) {
			t.Errorf("%s: the log does not say %q", c.name, c.log)
		}
		// The answer said nothing about the user, so lookups that need no profile are still
		// answered.
		if reply := k.Ask("VERIFY project=oidc %s", token); head(reply) != "OK" {
			t.Errorf("%s: then VERIFY %s", c.name, reply)
		}
	}
	if strings.Contains(w.log.String(), "Countess") || strings.Contains(w.log.String(), w.user.ID) {
		t.Error("the log tells of the user")
	}
}

// TestANewKeyThatSignsUserinfoIsFetched: once within the cooldown, however many unknown
// keys sign.
func TestANewKeyThatSignsUserinfoIsFetched(t *testing.T) {
	w := newLiveDaemon(t, func(c *config.Config) {
		for i := range c.Projects {
			c.Projects[i].UpstreamRate = 1000
		}
	})
	k := w.dial()
	token := w.upstream.OIDCToken(standin.TokenSpec{Subject: w.user.ID})
	if reply := k.Ask("VERIFY project=oidc %s", token); head(reply) != "OK" {
		t.Fatal(reply)
	}
	before := w.upstream.Calls(standin.OIDCKeys)
	w.clock.advance(time.Minute)
	ask := func(body string) string {
		w.upstream.Clear(standin.Userinfo)
		w.upstream.Inject(standin.Userinfo, standin.Fault{Kind: standin.Answer, Header: http.Header{"Content-Type": {"application/jwt"}}, Body: body})
		return k.Ask("PROFILE project=oidc max-age=0 %s", token)
	}
	spec := standin.TokenSpec{Subject: w.user.ID, Remove: []string{"exp", "iat"}}
	w.upstream.Rotate(standin.OIDC, true)
	if reply := ask(w.upstream.OIDCToken(spec)); head(reply) != "OK" {
		t.Errorf("signed by a new key: %.90s", reply)
	}
	for i := range 20 {
		spec.Header = map[string]any{"kid": strings.Repeat("x", i+1)}
		if reply := ask(w.upstream.OIDCToken(spec)); head(reply) != "ERR unavailable" || e2e.Field(reply, "retry-after") == "" {
			t.Errorf("signed by a key that nobody has: %.90s", reply)
		}
	}
	if n := w.upstream.Calls(standin.OIDCKeys) - before; n != 1 {
		t.Errorf("the keys were fetched %d times", n)
	}
}
