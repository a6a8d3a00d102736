package daemon

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/configcheck"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

func withAPIKeys(kinds, allow []string) func(*config.Config) {
	return func(c *config.Config) { c.Projects[0].APIKeys, c.Projects[0].Allow = kinds, allow }
}

func TestAPIKeysTellWhoseTheyAre(t *testing.T) {
	w := newLiveDaemon(t, withAPIKeys([]string{"user", "team"}, []string{"team"}))
	s, k := w.upstream, w.dial()
	ada, team := s.APIKey(standin.APIKeySpec{User: w.user.ID}), s.APIKey(standin.APIKeySpec{Team: "team-1", Public: true})
	for key, want := range map[string][2]string{ada: {w.user.ID, "user"}, team: {"team-1", "team"}} {
		reply := k.Ask("PROFILE %s", key)
		if head(reply) != "OK" || e2e.Field(reply, "sub") != want[0] || e2e.Field(reply, "principal") != want[1] || e2e.Field(reply, "source") != "upstream" {
			t.Errorf("%.120s", reply)
		}
		if reply = k.Ask("PROFILE %s", key); e2e.Field(reply, "source") != "cache" {
			t.Errorf("again: %.120s", reply)
		}
		if reply = k.Ask("VERIFY %s", key); head(reply) != "ERR needs-profile" {
			t.Errorf("VERIFY: %.60s", reply)
		}
		if reply = k.Ask("PROFILE fallback=claims max-age=0 %s", key); e2e.Field(reply, "level") != "profile" {
			t.Errorf("live: %.120s", reply)
		}
		if strings.Contains(reply, key) {
			t.Error("the reply repeats the key")
		}
	}
	if n := s.Calls(standin.APIKeys); n != 4 {
		t.Errorf("%d calls", n)
	}
	if reply := w.dialAdmin().Ask("EXPLAIN %s", ada); !strings.Contains(reply, "an API key of a user, which only the upstream can judge") {
		t.Errorf("%.300s", reply)
	}
	if strings.Contains(w.log.String(), ada) || strings.Contains(w.log.String(), team) {
		t.Error("a key is in the log")
	}
}

// TestWhatIsNoAPIKeyIsNotAskedAbout: text of other forms, a wrong checksum, and keys of a type that the
// project does not take.
func TestWhatIsNoAPIKeyIsNotAskedAbout(t *testing.T) {
	w := newLiveDaemon(t, withAPIKeys([]string{"user", "team"}, nil))
	s, k := w.upstream, w.dial()
	ada, team := s.APIKey(standin.APIKeySpec{User: w.user.ID}), s.APIKey(standin.APIKeySpec{Team: "team-1"})
	changed := ada[:len(ada)-1] + map[bool]string{true: "0", false: "1"}[ada[len(ada)-1] == '1']
	for _, junk := range []string{changed, "sk_live_x", strings.ToUpper(ada), ada + "0", ada[1:]} {
		for _, verb := range []string{"VERIFY", "PROFILE"} {
			if reply := k.Ask("%s %s", verb, junk); reply != "NO malformed" {
				t.Errorf("%s: %.60s", verb, reply)
			}
		}
	}
	for _, verb := range []string{"VERIFY", "PROFILE"} {
		if reply := k.Ask("%s %s", verb, team); reply != "NO class-not-allowed" {
			t.Errorf("%s of a team's, which is not allowed: %.60s", verb, reply)
		}
		if reply := k.Ask("%s project=neon %s", verb, ada); head(reply) == "OK" {
			t.Errorf("%s at another preset: %.60s", verb, reply)
		}
	}
	if n := s.Calls(standin.APIKeys); n != 0 {
		t.Errorf("%d calls", n)
	}
	closed := newLiveDaemon(t, nil)
	if reply := closed.dial().Ask("PROFILE %s", closed.upstream.APIKey(standin.APIKeySpec{User: closed.user.ID})); reply != "NO malformed" {
		t.Errorf("without a door: %.60s", reply)
	}
}

func TestAPIKeysEnd(t *testing.T) {
	w := newLiveDaemon(t, withAPIKeys([]string{"user"}, nil))
	s, k, admin := w.upstream, w.dial(), w.dialAdmin()
	fresh := func() string {
		key := s.APIKey(standin.APIKeySpec{User: w.user.ID})
		if reply := k.Ask("PROFILE %s", key); head(reply) != "OK" {
			t.Fatalf("%.60s", reply)
		}
		return key
	}
	gone, here := fresh(), fresh()
	s.RevokeAPIKey(gone)
	if reply := k.Ask("PROFILE max-age=0 %s", gone); reply != "NO revoked" {
		t.Errorf("revoked upstream: %.60s", reply)
	}
	if reply := k.Ask("PROFILE %s", gone); reply != "NO revoked" {
		t.Errorf("once it is known: %.60s", reply)
	}
	if reply := admin.Ask("REVOKE token %s", here); head(reply) != "OK" {
		t.Errorf("REVOKE token: %.90s", reply)
	}
	if reply := k.Ask("PROFILE %s", here); reply != "NO revoked" {
		t.Errorf("revoked here: %.60s", reply)
	}
	short := s.APIKey(standin.APIKeySpec{User: w.user.ID, Expires: w.clock.Right().Add(30 * time.Second)})
	if reply := k.Ask("PROFILE %s", short); head(reply) != "OK" {
		t.Errorf("with an end: %.60s", reply)
	}
	w.clock.advance(31 * time.Second)
	if reply := k.Ask("PROFILE %s", short); reply != "NO expired" {
		t.Errorf("past its end: %.60s", reply)
	}
	last := fresh()
	if reply := admin.Ask("REVOKE subject %s", w.user.ID); head(reply) != "OK" {
		t.Errorf("REVOKE subject: %.90s", reply)
	}
	if reply := k.Ask("PROFILE %s", last); reply != "NO revoked" {
		t.Errorf("of a revoked user: %.60s", reply)
	}
	if reply := k.Ask("PROFILE %s", s.APIKey(standin.APIKeySpec{User: "nobody"})); reply != "NO rejected-upstream" {
		t.Errorf("of a user that is gone: %.60s", reply)
	}
}

// TestAnAPIKeyIsServedStaleWhileTheUpstreamFails, and is never rejected because of that.
func TestAnAPIKeyIsServedStaleWhileTheUpstreamFails(t *testing.T) {
	w := newLiveDaemon(t, withAPIKeys([]string{"user"}, nil))
	s, k := w.upstream, w.dial()
	known, unseen := s.APIKey(standin.APIKeySpec{User: w.user.ID}), s.APIKey(standin.APIKeySpec{User: w.user.ID})
	if reply := k.Ask("PROFILE %s", known); head(reply) != "OK" {
		t.Fatalf("%.60s", reply)
	}
	for _, fault := range []standin.Fault{{Kind: standin.Status, Status: http.StatusServiceUnavailable}, {Kind: standin.Status, Status: http.StatusNotFound}, {Kind: standin.Status, Status: http.StatusUnauthorized}} {
		s.ClearAll()
		s.Inject(standin.APIKeys, fault)
		w.clock.advance(2 * time.Minute)
		if reply := k.Ask("PROFILE %s", known); head(reply) != "OK" || e2e.Field(reply, "source") != "stale" {
			t.Errorf("%d: %.120s", fault.Status, reply)
		}
		if reply := k.Ask("PROFILE %s", unseen); !strings.HasPrefix(reply, "ERR ") {
			t.Errorf("%d, not seen before: %.60s", fault.Status, reply)
		}
	}
}

func TestCheckAsksAboutAPIKeys(t *testing.T) {
	w := newLiveDaemon(t, withAPIKeys([]string{"user", "team"}, nil))
	check := func() string {
		var out bytes.Buffer
		cfg := w.config
		cfg.Projects = cfg.Projects[:1]
		if _, err := configcheck.Run(t.Context(), &out, cfg, configcheck.Options{}); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	if text := check(); !strings.Contains(text, "ok          API keys of type user") || !strings.Contains(text, "ok          API keys of type team") {
		t.Errorf("%s", text)
	}
	w.upstream.Inject(standin.APIKeys, standin.Fault{Kind: standin.Answer, Status: http.StatusBadRequest, Body: "User API keys are not enabled for this project.", Header: http.Header{"Content-Type": {"text/plain"}}})
	text := check()
	if !strings.Contains(text, "WRONG       API keys of type user") || !strings.Contains(text, "API keys of type user are switched off in the upstream's project") {
		t.Errorf("%s", text)
	}
	// An answer about keys of teams only counts where keys of teams were asked about.
	if strings.Contains(text, "API keys of type team are switched off") || !strings.Contains(text, "no known error") {
		t.Errorf("%s", text)
	}
}
