package daemon

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/configcheck"
	"github.com/neonauthd/neonauthd/daemon/revoke/revoketest"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

// TestCheckShowsTheStateDirectoryThatIsUsed: STATE_DIRECTORY wins.
func TestCheckShowsTheStateDirectoryThatIsUsed(t *testing.T) {
	w := newLiveDaemon(t, nil)
	dir := filepath.Join(need.Folder(t), "state")
	t.Setenv("STATE_DIRECTORY", dir+":/elsewhere")
	if err := errors.Join(revoketest.Use(dir), os.Remove(filepath.Join(dir, "revocations.journal"))); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	wrong, err := configcheck.Run(t.Context(), &out, w.config, configcheck.Options{})
	if err != nil || wrong == 0 || !strings.Contains(out.String(), "\nstate         "+dir+" (STATE_DIRECTORY, which wins over state_dir)\n") || !strings.Contains(out.String(), "revocations.journal is gone") {
		t.Errorf("%d, %v\n%s", wrong, err, out.String())
	}
}

// checked returns what Check writes about one project of w, and its error.
func (w *liveDaemon) checked(project int, change func(*config.Project)) (text string, err error) {
	var out bytes.Buffer
	cfg := w.config
	cfg.Projects = []config.Project{w.config.Projects[project]}
	change(&cfg.Projects[0])
	_, err = configcheck.Run(w.t.Context(), &out, cfg, configcheck.Options{})
	return out.String(), err
}

// TestCheckNamesWhatTheIssuersMetadataName, and how an issuer's name differs.
func TestCheckNamesWhatTheIssuersMetadataName(t *testing.T) {
	w := newLiveDaemon(t, nil)
	issuer := w.config.Projects[2].BaseURL
	document := func(members string) func() {
		return func() {
			w.upstream.Inject(standin.Discovery, standin.Fault{Kind: standin.Answer, Header: http.Header{"Content-Type": {"application/json"}}, Body: "{" + members + "}"})
		}
	}
	named := func(name string) func() { return document(`"issuer":"` + name + `"`) }
	otherwise := func(how string) string {
		return "the issuer calls itself otherwise, " + how + "; base_url must be its name to the letter"
	}
	for name, c := range map[string]struct {
		answers func()
		change  func(*config.Project)
		wants   []string
		never   string
	}{
		"all": {nil, nil, []string{
			"  key set     found in the issuer's metadata, see below\n",
			"  key set     " + issuer + "/jwks, as the issuer's metadata say\n", "  userinfo    " + issuer + "/userinfo, as the issuer's metadata say\n",
		}, "WRONG"},
		"configured":                      {nil, func(p *config.Project) { p.JWKSURL, p.UserinfoURL = issuer+"/jwks", issuer+"/userinfo" }, []string{"  key set     " + issuer + "/jwks\n"}, "metadata"},
		"another issuer admitted":         {nil, func(p *config.Project) { p.Issuers = []string{"https://new.example"} }, []string{"  warn        issuers: the issuer's metadata name " + issuer + ", which is not among them"}, "WRONG"},
		"this one and another admitted":   {nil, func(p *config.Project) { p.Issuers = []string{"https://new.example", issuer} }, nil, "warn        issuers"},
		"a long interval":                 {nil, func(p *config.Project) { p.JWKSRefresh = 2 * p.JWKSMaxAge }, []string{"note        jwks_refresh is longer than jwks_max_age", "for up to 2h"}, "WRONG"},
		"an interval as long":             {nil, func(p *config.Project) { p.JWKSRefresh = p.JWKSMaxAge }, nil, "jwks_refresh"},
		"no userinfo":                     {document(`"issuer":"` + issuer + `","jwks_uri":"` + issuer + `/jwks"`), nil, []string{"note        the issuer's metadata name no userinfo_endpoint"}, "WRONG"},
		"no metadata, and keys elsewhere": {named("https://canary.example"), func(p *config.Project) { p.JWKSURL = issuer + "/jwks" }, []string{"warn        userinfo: ", "PROFILE does not"}, "WRONG"},
		"a slash more":                    {named(issuer + "/"), nil, []string{otherwise(`with a "/" at the end`)}, "canary"},
		"a slash less":                    {named(issuer), func(p *config.Project) { p.BaseURL += "/" }, []string{otherwise(`without the "/" at the end`)}, "canary"},
		"letters":                         {named(strings.ToUpper(issuer)), nil, []string{otherwise("in upper and lower case")}, "canary"},
		"another host":                    {named("https://canary.example"), nil, []string{otherwise("with another host")}, "canary"},
		"another path":                    {named(issuer + "/canary"), nil, []string{otherwise("with another path")}, "canary"},
		"another scheme":                  {named(strings.Replace(issuer, "http:", "https:", 1)), nil, []string{otherwise("with another scheme")}, "canary"},
		"no URL":                          {named("canary"), nil, []string{otherwise("with a name that is no URL of a host")}, "canary"},
		"no name at all":                  {named(""), nil, []string{otherwise("its document has no issuer")}, "canary"},
	} {
		w.upstream.Clear(standin.Discovery)
		if c.answers != nil {
			c.answers()
		}
		text, err := w.checked(2, func(p *config.Project) {
			if c.change != nil {
				c.change(p)
			}
		})
		if err != nil || strings.Contains(text, c.never) {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
		for _, want := range c.wants {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q in\n%s", name, want, text)
			}
		}
	}
}

// TestCheckNamesThePinnedIssuer, and its rival while that is not excluded.
func TestCheckNamesThePinnedIssuer(t *testing.T) {
	w := newLiveDaemon(t, resources)
	base, origin := w.upstream.ServiceURL(standin.Neon), w.upstream.BaseURL()
	for ofBase, issuer := range map[bool]string{false: origin, true: base} {
		w.upstream.NameBase(ofBase)
		text, err := w.checked(3, func(*config.Project) {})
		if err != nil || !strings.Contains(text, "the issuer is "+issuer+", as the upstream's metadata say") {
			t.Errorf("%v\n%s", err, text)
		}
		if noted := strings.Contains(text, "note        there are no metadata of "+base+" (404)"); noted == ofBase {
			t.Errorf("the issuer is %s, and its rival is told: %v", issuer, noted)
		}
	}
}

// TestCheckSaysWhatANameStandsFor and what is missing, with the file that has it.
func TestCheckSaysWhatANameStandsFor(t *testing.T) {
	w := newLiveDaemon(t, nil)
	w.write("server.key", w.upstream.ServerKey())
	text, err := w.checked(0, func(p *config.Project) { p.SecretServerKey = "server.key" })
	if err != nil || !strings.Contains(text, "  warn        server key: there is a file ./server.key beside the configuration; if that is meant, write it so") {
		t.Errorf("%v\n%s", err, text)
	}
	if text, err = w.checked(0, func(p *config.Project) { p.SecretServerKey = "another" }); err != nil || !strings.Contains(text, "unchecked   server key") || strings.Contains(text, "beside") {
		t.Errorf("%v\n%s", err, text)
	}
	if text, err = w.checked(0, func(p *config.Project) { p.SecretServerKey, p.APIKeys = "", []string{"user"} }); err != nil || !strings.Contains(text, "profiles are answered as misconfigured, and so are API keys (api_keys)") {
		t.Errorf("%v\n%s", err, text)
	}
	in := "configuration " + filepath.Join(w.dir, "neonauthd.toml") + ": "
	if _, err = w.checked(0, func(p *config.Project) { p.BaseURL += "/api/v1" }); err == nil || !strings.HasPrefix(err.Error(), in+`project "main": base_url: is the API host alone`) {
		t.Error(err)
	}
	cfg := w.config
	cfg.Callers = []config.Caller{{User: "no-such-user"}}
	if _, err = configcheck.Run(t.Context(), io.Discard, cfg, configcheck.Options{}); err == nil || !strings.HasPrefix(err.Error(), in+"caller 1: user: unknown user no-such-user") {
		t.Error(err)
	}
	w.daemon.opts.Reload = func() (config.Config, error) { return cfg, nil }
	if err := w.daemon.Reload(); err == nil || !strings.HasPrefix(err.Error(), in+"caller 1: ") {
		t.Errorf("a reload: %v", err)
	}
}

// TestCheckAdvisesAFolderForFilesOnly: no folder makes a socket that another program listens on.
func TestCheckAdvisesAFolderForFilesOnly(t *testing.T) {
	w := newLiveDaemon(t, nil)
	for to, wants := range map[string]bool{"file:/nope/x": true, "unix:/nope/x": false} {
		var out bytes.Buffer
		cfg := w.config
		cfg.AccessLog = to
		if _, err := configcheck.Run(t.Context(), &out, cfg, configcheck.Options{}); err != nil || !strings.Contains(out.String(), "warn          access log: ") || strings.Contains(out.String(), "LogsDirectory=") != wants {
			t.Errorf("%s: %v\n%s", to, err, out.String())
		}
	}
}
