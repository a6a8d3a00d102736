package daemon

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/configcheck"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

// upstreamFile decodes a file of genuine upstream material.
func upstreamFile(t testing.TB, name string, into any) {
	t.Helper()
	body, err := os.ReadFile("testdata/upstream/" + name)
	if err == nil {
		err = json.Unmarshal(body, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// logoutFixture is one entry of oauth/logout-tokens.json.
type logoutFixture struct {
	Name, Expect, Why, Token string
	At                       int64
	Ends                     struct{ Sub, Sid string }
}

// newLogoutFixtures starts a daemon that takes the genuine logout tokens and has the genuine
// keys.
func newLogoutFixtures(t *testing.T) (*liveDaemon, []logoutFixture) {
	t.Helper()
	var said struct {
		BaseURL  string `json:"base_url"`
		Resource string
		Client   struct {
			ID string `json:"client_id"`
		}
		Variants map[string]string `json:"issuer_variants"`
	}
	upstreamFile(t, "oauth/config.json", &said)
	keys, err := os.ReadFile("testdata/upstream/oauth/jwks.json")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(keys) }))
	t.Cleanup(server.Close)
	w := newLiveDaemon(t, func(c *config.Config) {
		mcp := config.DefaultProject()
		mcp.Name, mcp.Preset, mcp.BaseURL, mcp.JWKSURL = "mcp", "neon", said.BaseURL, server.URL
		sessions := mcp
		sessions.Name = "sessions"
		mcp.Resources, mcp.Issuers, mcp.LogoutClientIDs = []string{said.Resource}, []string{said.Variants["origin"]}, []string{said.Client.ID}
		c.Projects = []config.Project{mcp, sessions}
	})
	var tokens []logoutFixture
	upstreamFile(t, "oauth/logout-tokens.json", &tokens)
	if len(tokens) < 27 {
		t.Fatalf("%d tokens", len(tokens))
	}
	return w, tokens
}

// turnTo sets the wall clock.
func (w *liveDaemon) turnTo(at int64) { w.clock.Step(time.Unix(at, 0).Sub(w.clock.Now().Round(0))) }

// TestEachGenuineLogoutTokenGetsItsVerdict, and a rejected token ends nothing.
func TestEachGenuineLogoutTokenGetsItsVerdict(t *testing.T) {
	w, tokens := newLogoutFixtures(t)
	k, a := w.dial(), w.dialAdmin()
	reasons := []string{"malformed", "wrong-type", "bad-signature", "expired", "not-yet-valid", "wrong-issuer", "wrong-audience", "wrong-algorithm", "missing-claim"}
	for _, f := range tokens {
		t.Run(f.Name, func(t *testing.T) {
			w.turnTo(f.At)
			before := a.Ask("REVOCATIONS")
			reply := k.Ask("LOGOUT project=mcp %s", f.Token)
			kind, value := "session", f.Ends.Sid
			if value == "" {
				kind, value = "subject", f.Ends.Sub
			}
			revoked := fmt.Sprintf(`"kind":%q,"value":%q`, kind, value)
			switch after := a.Ask("REVOCATIONS"); {
			case f.Expect == "reject" && !slices.Contains(reasons, strings.TrimPrefix(reply, "NO ")):
				t.Errorf("%s, and it is %s", reply, f.Why)
			case f.Expect == "reject" && before != after:
				t.Errorf("it has changed something: %s", after)
			case f.Expect == "reject":
			case !strings.HasPrefix(reply, "OK ended="+kind+" changed="):
				t.Errorf("%s, and it is %s", reply, f.Why)
			case e2e.Field(reply, "changed") != map[bool]string{true: "0", false: "1"}[strings.Contains(before, revoked)], !strings.Contains(after, revoked), f.Ends.Sid != "" && strings.Contains(after, `"kind":"subject"`) && !strings.Contains(before, `"kind":"subject"`):
				t.Errorf("%s; before %s, after %s", reply, before, after)
			}
			if again := k.Ask("LOGOUT project=mcp %s", f.Token); f.Expect == "reject" && again != reply || f.Expect != "reject" && e2e.Field(again, "changed") != "0" {
				t.Errorf("once more: %s", again)
			}
			// None of these tokens is accepted as an access token either.
			for _, verb := range []string{"VERIFY", "PROFILE"} {
				for _, project := range []string{"mcp", "sessions"} {
					reply := k.Ask("%s project=%s %s", verb, project, f.Token)
					if other := f.Name == "access-token" || f.Name == "session-jwt"; !other && head(reply) == "OK" || f.Name == "genuine" && reply != "NO wrong-type" {
						t.Errorf("%s of %s: %.60s", verb, project, reply)
					}
				}
			}
		})
	}
	if reply := k.Ask("LOGOUT project=sessions %s", tokens[0].Token); head(reply) != "ERR misconfigured" {
		t.Errorf("a project that takes none: %s", reply)
	}
}

// TestNoTokenThatLetsSomebodyInEndsASession asks about all such tokens.
func TestNoTokenThatLetsSomebodyInEndsASession(t *testing.T) {
	w, logouts := newLogoutFixtures(t)
	w.turnTo(logouts[0].At)
	k, asked := w.dial(), 0
	for _, file := range []string{"oauth/tokens.json", "neon/tokens.json", "stack/tokens.json"} {
		var tokens []struct {
			Name, Token string
			LineSafe    *bool `json:"line_safe"`
		}
		upstreamFile(t, file, &tokens)
		for _, f := range tokens {
			if f.Name == "logout-token-long" || f.LineSafe != nil && !*f.LineSafe || f.Token == "" || len(f.Token) > 8192 || strings.Contains(f.Token, "=") {
				continue
			}
			asked++
			if reply := k.Ask("LOGOUT project=mcp %s", f.Token); !strings.HasPrefix(reply, "NO ") && head(reply) != "ERR keys-pending" {
				t.Errorf("%s, %s: %s", file, f.Name, reply)
			}
		}
	}
	if asked < 200 {
		t.Errorf("%d tokens were asked about", asked)
	}
	if w.daemon.revocations.Len() != 0 {
		t.Error("something was revoked")
	}
}

// members lets the projects "mcp", "neon" and "oidc" take the logout tokens of the stand-in's
// client.
func members(c *config.Config) {
	resources(c)
	for i := range c.Projects {
		if p := &c.Projects[i]; p.Name == "mcp" || p.Name == "neon" || p.Name == "oidc" {
			p.LogoutClientIDs = []string{"client", "another client"}
		}
	}
}

// TestALogoutEndsItsSessionAndNoOther session of the same user, also for tokens that are
// remembered or are issued later.
func TestALogoutEndsItsSessionAndNoOther(t *testing.T) {
	w := newLiveDaemon(t, members)
	s, k := w.upstream, w.dial()
	for project, preset := range map[string]standin.Preset{"mcp": standin.Neon, "oidc": standin.OIDC} {
		mint := func(session string) string {
			spec := standin.TokenSpec{Subject: w.user.ID, Session: session, Client: "client"}
			if preset == standin.OIDC {
				return s.OIDCToken(spec)
			}
			return s.ResourceToken(preset, spec)
		}
		verify := func(token, want string) {
			t.Helper()
			if reply := k.Ask("VERIFY project=%s %s", project, token); !strings.HasPrefix(reply, want) {
				t.Errorf("%s: %.60s, want %s", project, reply, want)
			}
		}
		first, second := mint("first"), mint("second")
		verify(first, "OK ")
		verify(second, "OK ")
		logout := s.LogoutToken(preset, standin.TokenSpec{Subject: w.user.ID, Session: "first", Client: "client"})
		if reply := k.Ask("LOGOUT project=%s %s", project, logout); reply != "OK ended=session changed=1" {
			t.Fatalf("%s: %s", project, reply)
		}
		verify(first, "NO revoked")
		verify(second, "OK ")
		w.clock.advance(time.Minute)
		verify(mint("first"), "NO revoked") // the refresh token of the session still works
		verify(mint("third"), "OK ")
		if reply := k.Ask("LOGOUT project=%s %s", project, logout); reply != "OK ended=session changed=0" {
			t.Errorf("%s, once more: %s", project, reply)
		}
		// A logout token without a session ends all that the subject has had until then, by
		// the issuer's clock.
		ended := w.clock.Now()
		all := standin.TokenSpec{Subject: w.user.ID, Client: "another client", Remove: []string{"sid"}}
		logout = s.LogoutToken(preset, all)
		w.clock.advance(2 * time.Second)
		later := mint("second")
		if reply := k.Ask("LOGOUT project=%s %s", project, logout); reply != "OK ended=subject changed=1" {
			t.Fatalf("%s: %s", project, reply)
		}
		verify(second, "NO revoked")
		verify(later, "OK ")
		w.clock.advance(time.Minute)
		if reply := k.Ask("LOGOUT project=%s %s", project, logout); reply != "OK ended=subject changed=0" {
			t.Errorf("%s, once more: %s", project, reply)
		}
		verify(later, "OK ") // a retry covers no later tokens
		if list := w.dialAdmin().Ask("REVOCATIONS project=%s", project); !strings.Contains(list, `"reason":"back-channel logout"`) || !strings.Contains(list, `"uid":`) {
			t.Errorf("%s: since %s: %s", project, ended, list)
		}
		all.Lifetime, all.IssuedAt = time.Minute, ended.Add(-time.Hour)
		if reply := k.Ask("LOGOUT project=%s %s", project, s.LogoutToken(preset, all)); reply != "NO expired" {
			t.Errorf("%s: %s", project, reply)
		}
	}
	var x explanation
	if err := json.Unmarshal([]byte(strings.TrimPrefix(w.dialAdmin().Ask("EXPLAIN project=mcp %s", s.LogoutToken(standin.Neon, standin.TokenSpec{Client: "client"})), "OK ")), &x); err != nil {
		t.Fatal(err)
	}
	if at := slices.IndexFunc(x.Checks, func(c check) bool { return c.Result == "fail" }); x.Reason != "wrong-type" || at < 0 || !strings.Contains(x.Checks[at].Detail, `"typ" names a logout token`) {
		t.Errorf("EXPLAIN: %+v", x)
	}
}

// TestALogoutEndsTheTokensThatNameNoSession of its user, remembered or not, because nobody
// can tell whether they are of the session that has ended. Tokens that name another session,
// that are issued later, or that are another user's are still good.
func TestALogoutEndsTheTokensThatNameNoSession(t *testing.T) {
	w := newLiveDaemon(t, members)
	s, k, a := w.upstream, w.dial(), w.dialAdmin()
	bob := s.AddUser(standin.User{ID: "bob", Email: "bob@example.org"}).ID
	for project, preset := range map[string]standin.Preset{"neon": standin.Neon, "oidc": standin.OIDC} {
		mint := func(subject, session string) string {
			spec := standin.TokenSpec{Subject: subject, Session: session, Client: "client"}
			if session == "" {
				spec.Remove = []string{"sid"}
			}
			if preset == standin.OIDC {
				return s.OIDCToken(spec)
			}
			return s.NeonToken(spec)
		}
		asked := func(token, want string) {
			t.Helper()
			if reply := k.Ask("VERIFY project=%s %s", project, token); !strings.HasPrefix(reply, want) {
				t.Errorf("%s: %.60s, want %s", project, reply, want)
			}
		}
		ended, err := s.SignIn(w.user.ID)
		if err != nil {
			t.Fatal(err)
		}
		remembered, fresh, other, his := mint(w.user.ID, ""), mint(w.user.ID, ""), mint(w.user.ID, "another"), mint(bob, "")
		asked(remembered, "OK ")
		asked(his, "OK ")
		logout := s.LogoutToken(preset, standin.TokenSpec{Subject: w.user.ID, Session: ended.SessionID, Client: "client"})
		if reply := k.Ask("LOGOUT project=%s %s", project, logout); reply != "OK ended=session changed=1" {
			t.Fatalf("%s: %s", project, reply)
		}
		asked(remembered, "NO revoked")
		asked(fresh, "NO revoked")
		asked(his, "OK ")
		if preset == standin.OIDC {
			asked(other, "OK ")
		}
		w.clock.advance(2 * time.Second)
		asked(mint(w.user.ID, ""), "OK ")
		if reply := k.Ask("LOGOUT project=%s %s", project, logout); reply != "OK ended=session changed=0" {
			t.Errorf("%s, once more: %s", project, reply)
		}
		if reply := a.Ask("UNREVOKE project=%s sessionless %s", project, w.user.ID); e2e.Field(reply, "changed") != "1" {
			t.Errorf("%s: %s", project, reply)
		}
		asked(fresh, "OK ")
		without := s.LogoutToken(preset, standin.TokenSpec{Session: "other", Client: "client", Remove: []string{"sub"}})
		if reply, want := k.Ask("LOGOUT project=%s %s", project, without), map[string]string{"neon": "ERR misconfigured", "oidc": "OK ended=session"}[project]; !strings.HasPrefix(reply, want) {
			t.Errorf("%s, without a user: %s", project, reply)
		}
	}
}

// TestALogoutLeavesOtherSessionsAlone if credentials name their session. Session credentials
// of Neon Auth do, and its JWTs do not.
func TestALogoutLeavesOtherSessionsAlone(t *testing.T) {
	w := newLiveDaemon(t, members)
	s, k := w.upstream, w.dial()
	var sessions [2]standin.Session
	for i := range sessions {
		var err error
		if sessions[i], err = s.SignIn(w.user.ID); err != nil {
			t.Fatal(err)
		}
		if reply := k.Ask("PROFILE project=neon %s", sessions[i].NeonCookie); head(reply) != "OK" {
			t.Fatalf("%.80s", reply)
		}
	}
	logout := s.LogoutToken(standin.Neon, standin.TokenSpec{Subject: w.user.ID, Session: sessions[0].SessionID, Client: "client"})
	if reply := k.Ask("LOGOUT project=neon %s", logout); reply != "OK ended=session changed=1" {
		t.Fatal(reply)
	}
	for i, want := range []string{"NO revoked", "OK "} {
		if reply := k.Ask("PROFILE project=neon %s", sessions[i].NeonCookie); !strings.HasPrefix(reply, want) {
			t.Errorf("session %d: %.80s, want %s", i, reply, want)
		}
	}
}

// TestALogoutTokenThatCannotBeJudgedIsNotRefused while there are no keys.
func TestALogoutTokenThatCannotBeJudgedIsNotRefused(t *testing.T) {
	w := newLiveDaemon(t, members)
	k := w.dial()
	token := w.upstream.LogoutToken(standin.Neon, standin.TokenSpec{Client: "client"})
	if reply := k.Ask("LOGOUT project=mcp %s", token); head(reply) != "OK" {
		t.Fatal(reply)
	}
	w.upstream.Inject(standin.Keys, standin.Fault{Kind: standin.Status, Status: 500})
	w.upstream.Rotate(standin.Neon, false)
	token = w.upstream.LogoutToken(standin.Neon, standin.TokenSpec{Client: "client"})
	if reply := k.Ask("LOGOUT project=mcp %s", token); head(reply) != "ERR keys-pending" || e2e.Field(reply, "retry-after") == "" {
		t.Errorf("a new key, and no fetch: %s", reply)
	}
	w.upstream.Clear(standin.Keys)
	w.clock.advance(time.Minute)
	if reply := k.Ask("LOGOUT project=mcp %s", w.upstream.LogoutToken(standin.Neon, standin.TokenSpec{Client: "client"})); head(reply) != "OK" {
		t.Errorf("a new key: %s", reply)
	}
	if page := string(w.daemon.metrics()); !strings.Contains(page, "neonauthd_logouts_total{outcome=\"accepted\"} 2\n") || !strings.Contains(page, "neonauthd_logouts_total{outcome=\"unknown\"} 1\n") {
		t.Error("the metrics do not say so")
	}
}

// TestCheckSaysWhoseLogoutTokensCount, for each project that takes some.
func TestCheckSaysWhoseLogoutTokensCount(t *testing.T) {
	w := newLiveDaemon(t, members)
	var out bytes.Buffer
	if _, err := configcheck.Run(t.Context(), &out, w.config, configcheck.Options{}); err != nil {
		t.Fatal(err)
	}
	want := "logout      tokens for client or another client end sessions, once the issuer has the address of neonauth-http's /logout/"
	for project, takes := range map[string]bool{"mcp": true, "neon": true, "oidc": true, "main": false} {
		if strings.Contains(out.String(), want+project+"\n") != takes {
			t.Errorf("%s takes logout tokens: %v\n%s", project, !takes, out.String())
		}
	}
	for project, note := range map[string]string{"neon": "session JWTs name no session", "oidc": "puts \"sid\" into access tokens", "mcp": ""} {
		_, about, _ := strings.Cut(out.String(), "/logout/"+project+"\n")
		line, _, _ := strings.Cut(about, "\n")
		if strings.Contains(line, "note        logout: ") != (note != "") || !strings.Contains(line, note) {
			t.Errorf("%s: %s", project, line)
		}
	}
}
