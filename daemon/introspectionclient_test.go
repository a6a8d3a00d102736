package daemon

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/configcheck"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/daemon/standin/introspect"
)

// TestAnUnlinkedClientIsToldToTheOperator, because to this client good tokens look
// inactive.
func TestAnUnlinkedClientIsToldToTheOperator(t *testing.T) {
	w, m := newMonitoredDaemon(t, nil)
	w.halt()
	w.write("checker-secret", checkerSecret)
	resources(&w.config)
	w.config.Projects = w.config.Projects[3:4]
	w.config.Projects[0].Introspection = &config.Introspection{ClientID: "checker", Secret: "./checker-secret"}
	w.start()
	s, k := w.upstream, w.dial()
	s.AddClient(introspect.Client{ID: "checker", Secret: checkerSecret})
	ask := func() string {
		return k.Ask("PROFILE %s", s.ResourceToken(standin.Neon, standin.TokenSpec{Subject: w.user.ID}))
	}
	const question = "is this client linked to the resource?"
	for n := range 5 {
		if strings.Contains(w.log.String(), question) {
			t.Errorf("asked after %d tokens", n)
		}
		if reply := ask(); reply != "NO rejected-upstream" {
			t.Errorf("%.90s", reply)
		}
	}
	if !strings.Contains(w.log.String(), question) {
		t.Error("the log does not ask")
	}
	var stats statsReport
	read := func() *introspectionStats {
		t.Helper()
		if err := json.Unmarshal([]byte(strings.TrimPrefix(w.dialAdmin().Ask("STATS"), "OK ")), &stats); err != nil {
			t.Fatal(err)
		}
		return stats.Projects[0].Introspection
	}
	if i := read(); !i.Unlinked || i.Inactive != 5 || i.Calls != 5 || sampleOf(t, m.scrape(), `neonauthd_introspection_unlinked{project="mcp"}`) != 1 {
		t.Errorf("%+v", i)
	}
	token := s.ResourceToken(standin.Neon, standin.TokenSpec{Subject: w.user.ID})
	k.Ask("PROFILE %s", token)
	if reply := w.dialAdmin().Ask("EXPLAIN %s", token); !strings.Contains(reply, "client is not linked to the resource") {
		t.Errorf("EXPLAIN: %s", reply)
	}
	s.AddClient(introspect.Client{ID: "checker", Secret: checkerSecret, Resources: []string{s.Resource()}})
	if reply := ask(); head(reply) != "OK" {
		t.Errorf("%.90s", reply)
	}
	if i := read(); i.Unlinked || i.Active != 1 || sampleOf(t, m.scrape(), `neonauthd_introspection_answers_total{project="mcp",result="active"}`) != 1 {
		t.Errorf("%+v", i)
	}
}

func TestCheckTriesTheIntrospectionClient(t *testing.T) {
	w := introspecting(t, func(c *config.Config) { c.Projects = c.Projects[3:4] })
	check := func(change func(*config.Introspection)) string {
		var out bytes.Buffer
		cfg := w.config
		i := *cfg.Projects[0].Introspection
		cfg.Projects = append([]config.Project{}, cfg.Projects...)
		cfg.Projects[0].Introspection = &i
		if change != nil {
			change(&i)
		}
		if _, err := configcheck.Run(t.Context(), &out, cfg, configcheck.Options{}); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	w.write("other-secret", "wr0ng-canary")
	for name, c := range map[string]struct {
		change func(*config.Introspection)
		wants  string
	}{
		"good":             {nil, "ok          introspection as client checker, by post"},
		"linked?":          {nil, "note        introspection: is this client linked to https://mcp.example.net/mcp?"},
		"wrong secret":     {func(i *config.Introspection) { i.Secret = "./other-secret" }, "WRONG       introspection as client checker, by post: introspect a token: misconfigured: status 400: invalid_client: there is no such client, its secret is another, or it is disabled"},
		"by basic":         {func(i *config.Introspection) { i.Auth = "basic" }, "status 401: invalid_client: the client is not taken so; check that introspection.auth is the way that the client is registered for"},
		"unknown client":   {func(i *config.Introspection) { i.ClientID = "nobody" }, "status 400: invalid_client"},
		"no secret's file": {func(i *config.Introspection) { i.Secret = "./missing" }, "WRONG       introspection: introspection.secret: "},
		"no secret":        {func(i *config.Introspection) { i.Secret = "" }, "WRONG       introspection: no introspection.secret"},
		"a credential":     {func(i *config.Introspection) { i.Secret = "checker" }, "unchecked   introspection secret"},
	} {
		text := check(c.change)
		if !strings.Contains(text, c.wants) {
			t.Errorf("%s: %s", name, text)
		}
		if strings.Contains(text, "canary") {
			t.Errorf("%s: a secret is told", name)
		}
	}
	basic := introspect.Client{ID: "checker", Secret: checkerSecret, Basic: true}
	w.upstream.AddClient(basic)
	if text := check(func(i *config.Introspection) { i.Auth = "basic" }); !strings.Contains(text, "ok          introspection as client checker, by basic") {
		t.Errorf("%s", text)
	}
}

// TestAnIntrospectionSecretIsTakenAnewAtAReload, even if only its file has changed.
func TestAnIntrospectionSecretIsTakenAnewAtAReload(t *testing.T) {
	w := introspecting(t, func(c *config.Config) { c.Projects = c.Projects[3:4] })
	w.write("neonauthd.toml", fmt.Sprintf("socket = %q\nadmin_socket = %q\nstate_dir = %q\n[[project]]\nname = \"mcp\"\npreset = \"neon\"\nbase_url = %q\nresources = [%q]\nallow = [\"machine\"]\nintrospection = { client_id = \"checker\", secret = \"./checker-secret\" }\n",
		w.socket(), w.adminSocket(), filepath.Join(w.dir, "state"), w.upstream.ServiceURL(standin.Neon), w.upstream.Resource()))
	k, admin := w.dial(), w.dialAdmin()
	token := w.upstream.ResourceToken(standin.Neon, standin.TokenSpec{Subject: w.user.ID})
	w.write("checker-secret", "an0ther-canary")
	w.upstream.AddClient(introspect.Client{ID: "checker", Secret: "an0ther-canary", Resources: []string{w.upstream.Resource()}})
	if reply := k.Ask("PROFILE %s", token); head(reply) != "ERR misconfigured" {
		t.Errorf("before: %.90s", reply)
	}
	if reply := admin.Ask("RELOAD"); head(reply) != "OK" {
		t.Fatalf("%.200s", reply)
	}
	if reply := k.Ask("PROFILE %s", token); head(reply) != "OK" {
		t.Errorf("after: %.90s", reply)
	}
	if strings.Contains(w.log.String(), "canary") {
		t.Error("the log has a secret in it")
	}
}
