package daemon

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

// TestTokensWithoutAudAreTakenByTheirClient: tokens of issuers such as Cognito and
// Clerk, in the form that their documentation shows.
func TestTokensWithoutAudAreTakenByTheirClient(t *testing.T) {
	const pool, site = "5bsjlins3936h9gvpi0c24ah5b", "https://app.example.com"
	w := newLiveDaemon(t, func(c *config.Config) {
		for _, p := range c.Projects {
			if p.Preset != "oidc" {
				continue
			}
			cognito, machines, clerk := p, p, p
			cognito.Name, cognito.AudienceClaim, cognito.Audiences = "cognito", "client_id", []string{pool}
			machines.Name, machines.AudienceClaim, machines.Audiences, machines.Allow = "machines", "client_id", []string{pool}, []string{"machine"}
			clerk.Name, clerk.AudienceClaim, clerk.Audiences = "clerk", "azp", []string{site, "https://www.example.com"}
			c.Projects = append(c.Projects, cognito, machines, clerk)
		}
	})
	k := w.dial()
	of := func(claims map[string]any, without ...string) string {
		return w.upstream.OIDCToken(standin.TokenSpec{Subject: w.user.ID, Set: claims, Remove: append(without, "name", "email", "email_verified", "picture"), RemoveHeader: []string{"typ"}})
	}
	cognito := map[string]any{"origin_jti": "6a1b", "event_id": "e", "token_use": "access", "scope": "openid", "auth_time": 1, "jti": "j", "client_id": pool, "username": "ada"}
	clerk := map[string]any{"azp": site, "fva": []int{7, -1}, "nbf": w.clock.Right().Unix() - 10, "sts": "active", "v": 2}
	changed := func(from map[string]any, name string, value any) map[string]any {
		out := maps.Clone(from)
		out[name] = value
		return out
	}
	for name, c := range map[string]struct {
		token string
		want  map[string]string // by project; no other project says yes
	}{
		"Cognito's":             {of(cognito, "aud", "sid"), map[string]string{"cognito": "OK", "machines": "OK", "clerk": "NO wrong-audience", "oidc": "NO wrong-audience"}},
		"another app's":         {of(changed(cognito, "client_id", "other"), "aud", "sid"), map[string]string{"cognito": "NO wrong-audience"}},
		"Cognito's ID token":    {of(map[string]any{"aud": pool, "token_use": "id", "at_hash": "x"}, "sid"), map[string]string{"cognito": "NO wrong-type"}},
		"Cognito's, for an API": {of(changed(cognito, "aud", "https://api.example.com"), "sid"), map[string]string{"cognito": "NO wrong-audience"}},
		"a machine's":           {of(changed(cognito, "sub", pool), "aud", "sid"), map[string]string{"cognito": "NO class-not-allowed", "machines": "OK"}},
		"Clerk's":               {of(clerk, "aud"), map[string]string{"clerk": "OK", "cognito": "NO wrong-audience", "oidc": "NO wrong-audience"}},
		"of another site":       {of(changed(clerk, "azp", "https://evil.example.com"), "aud"), map[string]string{"clerk": "NO wrong-audience"}},
		"of a template":         {of(changed(clerk, "aud", "supabase")), map[string]string{"clerk": "NO wrong-audience"}},
		"an ID token":           {of(map[string]any{"aud": site, "azp": site}), map[string]string{"clerk": "NO wrong-audience"}},
	} {
		for _, p := range w.config.Projects {
			reply := k.Ask("VERIFY project=%s %s", p.Name, c.token)
			want, told := c.want[p.Name]
			if told && head(reply) != want || !told && head(reply) == "OK" {
				t.Errorf("%s, asked of %s: %.60s, want %s", name, p.Name, reply, want)
			}
		}
	}
	if reply := k.Ask("VERIFY project=machines %s", of(changed(cognito, "sub", pool), "aud", "sid")); e2e.Field(reply, "principal") != "machine" {
		t.Errorf("a machine: %.90s", reply)
	}
	w.wantAudienceExplained("cognito", of(changed(cognito, "client_id", "other"), "aud", "sid"), "client_id other", "client_id "+pool+"; no aud")
	w.wantAudienceExplained("cognito", of(changed(cognito, "aud", "https://api.example.com")), "client_id "+pool+"; aud https://api.example.com", "client_id "+pool+"; no aud")
	w.wantAudienceExplained("clerk", of(nil, "aud"), "", "azp "+site+", https://www.example.com; no aud")

	// All tokens of a sign-in end together.
	if reply := w.dialAdmin().Ask("REVOKE project=cognito session 6a1b"); head(reply) != "OK" {
		t.Fatal(reply)
	}
	if reply := k.Ask("VERIFY project=cognito %s", of(changed(cognito, "jti", "k"), "aud", "sid")); reply != "NO revoked" {
		t.Errorf("of a revoked sign-in: %.60s", reply)
	}
}

// wantAudienceExplained expects EXPLAIN to fail at the audience, and to show both sides.
func (w *liveDaemon) wantAudienceExplained(project, token, is, wants string) {
	w.t.Helper()
	var x explanation
	if err := json.Unmarshal([]byte(strings.TrimPrefix(w.dialAdmin().Ask("EXPLAIN project=%s %s", project, token), "OK ")), &x); err != nil {
		w.t.Fatal(err)
	}
	for _, c := range x.Checks {
		if c.Check == "audience" && (c.Result != "fail" || c.Is != is || c.Wants != wants) {
			w.t.Errorf("EXPLAIN: %+v, want %q and %q", c, is, wants)
		}
	}
	if x.Reason != "wrong-audience" {
		w.t.Errorf("EXPLAIN: %s", x.Reason)
	}
}
