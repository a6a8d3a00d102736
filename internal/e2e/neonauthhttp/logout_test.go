package neonauthhttp_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
	"github.com/neonauthd/neonauthd/internal/e2e/ports"
)

// startLogouts replaces neonauth-http by one that accepts logout tokens, on a free port
// of loopback. It returns the address to which an issuer posts them.
func (w *system) startLogouts(t testing.TB, project string) (address string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = ln.Addr().String()
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	w.http.Stop(t)
	w.http = launch(t, w.dir, e2e.Program("neonauth-http"), nil, "--listen", "unix:"+w.path("h.sock"), "--status-listen", "unix:"+w.path("s.sock"),
		"--logout-listen", address, "--socket", w.path("d.sock"))
	w.http.Await(t, "READY=1")
	return "http://" + address + "/logout/" + project
}

// postLogout posts a logout token as an issuer does, and returns the status and the body.
func postLogout(t testing.TB, address, token string) (int, string) {
	t.Helper()
	c := http.Client{Timeout: e2e.Timeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := c.PostForm(address, url.Values{"logout_token": {token}})
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if answer.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d with %v", answer.StatusCode, answer.Header)
	}
	return answer.StatusCode, string(body)
}

// TestASignOutAtTheUpstreamEndsTheSessionBehindTheGate: the stand-in sends the same
// request as the genuine OAuth server, to the address that is registered there.
func TestASignOutAtTheUpstreamEndsTheSessionBehindTheGate(t *testing.T) {
	t.Parallel()
	w := newSystem(t)
	w.write(t, "neonauthd.toml", w.read(t, "neonauthd.toml")+"\n"+w.Members())
	if text := w.daemon.Reload(t); strings.Contains(text, "failed") {
		t.Fatal(text)
	}
	address := w.startLogouts(t, "members")
	w.SendLogouts(address)
	sign := func() (standin.Session, string) {
		session, err := w.SignIn(w.ada.ID)
		if err != nil {
			t.Fatal(err)
		}
		return session, bearing(w.ResourceToken(standin.Neon, standin.TokenSpec{Subject: w.ada.ID, Session: session.SessionID}))
	}
	want := func(what, token string, status int) {
		t.Helper()
		if got := w.ask(t, "/nginx?project=members", token).StatusCode; got != status {
			t.Errorf("%s: %d, want %d", what, got, status)
		}
	}
	one, first := sign()
	_, second := sign()
	want("the first session", first, http.StatusNoContent)
	want("the second session", second, http.StatusNoContent)
	if !w.RevokeSession(one.SessionID) {
		t.Fatal("no sign-out")
	}
	want("the first session, signed out", first, http.StatusUnauthorized)
	want("the second session, which is not", second, http.StatusNoContent)
	w.Ban(w.ada.ID, "why")
	want("the second session of somebody banned", second, http.StatusUnauthorized)

	// A retry, and a refusal.
	logout := w.LogoutToken(standin.Neon, standin.TokenSpec{Subject: w.ada.ID, Session: one.SessionID})
	for range 2 {
		if status, body := postLogout(t, address, logout); status != http.StatusOK || body != "" {
			t.Errorf("a retry: %d %s", status, body)
		}
	}
	token := w.ResourceToken(standin.Neon, standin.TokenSpec{Subject: w.ada.ID})
	if status, body := postLogout(t, address, token); status != http.StatusBadRequest || !strings.Contains(body, `"error":"invalid_request"`) || !strings.Contains(body, "wrong-type") {
		t.Errorf("an access token: %d %s", status, body)
	}
	w.daemon.Kill(t)
	w.daemon.Rough = true
	w.startDaemon(t)
	want("the first session, after a crash of the daemon", first, http.StatusUnauthorized)
	page := w.metrics(t)
	for _, line := range []string{`neonauth_http_logouts_total{outcome="accepted"} 4`, `neonauth_http_logouts_total{outcome="rejected"} 1`} {
		if !strings.Contains(page, line+"\n") {
			t.Errorf("the metrics do not say %s", line)
		}
	}
}

// TestEachClientOfAnIssuerEndsItsOwnProjectsSessions through one listener. A token for
// both clients ends the sessions of both projects, whichever address it is posted to.
func TestEachClientOfAnIssuerEndsItsOwnProjectsSessions(t *testing.T) {
	t.Parallel()
	w := newSystem(t)
	club := strings.NewReplacer(`"members"`, `"club"`, `["`+w.Client()+`"]`, `["club-client"]`).Replace(w.Members())
	w.write(t, "neonauthd.toml", w.read(t, "neonauthd.toml")+"\n"+w.Members()+club)
	if text := w.daemon.Reload(t); strings.Contains(text, "failed") {
		t.Fatal(text)
	}
	members := w.startLogouts(t, "members")
	for name, c := range map[string]struct {
		audience      any
		path          string
		members, club int
		status        int
	}{
		"one":               {w.Client(), "members", http.StatusUnauthorized, http.StatusNoContent, http.StatusOK},
		"the other":         {"club-client", "club", http.StatusNoContent, http.StatusUnauthorized, http.StatusOK},
		"both":              {[]string{w.Client(), "club-client"}, "members", http.StatusUnauthorized, http.StatusUnauthorized, http.StatusOK},
		"both, the other":   {[]string{w.Client(), "club-client"}, "club", http.StatusUnauthorized, http.StatusUnauthorized, http.StatusOK},
		"at another's path": {"club-client", "members", http.StatusNoContent, http.StatusNoContent, http.StatusBadRequest},
	} {
		spec := standin.TokenSpec{Subject: w.ada.ID, Session: name}
		token := bearing(w.ResourceToken(standin.Neon, spec))
		spec.Set = map[string]any{"aud": c.audience}
		if status, body := postLogout(t, strings.Replace(members, "/members", "/"+c.path, 1), w.LogoutToken(standin.Neon, spec)); status != c.status {
			t.Errorf("%s: %d %s", name, status, body)
		}
		for project, want := range map[string]int{"members": c.members, "club": c.club} {
			if got := w.ask(t, "/nginx?project="+project, token).StatusCode; got != want {
				t.Errorf("%s: %s answers %d, want %d", name, project, got, want)
			}
		}
	}
}

// guide returns the block in this language from the guide's chapter on back-channel
// logout.
func guide(t testing.TB, language string) string {
	t.Helper()
	text, err := os.ReadFile("../../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	_, chapter, _ := strings.Cut(string(text), "\n## Back-channel logout\n")
	chapter, _, _ = strings.Cut(chapter, "\n## ")
	_, block, found := strings.Cut(chapter, "```"+language+"\n")
	block, _, ended := strings.Cut(block, "```")
	if !found || !ended {
		t.Fatalf("the chapter has no block in %s", language)
	}
	return block
}

// TestTheGuidesRecipesHandLogoutsOn through a site that is behind neonauth-http, and pass
// nothing else on.
func TestTheGuidesRecipesHandLogoutsOn(t *testing.T) {
	const socket = "/run/neonauth-http/logout.sock"
	for name, start := range map[string]func(testing.TB, *system) *front{
		"nginx": func(t testing.TB, w *system) *front {
			return startNginx(t, w, "    location / {\n", strings.ReplaceAll(guide(t, "nginx"), socket, w.path("l.sock"))+"    location / {\n")
		},
		"Caddy": func(t testing.TB, w *system) *front {
			return startCaddy(t, w, "\timport neonauth\n", "\timport neonauth\n"+strings.ReplaceAll(guide(t, "caddy"), socket, w.path("l.sock")))
		},
		"HAProxy": func(t testing.TB, w *system) *front {
			said := strings.ReplaceAll(guide(t, "haproxy"), socket, w.path("l.sock"))
			use, backend, _ := strings.Cut(said[strings.Index(said, "    use_backend"):], "\n\n")
			return startHAProxy(t, w, "acl open path /login", "acl open path /logout/members /login",
				"    use_backend neonauth if resource\n", "    use_backend neonauth if resource\n"+use+"\n", "\nbackend app\n", "\n"+backend+"\nbackend app\n")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newSystem(t)
			w.write(t, "neonauthd.toml", w.read(t, "neonauthd.toml")+"\n"+w.Members())
			w.daemon.Reload(t)
			w.http.Stop(t)
			w.http = launch(t, w.dir, e2e.Program("neonauth-http"), nil, "--listen", "unix:"+w.path("h.sock"), "--status-listen", "unix:"+w.path("s.sock"),
				"--logout-listen", "unix:"+w.path("l.sock"), "--socket", w.path("d.sock"))
			w.http.Await(t, "READY=1")
			f := start(t, w)
			post := func(path, token string) got {
				body := url.Values{"logout_token": {token}}.Encode()
				return f.raw(t, fmt.Sprintf("POST %s HTTP/1.1\nHost: x\nContent-Type: application/x-www-form-urlencoded\nContent-Length: %d\nConnection: close\n\n%s", path, len(body), body))
			}
			spec := standin.TokenSpec{Subject: w.ada.ID, Session: "one"}
			if g := post("/logout/members", w.LogoutToken(standin.Neon, spec)); g.StatusCode != http.StatusOK || g.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("a logout: %s %v %s", g.Status, g.Header, g.body)
			}
			if status := w.ask(t, "/nginx?project=members", bearing(w.ResourceToken(standin.Neon, spec))).StatusCode; status != http.StatusUnauthorized {
				t.Errorf("its session: %d", status)
			}
			if g := post("/logout/members", w.ResourceToken(standin.Neon, spec)); g.StatusCode != http.StatusBadRequest || !strings.Contains(g.body, "wrong-type") {
				t.Errorf("an access token: %s %s", g.Status, g.body)
			}
			before := w.app.count()
			for _, path := range []string{"/logout/main", "/logout/members/", "/logout/", "/nginx"} {
				if g := post(path, "a.b.c"); g.StatusCode != http.StatusUnauthorized {
					t.Errorf("%s: %s", path, g.Status)
				}
			}
			if w.app.count() != before {
				t.Error("the application was reached without a token")
			}
		})
	}
}

// TestWhatTheGuideTriesOfLogoutsWorks unchanged, except for ports and folder.
func TestWhatTheGuideTriesOfLogoutsWorks(t *testing.T) {
	t.Parallel()
	bash := need.Program(t, "bash", "bash")
	need.Program(t, "curl", "curl")
	f := e2e.NewFolder(t)
	upstream, logouts := ports.Address(t), ports.Address(t)
	path := "PATH=" + filepath.Dir(e2e.Program("neonauthd")) + ":" + os.Getenv("PATH")
	demo := launch(t, f.Dir, e2e.Program("neonauthd"), nil, "standin", "--daemon", "--dir", f.Dir, "--listen", upstream)
	demo.AwaitListening(t, "unix", f.Path("neonauthd.sock"))
	text := strings.NewReplacer("/tmp/auth", f.Dir, "127.0.0.1:4183", logouts, "127.0.0.1:4000", upstream,
		"sleep 1", "until curl -s -o status http://"+logouts+"; do sleep 0.1; done").Replace(guide(t, "bash"))
	ctx, cancel := context.WithTimeout(t.Context(), e2e.Timeout)
	defer cancel()
	try := exec.CommandContext(ctx, bash, "-c", text)
	try.Env = e2e.Environment(path)
	out, _ := try.CombinedOutput() // the exit status is that of kill
	accepted, rejected := strings.Index(string(out), "accepted\n"), strings.Index(string(out), "rejected: revoked")
	if accepted < 0 || rejected < accepted {
		t.Errorf("it says:\n%s", out)
	}
}

// TestASlowSenderIsCutOff, and other senders are not affected.
func TestASlowSenderIsCutOff(t *testing.T) {
	t.Parallel()
	w := newSystem(t)
	address := w.startLogouts(t, "main")
	host := strings.TrimSuffix(strings.TrimPrefix(address, "http://"), "/logout/main")
	slow, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	if _, err := fmt.Fprintf(slow, "POST /logout/main HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\nlogout_token="); err != nil {
		t.Fatal(err)
	}
	if status, body := postLogout(t, address, "a.b.c"); status != http.StatusServiceUnavailable || !strings.Contains(body, "misconfigured") {
		t.Errorf("another sender: %d %s", status, body) // project main accepts no logout tokens
	}
	if err := slow.SetDeadline(time.Now().Add(e2e.Timeout)); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(slow), nil)
	if err == nil {
		answer.Body.Close()
	}
	if err == nil && answer.StatusCode != http.StatusBadRequest {
		t.Errorf("the slow one: %d", answer.StatusCode)
	}
}

func (w *system) read(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(w.path(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
