package daemon

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/revoke"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/daemon/statedir"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

// started does with a state directory what a start and a stop do, and returns the start's error.
func started(path string) error {
	dir, err := statedir.Open(path)
	if err != nil {
		return err
	}
	list, err := revoke.Open(dir, revoke.Options{Now: time.Now, Retention: time.Hour})
	if err == nil {
		_, err = list.Revoke(revoke.Mark{Kind: revoke.KindSubject, Project: "main", Value: "u"}, revoke.Origin{}, time.Second, time.Time{})
		err = errors.Join(err, list.Close())
	}
	return errors.Join(err, dir.Close())
}

// contents returns all files below a folder.
func contents(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		all.WriteString(path + "\n" + string(text) + "\n")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// TestCheckJudgesTheStateDirectoryAsAStartDoes, and changes nothing in it.
func TestCheckJudgesTheStateDirectoryAsAStartDoes(t *testing.T) {
	write := func(name, text string) func(dir string) error {
		return func(dir string) error { return os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600) }
	}
	remove := func(name string) func(dir string) error {
		return func(dir string) error { return os.Remove(filepath.Join(dir, name)) }
	}
	for name, c := range map[string]struct {
		spoil func(dir string) error
		fails bool
		says  string
	}{
		"as it was left":     {func(string) error { return nil }, false, ""},
		"none yet":           {os.RemoveAll, false, ""},
		"damaged journal":    {write("revocations.journal", "neonauthd-revocations 2 x\n"), true, "WRONG         state: revocations: "},
		"empty journal":      {write("revocations.journal", ""), true, "is empty, which neonauthd never leaves it"},
		"no journal":         {remove("revocations.journal"), true, "revocations.journal is gone"},
		"no seal":            {remove("revocations.seal"), false, "warn          state: the journal of revocations had no seal"},
		"damaged seal":       {write("revocations.seal", "x"), true, "revocations.seal is damaged"},
		"of a newer version": {write("version", "neonauthd-state 99\n"), true, "of a newer neonauthd"},
		"below a file":       {func(dir string) error { return errors.Join(os.RemoveAll(dir), os.WriteFile(dir, nil, 0o600)) }, true, "is not a folder"},
		"neither of the files": {func(dir string) error {
			return errors.Join(remove("revocations.seal")(dir), remove("revocations.journal")(dir))
		}, false, "are gone: every revocation that was made is forgotten"},
	} {
		t.Run(name, func(t *testing.T) {
			folder := need.Folder(t)
			dir := filepath.Join(folder, "state")
			if err := errors.Join(started(dir), c.spoil(dir)); err != nil {
				t.Fatal(err)
			}
			before := contents(t, folder)
			var out bytes.Buffer
			wrong := checkState(&out, chosenState{path: dir})
			if (wrong > 0) != c.fails || !strings.Contains(out.String(), c.says) || c.says == "" && out.Len() > 0 {
				t.Errorf("%d wrong:\n%s", wrong, out.String())
			}
			if after := contents(t, folder); after != before {
				t.Errorf("the check changed\n%s\nto\n%s", before, after)
			}
			if err := started(dir); (err != nil) != c.fails {
				t.Errorf("a start: %v", err)
			}
		})
	}
}

// TestCheckWarnsOfAStateDirectoryThatCannotBeMade: the daemon serves without one, and
// forgets revocations.
func TestCheckWarnsOfAStateDirectoryThatCannotBeMade(t *testing.T) {
	need.Host(t, os.Geteuid() != 0, "a user other than root, whom a folder can refuse")
	folder := filepath.Join(need.Folder(t), "a")
	if err := os.Mkdir(folder, 0o500); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if wrong := checkState(&out, chosenState{path: filepath.Join(folder, "b", "state")}); wrong != 0 || !strings.Contains(out.String(), "warn          state: this process cannot write to "+folder+": permission denied") {
		t.Errorf("%d wrong: %s", wrong, out.String())
	}
}

// TestCheckWarnsOfSocketsThatAStartCannotMake.
func TestCheckWarnsOfSocketsThatAStartCannotMake(t *testing.T) {
	dir := need.Folder(t)
	open, good := filepath.Join(dir, "open"), filepath.Join(dir, "good")
	err := errors.Join(os.Mkdir(open, 0o700), os.Chmod(open, 0o777), os.Mkdir(good, 0o700), os.WriteFile(filepath.Join(good, "file"), nil, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		open + "/d.sock":     "warn          socket: not safe: " + open + " is writable by others",
		good + "/d.sock":     "",
		good + "/new/d.sock": "",
		good + "/file":       "warn          socket: " + good + "/file is something that is not a socket",
		dir + "/a/b/d.sock":  "warn          socket: there is no folder " + dir + "/a/b",
	} {
		var out bytes.Buffer
		checkSockets(&out, &config.Config{Socket: path, AdminSocket: good + "/a.sock"}, dir)
		if !strings.HasPrefix(out.String(), want) || want == "" && out.Len() > 0 {
			t.Errorf("%s: %s", path, out.String())
		}
	}
	var out bytes.Buffer
	checkSockets(&out, &config.Config{Socket: good + "/d.sock", AdminSocket: open + "/a.sock", MetricsListen: "unix:" + open + "/m.sock"}, dir)
	for _, key := range []string{"admin_socket", "metrics_listen"} {
		if !strings.Contains(out.String(), "warn          "+key+": not safe: ") {
			t.Errorf("no word of %s:\n%s", key, out.String())
		}
	}
}

// TestCheckShowsTheStateDirectoryThatIsUsed: STATE_DIRECTORY wins.
func TestCheckShowsTheStateDirectoryThatIsUsed(t *testing.T) {
	w := newLiveDaemon(t, nil)
	dir := filepath.Join(need.Folder(t), "state")
	t.Setenv("STATE_DIRECTORY", dir+":/elsewhere")
	if err := errors.Join(started(dir), os.Remove(filepath.Join(dir, "revocations.journal"))); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	wrong, err := Check(t.Context(), &out, w.config, Options{})
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
	_, err = Check(w.t.Context(), &out, cfg, Options{})
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
	if _, err = Check(t.Context(), io.Discard, cfg, Options{}); err == nil || !strings.HasPrefix(err.Error(), in+"caller 1: user: unknown user no-such-user") {
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
		if _, err := Check(t.Context(), &out, cfg, Options{}); err != nil || !strings.Contains(out.String(), "warn          access log: ") || strings.Contains(out.String(), "LogsDirectory=") != wants {
			t.Errorf("%s: %v\n%s", to, err, out.String())
		}
	}
}
