package daemon

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

// failures returns the failures of project main in STATS, by what they are of.
func (w *liveDaemon) failures() map[string]failure {
	w.t.Helper()
	var stats struct {
		Projects []struct{ Failures []failure }
	}
	_, text, _ := strings.Cut(w.dialAdmin().Ask("STATS"), " ")
	if err := json.Unmarshal([]byte(text), &stats); err != nil {
		w.t.Fatal(err)
	}
	all := map[string]failure{}
	for _, f := range stats.Projects[0].Failures {
		all[f.Of] = f
	}
	return all
}

// TestStatsTellWhyAnUpstreamDoesNotAnswer, and when, and that it is over. No text of
// the upstream is repeated.
func TestStatsTellWhyAnUpstreamDoesNotAnswer(t *testing.T) {
	w := newLiveDaemon(t, withoutOIDC)
	k, token := w.dial(), w.token()
	k.Ask("VERIFY %s", token)
	if all := w.failures(); len(all) != 0 {
		t.Fatalf("before anything fails: %v", all)
	}
	canary := http.Header{"Content-Type": {"text/html"}, "X-Stack-Known-Error": {"CANARY"}}
	for _, test := range []struct {
		fault standin.Fault
		want  failure
	}{
		{standin.Fault{Kind: standin.Answer, Status: 503, Header: canary, Body: "canary"}, failure{Kind: "unavailable", Status: 503, Cause: "unavailable: status 503"}},
		{standin.Fault{Kind: standin.Answer, Status: 403, Header: canary, Body: "canary"}, failure{Kind: "misconfigured", Status: 403, Cause: "misconfigured: status 403: header and body disagree about the error"}},
		{standin.Fault{Kind: standin.Reset}, failure{Kind: "unavailable", Cause: "unavailable: the answer was cut off"}},
	} {
		w.upstream.Inject(standin.Me, test.fault)
		k.Ask("PROFILE max-age=0 %s", token)
		test.want.Of, test.want.At = "profile", w.clock.Now().Unix()
		got := w.failures()["profile"]
		if test.fault.Kind == standin.Reset {
			got.Cause = test.want.Cause // the kernel has several words for this cause
		}
		if got != test.want {
			t.Errorf("%+v, want %+v", got, test.want)
		}
		if status := w.daemon.status(); strings.Contains(status, "profiles fail: main (misconfigured: status 403") != (test.want.Kind == "misconfigured") {
			t.Errorf("%s: the status is %q", test.want.Kind, status)
		}
		w.upstream.Clear(standin.Me)
		w.clock.advance(time.Minute)
	}
	w.dial().Ask("PROFILE max-age=0 %s", token)
	if got := w.failures()["profile"]; !got.Over || got.Cause == "" {
		t.Errorf("when it answers again: %+v", got)
	}
	if strings.Contains(w.log.String(), "canary") || strings.Contains(w.log.String(), "CANARY") {
		t.Error("the log has what the upstream sent")
	}
}

// TestStatsTellWhyThereIsNoKeySet, and so does the status line.
func TestStatsTellWhyThereIsNoKeySet(t *testing.T) {
	w := newLiveDaemon(t, func(c *config.Config) {
		withoutOIDC(c)
		c.Projects[0].JWKSURL = c.Projects[0].BaseURL + "/nowhere"
	})
	want := failure{Of: "keyset", Kind: "misconfigured", Status: 404, Cause: "misconfigured: status 404: there is no key set at this address; check project and URL"}
	e2e.Until(t, "the fetch of keys has failed", func() bool { _, failed := w.failures()["keyset"]; return failed })
	got := w.failures()["keyset"]
	if got.At == 0 {
		t.Error("it does not say when")
	}
	if got.At = 0; got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if status := w.daemon.status(); !strings.Contains(status, "without keys: main ("+want.Cause+")") {
		t.Errorf("the status is %q", status)
	}
	if n := strings.Count(w.log.String(), "there is no key set at this address"); n != 1 {
		t.Errorf("the log says it %d times:\n%s", n, w.log)
	}
}

// TestAWrongServerKeyIsToldOnce: it is logged at the start, and not again by lookups
// that need the key.
func TestAWrongServerKeyIsToldOnce(t *testing.T) {
	w := newLiveDaemon(t, withoutOIDC)
	text, err := os.ReadFile(filepath.Join(w.dir, "neonauthd.toml"))
	if err != nil {
		t.Fatal(err)
	}
	w.write("wrong-key", "ssk_nobody_has_this_one")
	w.write("neonauthd.toml", strings.Replace(string(text), `secret_server_key = "./server-key"`, `secret_server_key = "./wrong-key"`, 1))
	if err := w.daemon.Reload(); err != nil {
		t.Fatal(err)
	}
	e2e.Until(t, "the log names the upstream's error", func() bool { return strings.Contains(w.log.String(), "INVALID_SECRET_SERVER_KEY") })
	for range 3 {
		if reply := w.dial().Ask("PROFILE max-age=0 %s", w.token()); head(reply) != "ERR misconfigured" {
			t.Fatal(reply)
		}
	}
	var lines []string
	for line := range strings.Lines(w.log.String()) {
		if strings.Contains(line, "level=ERROR") {
			lines = append(lines, line)
		}
	}
	if len(lines) != 1 || !strings.Contains(lines[0], "mend project_id or the server key, then reload") {
		t.Errorf("it is told %d times:\n%s", len(lines), strings.Join(lines, ""))
	}
	if got := w.failures()["profile"]; got.Kind != "misconfigured" || got.Over {
		t.Errorf("%+v", got)
	}
}
