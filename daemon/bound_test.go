package daemon

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/standin"
)

// TestNoDoorTakesATokenThatIsBoundToAKey asks about tokens with "cnf" in every
// way in which a token can be asked about.
func TestNoDoorTakesATokenThatIsBoundToAKey(t *testing.T) {
	w := newLiveDaemon(t, nil)
	k, admin := w.dial(), w.dialAdmin()
	for project, mint := range map[string]func(standin.TokenSpec) string{
		"main": w.upstream.StackToken, "neon": w.upstream.NeonToken, "oidc": w.upstream.OIDCToken,
	} {
		spec := standin.TokenSpec{Subject: w.user.ID}
		if reply := k.Ask("VERIFY project=%s %s", project, mint(spec)); head(reply) != "OK" {
			t.Fatalf("%s, a bearer token: %s", project, reply)
		}
		spec.Set = map[string]any{"cnf": map[string]any{"jkt": "YqKldHIaR4Gp29-rLzCZH9jDLdLr_c-mQ4Aosig6I7U"}}
		token := mint(spec)
		for _, fields := range []string{"VERIFY", "VERIFY", "PROFILE", "PROFILE fallback=claims", "PROFILE max-age=0 fallback=claims"} {
			if reply := k.Ask("%s project=%s %s", fields, project, token); reply != "NO sender-constrained" {
				t.Errorf("%s, %s: %.60s", project, fields, reply)
			}
		}
		var x explanation
		if err := json.Unmarshal([]byte(strings.TrimPrefix(admin.Ask("EXPLAIN project=%s %s", project, token), "OK ")), &x); err != nil {
			t.Fatal(err)
		}
		if x.Outcome != "rejected" || x.Reason != "sender-constrained" || x.HTTP != 401 {
			t.Errorf("%s, EXPLAIN: %+v", project, x)
		}
		for _, c := range x.Checks {
			if (c.Check == "claims") != (c.Result == "fail") || c.Result == "fail" && !strings.Contains(c.Detail, "cnf") {
				t.Errorf("%s, EXPLAIN: %+v", project, c)
			}
		}
	}
	if n := w.calls(); n != 0 {
		t.Errorf("%d calls for profiles of users who have shown nothing", n)
	}
}
