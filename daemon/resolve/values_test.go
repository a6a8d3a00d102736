package resolve

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/resolve/excerpt"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/daemon/standin/stackauth"
)

// check returns the check of that name in the explanation of a token.
func (h *harness) check(p *Project, token, name string) Check {
	h.t.Helper()
	for _, c := range h.resolver.Explain(&Lookup{Project: p, Token: []byte(token)}).Checks {
		if c.Name == name {
			return c
		}
	}
	h.t.Fatalf("there is no check %s", name)
	return Check{}
}

// TestAnExplanationShowsWhatIsAndWhatIsWanted, at the check that failed.
func TestAnExplanationShowsWhatIsAndWhatIsWanted(t *testing.T) {
	h := newHarness(t, nil)
	p := h.project("stack")
	// Late in a second: the rest of the second must not change the distances
	// that are shown.
	h.clock.Advance(h.clock.Read().Truncate(time.Second).Add(1700 * time.Millisecond).Sub(h.clock.Read().Round(0)))
	now := h.clock.Read()
	issuer, audience := p.rules().Admitted[0].Issuers[0], p.rules().Admitted[0].Name
	at := func(ahead time.Duration) string { return now.Add(ahead).UTC().Format(time.RFC3339) }
	for name, c := range map[string]struct {
		change           func(*standin.TokenSpec)
		check, is, wants string
	}{
		"algorithm": {func(s *standin.TokenSpec) { s.Header = map[string]any{"alg": "HS256"} }, "algorithm", "HS256", "ES256, as its key"},
		"type":      {func(s *standin.TokenSpec) { s.Header = map[string]any{"typ": "at+jwt"} }, "header", "at+jwt", "JWT or none"},
		"no key":    {func(s *standin.TokenSpec) { s.Header = map[string]any{"kid": "bm9ib2R5", "alg": "none"} }, "algorithm", "none", "ES256"},
		"key":       {func(s *standin.TokenSpec) { s.Header = map[string]any{"kid": "bm9ib2R5"} }, "key", "bm9ib2R5", p.keys.Snapshot().Set().Keys()[0].ID()},
		"issuer":    {func(s *standin.TokenSpec) { s.Set = map[string]any{"iss": "https://elsewhere.example/\x1b[31m"} }, "issuer", `https://elsewhere.example/\x1b[31m`, issuer},
		"audience":  {func(s *standin.TokenSpec) { s.Set = map[string]any{"aud": "another-project"} }, "audience", "another-project", audience},
		"class":     {func(s *standin.TokenSpec) { s.Class = stackauth.ClassRestricted }, "class", "restricted", "normal"},
		"expired": {func(s *standin.TokenSpec) { s.IssuedAt, s.Lifetime = now.Add(-2*time.Hour), time.Hour }, "time",
			"exp " + at(-time.Hour) + ", 1h ago; iat " + at(-2*time.Hour) + ", 2h ago", "exp after, nbf and iat at most 5s after this host's time, " + at(0)},
		"early": {func(s *standin.TokenSpec) { s.IssuedAt, s.Lifetime = now.Add(time.Minute), time.Hour }, "time",
			"exp " + at(61*time.Minute) + ", in 1h1m; iat " + at(time.Minute) + ", in 1m", "exp after, nbf and iat at most 5s after this host's time, " + at(0)},
		"not reached": {func(s *standin.TokenSpec) { s.Forged = true }, "issuer", issuer, issuer},
		"good":        {func(*standin.TokenSpec) {}, "audience", audience, audience},
		"long":        {func(s *standin.TokenSpec) { s.Set = map[string]any{"iss": strings.Repeat("x", excerpt.MaxValue+1)} }, "issuer", strings.Repeat("x", excerpt.MaxValue) + "...", issuer},
	} {
		t.Run(name, func(t *testing.T) {
			spec := standin.TokenSpec{Subject: h.upstream.AddUser(standin.User{}).ID, IssuedAt: now}
			c.change(&spec)
			if is := h.check(p, h.upstream.StackToken(spec), c.check); is.Is != c.is || !slices.Contains(strings.Split(is.Wants, "; "), c.wants) && !strings.HasPrefix(is.Wants, c.wants) {
				t.Errorf("%s: is %q, want %q; wants %q, want %q", c.check, is.Is, c.is, is.Wants, c.wants)
			}
		})
	}
}

// TestTheValuesOfAnExplanationNameNobody: no value of the token that identifies
// its user is shown.
func TestTheValuesOfAnExplanationNameNobody(t *testing.T) {
	h := newHarness(t, func(c *config.Config) { c.Projects[0].Allow = []string{config.AllowRestricted} })
	shown := 0
	for name, token := range h.credentials() {
		said := map[string]any{}
		if parts := strings.Split(token, "."); len(parts) == 3 {
			text, err := base64.RawURLEncoding.DecodeString(parts[1])
			if err == nil {
				_ = json.Unmarshal(text, &said)
			}
		}
		for _, p := range h.projects {
			for _, c := range h.resolver.Explain(&Lookup{Project: p, Token: []byte(token)}).Checks {
				if c.Is != "" {
					shown++
				}
				for _, member := range []string{"sub", "email", "name", "refresh_token_id", "sid", "id", "jti"} {
					if value, ok := said[member].(string); ok && value != "" && strings.Contains(c.Is+c.Wants+c.Detail, value) {
						t.Errorf("%s: %s of the token is in %+v", name, member, c)
					}
				}
			}
		}
	}
	if shown < 50 {
		t.Errorf("%d values are shown", shown)
	}
}
