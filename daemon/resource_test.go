package daemon

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/protocol"
)

const otherResource = "https://files.example.net/api"

// resources adds projects that are protected resources of the stand-in's issuers.
func resources(c *config.Config) {
	neon, oidc := config.DefaultProject(), config.DefaultProject()
	for _, p := range c.Projects {
		switch p.Preset {
		case "neon":
			neon = p
		case "oidc":
			oidc = p
		}
	}
	neon.Name, neon.Resources = "mcp", []string{"https://mcp.example.net/mcp"}
	oidc.Name, oidc.Audiences, oidc.Resources = "mcp-oidc", nil, []string{"https://mcp.example.net/mcp"}
	files := neon
	files.Name, files.Resources, files.Allow, files.Scopes = "files", []string{otherResource}, []string{"machine"}, []string{"read"}
	wide := neon
	wide.Name, wide.Resources = "wide", []string{"https://mcp.example.net/mcp", strings.TrimSuffix(neon.BaseURL, "/neondb/auth")}
	c.Projects = append(c.Projects, neon, oidc, files, wide)
}

// TestAResourceTakesItsOwnTokensAndNoOthers asks every project about every token.
func TestAResourceTakesItsOwnTokensAndNoOthers(t *testing.T) {
	w := newLiveDaemon(t, resources)
	s, k := w.upstream, w.dial()
	ada := standin.TokenSpec{Subject: w.user.ID}
	files, machine, bound, both := ada, ada, ada, ada
	files.Resources, files.Scope = []string{otherResource}, "write read"
	both.Resources = []string{otherResource, s.Resource()}
	machine.Subject, machine.Client, machine.Resources, machine.Scope = "robot", "robot", []string{otherResource}, "read"
	bound.Set = map[string]any{"cnf": map[string]any{"jkt": "x"}}
	of := func(spec standin.TokenSpec) string { return s.ResourceToken(standin.Neon, spec) }
	for name, c := range map[string]struct {
		token string
		want  map[string]string // by project; no other project says yes
	}{
		"a user's":             {of(ada), map[string]string{"mcp": "OK", "wide": "OK", "neon": "NO wrong-type", "files": "NO wrong-audience"}},
		"another resource's":   {of(files), map[string]string{"files": "OK", "mcp": "NO wrong-audience", "wide": "NO wrong-audience"}},
		"for both":             {of(both), map[string]string{"mcp": "OK", "wide": "OK", "files": "NO insufficient-scope"}},
		"a machine's":          {of(machine), map[string]string{"files": "OK", "mcp": "NO wrong-audience"}},
		"bound to a key":       {of(bound), map[string]string{"mcp": "NO sender-constrained"}},
		"of the other issuer":  {s.ResourceToken(standin.OIDC, ada), map[string]string{"mcp-oidc": "OK", "oidc": "NO wrong-audience"}},
		"a session's":          {s.NeonToken(ada), map[string]string{"neon": "OK", "mcp": "NO wrong-type", "wide": "NO wrong-type"}},
		"the issuer's session": {s.OIDCToken(ada), map[string]string{"oidc": "OK", "mcp-oidc": "NO wrong-type"}},
		"of Stack Auth":        {s.StackToken(ada), map[string]string{"main": "OK"}},
	} {
		for _, p := range w.config.Projects {
			reply := k.Ask("VERIFY project=%s %s", p.Name, c.token)
			want, told := c.want[p.Name]
			if told && head(reply) != want || !told && head(reply) == "OK" {
				t.Errorf("%s, asked of %s: %.60s, want %s", name, p.Name, reply, want)
			}
		}
	}
	if reply := k.Ask("VERIFY project=mcp %s", of(ada)); e2e.Field(reply, "principal") != "user" || e2e.Field(reply, "sub") != w.user.ID {
		t.Errorf("%.90s", reply)
	}
	if reply := k.Ask("VERIFY project=files %s", of(machine)); e2e.Field(reply, "principal") != "machine" {
		t.Errorf("%.90s", reply)
	}
	machine.Resources = nil
	if reply := k.Ask("VERIFY project=mcp %s", of(machine)); reply != "NO class-not-allowed" {
		t.Errorf("a machine that is not allowed: %.60s", reply)
	}
	machine.Resources = []string{otherResource}
	if reply := k.Ask("PROFILE project=files %s", of(machine)); reply != "ERR unavailable "+protocol.TextNoProfile {
		t.Errorf("a machine has no profile: %.60s", reply)
	}
	if reply := k.Ask("PROFILE project=files fallback=claims %s", of(machine)); head(reply) != "OK" || e2e.Field(reply, "level") != "claims" {
		t.Errorf("a machine has claims: %.60s", reply)
	}
	w.wantKindExplained(of(ada), "neon", "header")
	w.wantKindExplained(s.NeonToken(ada), "mcp", "header")
}

// wantKindExplained expects EXPLAIN to say that the token is of another kind.
func (w *liveDaemon) wantKindExplained(token, project, where string) {
	w.t.Helper()
	var x explanation
	if err := json.Unmarshal([]byte(strings.TrimPrefix(w.dialAdmin().Ask("EXPLAIN project=%s %s", project, token), "OK ")), &x); err != nil {
		w.t.Fatal(err)
	}
	if x.Reason != "wrong-type" || x.HTTP != http.StatusUnauthorized {
		w.t.Errorf("EXPLAIN: %+v", x)
	}
	for _, c := range x.Checks {
		if (c.Result == "fail") != (c.Check == where) || c.Result == "fail" && !strings.Contains(c.Detail, "another kind") {
			w.t.Errorf("EXPLAIN: %+v", c)
		}
	}
}

// TestTheIssuerOfAResourceIsPinned: before the metadata are read, nothing is judged. After that only their issuer
// counts, also after a restart during an outage. A token that the base URL may have issued is unknown while the base URL
// has no metadata.
func TestTheIssuerOfAResourceIsPinned(t *testing.T) {
	w := newLiveDaemon(t, func(c *config.Config) { resources(c); c.Projects = c.Projects[:4] })
	ada := standin.TokenSpec{Subject: w.user.ID}
	good := w.upstream.ResourceToken(standin.Neon, ada)
	base, third := ada, ada
	base.Set, third.Set = map[string]any{"iss": w.upstream.ServiceURL(standin.Neon)}, map[string]any{"iss": w.upstream.ServiceURL(standin.Neon) + "/"}
	ofBase, other := w.upstream.ResourceToken(standin.Neon, base), w.upstream.ResourceToken(standin.Neon, third)
	if reply := w.dial().Ask("VERIFY project=mcp %s", good); head(reply) != "OK" {
		t.Fatalf("%.60s", reply)
	}
	if reply := w.dial().Ask("VERIFY project=mcp %s", other); reply != "NO wrong-issuer" {
		t.Errorf("the issuer that it is not: %.60s", reply)
	}
	w.halt()
	for _, e := range []standin.Endpoint{standin.Discovery, standin.NeonKeys} {
		w.upstream.Inject(e, standin.Fault{Kind: standin.Status, Status: http.StatusServiceUnavailable})
	}
	w.start()
	if reply := w.dial().Ask("VERIFY project=mcp %s", good); head(reply) != "OK" {
		t.Errorf("after a restart during an outage: %.60s", reply)
	}
	if reply := w.dial().Ask("VERIFY project=mcp %s", other); reply != "NO wrong-issuer" {
		t.Errorf("after a restart, the issuer that it is not: %.60s", reply)
	}
	if reply := w.dial().Ask("VERIFY project=mcp %s", ofBase); head(reply) != "ERR keys-pending" {
		t.Errorf("the base URL's: %.60s", reply)
	}
}

// TestAnIssuerThatA404HidAtTheStartIsFoundAndSaved: the first token that names the base URL has its metadata fetched
// again.
func TestAnIssuerThatA404HidAtTheStartIsFoundAndSaved(t *testing.T) {
	w := newLiveDaemon(t, func(c *config.Config) { resources(c); c.Projects = c.Projects[3:4] })
	token := w.upstream.ResourceToken(standin.Neon, standin.TokenSpec{Set: map[string]any{"iss": w.upstream.ServiceURL(standin.Neon)}})
	ask := func() string { return head(w.dial().Ask("VERIFY project=mcp %s", token)) }
	e2e.Until(t, "the issuer is pinned", func() bool { return strings.Contains(w.log.String(), "issuer="+w.upstream.BaseURL()) })
	w.upstream.NameBase(true)
	e2e.Until(t, "the base URL is the issuer", func() bool {
		reply := ask()
		if reply != "OK" && reply != "ERR keys-pending" {
			t.Fatal(reply)
		}
		return reply == "OK"
	})
	w.halt()
	for _, e := range []standin.Endpoint{standin.Base, standin.NeonKeys} {
		w.upstream.Inject(e, standin.Fault{Kind: standin.Status, Status: http.StatusNotFound})
	}
	w.start()
	if reply := ask(); reply != "OK" {
		t.Errorf("after a restart, with the same fault: %s", reply)
	}
}

func TestWithoutMetadataAResourceJudgesNothing(t *testing.T) {
	w := newLiveDaemon(t, func(c *config.Config) { resources(c); c.Projects = c.Projects[3:4] })
	token := w.upstream.ResourceToken(standin.Neon, standin.TokenSpec{})
	if reply := w.dial().Ask("VERIFY project=mcp %s", token); head(reply) != "OK" {
		t.Fatalf("%.60s", reply)
	}
	w.halt()
	w.config.StateDir += "-new"
	w.upstream.Inject(standin.Discovery, standin.Fault{Kind: standin.Status, Status: http.StatusServiceUnavailable})
	w.start()
	if reply := w.dial().Ask("VERIFY project=mcp deadline=500 %s", token); head(reply) != "ERR keys-pending" {
		t.Errorf("%.60s", reply)
	}
	w.upstream.Clear(standin.Discovery)
}
