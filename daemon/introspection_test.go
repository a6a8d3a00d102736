package daemon

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/daemon/standin/introspect"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

// checkerSecret is the secret of the client that introspects.
const checkerSecret = "s3cret-canary"

// introspecting returns a daemon with projects that introspect: a resource of each OAuth server, "mcp" and "mcp-oidc",
// and the servers themselves, "neon" and "oidc". Its client, "checker", is linked to their resources. change may be
// nil.
func introspecting(t testing.TB, change func(*config.Config)) *liveDaemon {
	t.Helper()
	w := newLiveDaemon(t, func(c *config.Config) {
		resources(c)
		c.Projects = c.Projects[:5]
		if err := os.WriteFile(filepath.Join(c.Dir, "checker-secret"), []byte(checkerSecret), 0o600); err != nil {
			t.Fatal(err)
		}
		for i := range c.Projects {
			p := &c.Projects[i]
			if p.Preset == "stack" {
				continue
			}
			p.Introspection = &config.Introspection{ClientID: "checker", Secret: "./checker-secret"}
			p.Allow = []string{"machine"}
		}
		if change != nil {
			change(c)
		}
	})
	w.upstream.AddClient(introspect.Client{ID: "checker", Secret: checkerSecret, Resources: []string{w.upstream.Resource(), otherResource, "standin"}})
	return w
}

func (w *liveDaemon) introspections() int { return w.upstream.Calls(standin.Introspection) }

// TestOneQuestionAnswersForAsLongAsAProfile is fresh, even if the token ends meanwhile, unless the caller wants a
// younger answer.
func TestOneQuestionAnswersForAsLongAsAProfile(t *testing.T) {
	w := introspecting(t, nil)
	s, k := w.upstream, w.dial()
	ada := standin.TokenSpec{Subject: w.user.ID, Session: "sid-1", Scope: "openid read"}
	tokens := []string{s.ResourceToken(standin.Neon, ada), s.ResourceToken(standin.Neon, ada)}
	for i, token := range tokens {
		for n := range 100 {
			reply, want := k.Ask("PROFILE project=mcp %s", token), map[bool]string{true: "upstream", false: "cache"}[n == 0]
			if head(reply) != "OK" || e2e.Field(reply, "source") != want || !strings.Contains(reply, `"active":true`) || !strings.Contains(reply, `"scope":"openid read"`) {
				t.Fatalf("token %d, lookup %d: %.200s", i, n, reply)
			}
		}
	}
	if n := w.introspections(); n != 2 {
		t.Errorf("%d questions about two tokens of one user", n)
	}
	w.clock.advance(10 * time.Second)
	for _, c := range []struct {
		maxAge, questions int
	}{{20, 0}, {9, 1}, {0, 1}, {0, 1}} {
		before := w.introspections()
		if reply := k.Ask("PROFILE project=mcp max-age=%d %s", c.maxAge, tokens[0]); head(reply) != "OK" || w.introspections()-before != c.questions {
			t.Errorf("max-age=%d: %d questions, %.90s", c.maxAge, w.introspections()-before, reply)
		}
	}
	if reply := k.Ask("VERIFY project=mcp %s", tokens[0]); e2e.Field(reply, "level") != "claims" {
		t.Errorf("%.90s", reply)
	}
}

// TestNobodyIsAskedAboutWhatIsNotVerified: the genuine endpoint fails on such tokens, and anybody can make them up.
func TestNobodyIsAskedAboutWhatIsNotVerified(t *testing.T) {
	w := introspecting(t, nil)
	s, k := w.upstream, w.dial()
	ada := standin.TokenSpec{Subject: w.user.ID}
	good := s.ResourceToken(standin.Neon, ada)
	if reply := k.Ask("VERIFY project=mcp %s", good); head(reply) != "OK" {
		t.Fatalf("%.90s", reply)
	}
	body, signature := good[:strings.LastIndex(good, ".")+1], good[strings.LastIndex(good, ".")+1:]
	for n := range 1000 {
		forged := body + fmt.Sprintf("%04d", n) + signature[4:]
		if reply := k.Ask("PROFILE project=mcp %s", forged); head(reply) == "OK" || head(reply) == "ERR unavailable" {
			t.Fatalf("forged: %.90s", reply)
		}
	}
	others := []string{s.NeonToken(ada), s.OIDCToken(ada), s.StackToken(ada), "a.b.c", "short", strings.Repeat("x", 31) + "!", s.APIKey(standin.APIKeySpec{User: w.user.ID})}
	for _, change := range []func(*standin.TokenSpec){
		func(s *standin.TokenSpec) { s.Lifetime = -time.Minute },
		func(s *standin.TokenSpec) { s.Resources = []string{otherResource}; s.Scope = "read" },
		func(s *standin.TokenSpec) { s.Set = map[string]any{"cnf": map[string]any{"jkt": "x"}} },
		func(s *standin.TokenSpec) { s.Set = map[string]any{"iss": "https://evil.example"} },
		func(s *standin.TokenSpec) { s.Header = map[string]any{"typ": "logout+jwt"} },
	} {
		spec := ada
		change(&spec)
		others = append(others, s.ResourceToken(standin.Neon, spec))
	}
	for _, token := range others {
		if reply := k.Ask("PROFILE project=mcp %s", token); !strings.HasPrefix(reply, "NO ") {
			t.Errorf("%.30s: %.90s", token, reply)
		}
	}
	if n := w.introspections(); n != 0 {
		t.Errorf("%d questions", n)
	}
}

// TestAnOpaqueTokenIsJudgedByTheUpstreamAlone if the project takes opaque tokens; otherwise it is malformed.
func TestAnOpaqueTokenIsJudgedByTheUpstreamAlone(t *testing.T) {
	w := introspecting(t, nil)
	s, k := w.upstream, w.dial()
	s.AddClient(introspect.Client{ID: s.Client(), Secret: checkerSecret})
	own := standin.TokenSpec{Subject: w.user.ID, Session: "sid-1", Client: "checker", Scope: "read write"}
	with := func(change func(*standin.TokenSpec)) standin.TokenSpec {
		spec := own
		change(&spec)
		return spec
	}
	forResource := with(func(s *standin.TokenSpec) { s.Resources = []string{w.upstream.Resource()} })
	machine := with(func(s *standin.TokenSpec) { s.Subject = "checker" })
	bound := with(func(s *standin.TokenSpec) { s.Set = map[string]any{"cnf": map[string]any{"jkt": "x"}} })
	elsewhere := with(func(s *standin.TokenSpec) { s.Resources = []string{otherResource} })
	machineHere := with(func(s *standin.TokenSpec) { s.Subject, s.Resources = "checker", []string{w.upstream.Resource()} })
	for _, c := range []struct{ what, project, token, want, principal string }{
		{"for nobody in particular", "neon", s.OpaqueToken(standin.Neon, own), "OK", "user"},
		{"for nobody, at a resource", "mcp", s.OpaqueToken(standin.Neon, own), "NO wrong-audience", ""},
		{"for nobody, at another issuer", "oidc", s.OpaqueToken(standin.OIDC, own), "NO wrong-audience", ""},
		{"for the audience of another issuer", "oidc", s.OpaqueToken(standin.OIDC, with(func(s *standin.TokenSpec) { s.Resources = []string{"standin"} })), "OK", "user"},
		{"for the resource", "mcp", s.OpaqueToken(standin.Neon, forResource), "OK", "user"},
		{"for the resource of another issuer", "mcp-oidc", s.OpaqueToken(standin.OIDC, forResource), "OK", "user"},
		{"for a resource, where there is none", "neon", s.OpaqueToken(standin.Neon, forResource), "NO wrong-audience", ""},
		{"for another resource", "mcp", s.OpaqueToken(standin.Neon, elsewhere), "NO wrong-audience", ""},
		{"a machine's", "neon", s.OpaqueToken(standin.Neon, machine), "OK", "machine"},
		{"a machine's for the resource", "mcp", s.OpaqueToken(standin.Neon, machineHere), "OK", "machine"},
		{"bound to a key", "neon", s.OpaqueToken(standin.Neon, bound), "NO sender-constrained", ""},
		{"a refresh token", "neon", s.OAuthRefreshToken(standin.Neon, own), "NO rejected-upstream", ""},
		{"of the other issuer", "neon", s.OpaqueToken(standin.OIDC, own), "NO rejected-upstream", ""},
		{"of nobody", "neon", strings.Repeat("x", 32), "NO rejected-upstream", ""},
	} {
		before := w.introspections()
		if reply := k.Ask("VERIFY project=%s %s", c.project, c.token); reply != "ERR needs-profile" {
			t.Errorf("%s: VERIFY: %.90s", c.what, reply)
		}
		reply := k.Ask("PROFILE project=%s %s", c.project, c.token)
		if head(reply) != c.want || e2e.Field(reply, "principal") != c.principal {
			t.Errorf("%s: %.150s", c.what, reply)
		}
		if again := k.Ask("PROFILE project=%s %s", c.project, c.token); head(again) != c.want || c.want == "OK" && e2e.Field(again, "source") != "cache" {
			t.Errorf("%s: again: %.150s", c.what, again)
		}
		if n := w.introspections() - before; n != 1 {
			t.Errorf("%s: %d questions", c.what, n)
		}
		if reply := k.Ask("PROFILE project=main %s", c.token); reply != "NO malformed" {
			t.Errorf("%s: where there is no door: %.90s", c.what, reply)
		}
		if reply := w.dialAdmin().Ask("EXPLAIN project=%s %s", c.project, c.token); !strings.Contains(reply, "an opaque access token, which only the upstream can judge") || strings.Contains(reply, "calls the token inactive") != (c.want == "NO rejected-upstream") {
			t.Errorf("%s: EXPLAIN: %s", c.what, reply)
		}
		if strings.Contains(w.log.String(), c.token) || strings.Contains(reply, c.token) {
			t.Errorf("%s: the token is repeated", c.what)
		}
	}
	session, err := s.SignIn(w.user.ID)
	if err != nil {
		t.Fatal(err)
	}
	bare, _, _ := strings.Cut(session.NeonCookie, ".")
	for token, want := range map[string]string{session.NeonCookie: "OK", bare: "NO rejected-upstream"} {
		before := w.introspections()
		if reply := k.Ask("PROFILE project=neon %s", token); head(reply) != want || w.introspections()-before != map[bool]int{false: 1}[token == session.NeonCookie] {
			t.Errorf("a session's credential of %d characters: %.90s", len(token), reply)
		}
		if reply := k.Ask("PROFILE project=mcp %s", session.NeonCookie); reply != "NO malformed" {
			t.Errorf("a session at a resource: %.90s", reply)
		}
	}
	strict := introspecting(t, func(c *config.Config) {
		for i := range c.Projects {
			c.Projects[i].Allow = nil
		}
	})
	if reply := strict.dial().Ask("PROFILE project=neon %s", strict.upstream.OpaqueToken(standin.Neon, machine)); reply != "NO class-not-allowed" {
		t.Errorf("a machine that is not allowed: %.90s", reply)
	}
}

// TestAnOpaqueTokenEnds: at its own end, by a revocation here, and by a purge.
func TestAnOpaqueTokenEnds(t *testing.T) {
	w := introspecting(t, nil)
	s, k, admin := w.upstream, w.dial(), w.dialAdmin()
	give := func(session string, lifetime time.Duration) string {
		t.Helper()
		token := s.OpaqueToken(standin.Neon, standin.TokenSpec{Subject: w.user.ID, Session: session, Client: "checker", Lifetime: lifetime})
		if reply := k.Ask("PROFILE project=neon %s", token); head(reply) != "OK" || e2e.Field(reply, "exp") == "" {
			t.Fatalf("%.90s", reply)
		}
		return token
	}
	short := give("s0", 20*time.Second)
	if reply := k.Ask("PROFILE project=neon %s", short); e2e.Field(reply, "ttl") != "19" && e2e.Field(reply, "ttl") != "20" {
		t.Errorf("a caller may reuse it for %s s", e2e.Field(reply, "ttl"))
	}
	w.clock.advance(20 * time.Second)
	if reply := k.Ask("PROFILE project=neon %s", short); reply != "NO expired" {
		t.Errorf("past its end: %.90s", reply)
	}
	for _, c := range []struct{ act, token string }{
		{"REVOKE project=neon token %s", give("s1", 0)}, {"REVOKE project=neon session s2", give("s2", 0)}, {"REVOKE project=neon subject " + w.user.ID, give("s3", 0)},
	} {
		act := c.act
		if strings.Contains(act, "%s") {
			act = fmt.Sprintf(act, c.token)
		}
		if reply := admin.Ask("%s", act); head(reply) != "OK" {
			t.Fatalf("%.60s: %.90s", c.act, reply)
		}
		for _, lookup := range []string{"PROFILE project=neon ", "PROFILE project=neon max-age=0 "} {
			if reply := k.Ask("%s%s", lookup, c.token); reply != "NO revoked" {
				t.Errorf("%s%.60s: %.90s", lookup, c.act, reply)
			}
		}
	}
	w.clock.advance(time.Minute)
	purged := give("s4", 0)
	s.RevokeOpaqueToken(purged)
	if reply := admin.Ask("PURGE token %s", purged); head(reply) != "OK" {
		t.Errorf("PURGE: %.90s", reply)
	}
	if reply := k.Ask("PROFILE project=neon %s", purged); reply != "NO rejected-upstream" {
		t.Errorf("after a purge: %.90s", reply)
	}
}

// TestWhatAnswersMean: all answers of the endpoint that are not in the fixtures, about a good token: first without an
// older answer, then with one.
func TestWhatAnswersMean(t *testing.T) {
	header := func(kind string) http.Header { return http.Header{"Content-Type": {kind}} }
	for name, c := range map[string]struct {
		fault standin.Fault
		want  string // for a token that was not asked about before
		stale bool   // an older answer is served
	}{
		"429":            {standin.Fault{Kind: standin.Status, Status: 429, XRetryAfter: "60"}, "ERR unavailable", true},
		"500":            {standin.Fault{Kind: standin.Status, Status: 500}, "ERR unavailable", true},
		"503":            {standin.Fault{Kind: standin.Status, Status: 503}, "ERR unavailable", true},
		"401":            {standin.Fault{Kind: standin.Answer, Status: 401, Header: header("application/json"), Body: `{"error":"invalid_client"}`}, "ERR misconfigured", true},
		"400":            {standin.Fault{Kind: standin.Answer, Status: 400, Header: header("application/json"), Body: `{"error":"invalid_client"}`}, "ERR misconfigured", true},
		"403":            {standin.Fault{Kind: standin.Answer, Status: 403, Header: header("application/json"), Body: `{"error":"unauthorized_client"}`}, "ERR misconfigured", true},
		"a page":         {standin.Fault{Kind: standin.Garbage}, "ERR unavailable", true},
		"a redirect":     {standin.Fault{Kind: standin.Redirect, Location: "https://evil.example/"}, "ERR unavailable", true},
		"a reset":        {standin.Fault{Kind: standin.Reset}, "ERR unavailable", true},
		"half an answer": {standin.Fault{Kind: standin.Truncate}, "ERR unavailable", true},
		"inactive":       {standin.Fault{Kind: standin.Answer, Header: header("application/json"), Body: `{"active":false}`}, "NO rejected-upstream", false},
		"another user":   {standin.Fault{Kind: standin.OtherUser}, "ERR unavailable", true},
		"nothing else":   {standin.Fault{Kind: standin.Answer, Header: header("application/json"), Body: `{"active":true}`}, "OK", false},
		"over":           {standin.Fault{Kind: standin.Answer, Header: header("application/json"), Body: `{"active":true,"exp":1}`}, "NO expired", false},
		"a refresh":      {standin.Fault{Kind: standin.Answer, Header: header("application/json"), Body: `{"active":true,"token_type":"refresh_token"}`}, "NO wrong-type", false},
		"DPoP":           {standin.Fault{Kind: standin.Answer, Header: header("application/json"), Body: `{"active":true,"token_type":"DPoP"}`}, "NO sender-constrained", false},
		"a new type":     {standin.Fault{Kind: standin.Answer, Header: header("application/json"), Body: `{"active":true,"token_type":"Quantum"}`}, "ERR unavailable", true},
		"another client": {standin.Fault{Kind: standin.Answer, Header: header("application/json"), Body: `{"active":true,"client_id":"other"}`}, "ERR unavailable", true},
		"elsewhere":      {standin.Fault{Kind: standin.Answer, Header: header("application/json"), Body: `{"active":true,"aud":"https://other.example"}`}, "NO wrong-audience", false},
	} {
		t.Run(name, func(t *testing.T) {
			w := introspecting(t, func(c *config.Config) { c.Projects = c.Projects[3:4] })
			s, k := w.upstream, w.dial()
			ada := standin.TokenSpec{Subject: w.user.ID}
			known, unseen := s.ResourceToken(standin.Neon, ada), s.ResourceToken(standin.Neon, ada)
			if reply := k.Ask("PROFILE %s", known); head(reply) != "OK" {
				t.Fatalf("%.90s", reply)
			}
			w.clock.advance(90 * time.Second)
			s.Inject(standin.Introspection, c.fault)
			if reply := k.Ask("PROFILE %s", unseen); head(reply) != c.want {
				t.Errorf("not seen before: %.120s, want %s", reply, c.want)
			}
			w.clock.advance(time.Second)
			reply := k.Ask("PROFILE %s", known)
			if stale := e2e.Field(reply, "source") == "stale"; stale != c.stale || !stale && head(reply) != c.want {
				t.Errorf("asked about before: %.120s", reply)
			}
			if reply := k.Ask("PROFILE fallback=claims max-age=0 %s", unseen); strings.HasPrefix(c.want, "ERR") && e2e.Field(reply, "level") != "claims" || !strings.HasPrefix(c.want, "ERR") && head(reply) != c.want {
				t.Errorf("with fallback: %.120s", reply)
			}
			s.ClearAll()
			w.clock.advance(2 * time.Minute)
			if reply := k.Ask("PROFILE %s", unseen); head(reply) != "OK" {
				t.Errorf("when the upstream answers again: %.120s", reply)
			}
		})
	}
}
