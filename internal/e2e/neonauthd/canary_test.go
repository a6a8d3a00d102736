package neonauthd_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/internal/e2e/need"
)

// canaryMark is a text that no program may ever write, in any encoding.
const canaryMark = "C4N4RYxJ7qT2"

// canaries are the texts to look for.
type canaries struct{ texts []string }

// add adds a secret text to look for. It takes the middle and the end of each
// part of a token, because a log that shows a part of a secret shows too much.
func (c *canaries) add(texts ...string) {
	for _, text := range texts {
		for _, part := range strings.Split(text, ".") {
			if len(part) >= 16 {
				c.texts = append(c.texts, part[len(part)-16:], part[len(part)/2-8:len(part)/2+8])
			}
		}
	}
}

func newCanaries() *canaries {
	c := &canaries{texts: []string{canaryMark, url.QueryEscape(canaryMark)}}
	for shift := range 3 { // at every position within a group of base64
		text := base64.RawURLEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + canaryMark))
		c.texts = append(c.texts, text[(shift*8+5)/6:len(text)-1])
	}
	return c
}

// search reports every canary in a text.
func (c *canaries) search(t *testing.T, where, text string) {
	t.Helper()
	for _, canary := range c.texts {
		if i := strings.Index(text, canary); i >= 0 {
			t.Errorf("%s holds %q: %q", where, canary, text[max(0, i-200):min(len(text), i+50)])
			return
		}
	}
}

// sweep is a daemon whose secrets all have marks. It looks for these marks.
type sweep struct {
	*canaries
	cloud    *e2e.Upstream
	home     *e2e.Folder
	instance *e2e.Process
	peer     *e2e.Caller
	admin    *e2e.Caller
	tokens   []string // of every project and outcome
	logouts  []string // logout tokens of every outcome
}

// hostile returns answers of the upstream with a mark in every part.
func hostile() []standin.Fault {
	header := http.Header{"Content-Type": {"application/json"}, "X-Stack-Known-Error": {canaryMark}, "X-Note": {canaryMark}, "Set-Auth-Jwt": {canaryMark}, "Www-Authenticate": {canaryMark}}
	body := `{"code":"` + canaryMark + `","error":"` + canaryMark + `","message":"` + canaryMark + `","id":"` + canaryMark + `","details":{"x":"` + canaryMark + `"}}`
	var all []standin.Fault
	for _, status := range []int{200, 201, 204, 301, 302, 400, 401, 403, 404, 408, 429, 500, 502, 503, 520} {
		all = append(all, standin.Fault{Kind: standin.Answer, Status: status, Header: header, Body: body, Location: "http://127.0.0.1:9/" + canaryMark})
	}
	strange := http.Header{"Content-Type": {canaryMark + "/" + canaryMark}, "Content-Encoding": {canaryMark}, "Cache-Control": {"max-age=" + canaryMark}, "Retry-After": {canaryMark}}
	return append(all,
		standin.Fault{Kind: standin.Answer, Header: strange, Body: canaryMark},
		standin.Fault{Kind: standin.Answer, Header: http.Header{"Content-Type": {"application/json"}}, Body: `{"keys":[{"kty":"` + canaryMark + `","kid":"x","alg":"` + canaryMark + `","use":"` + canaryMark + `"},"` + canaryMark + `"]}`},
		standin.Fault{Kind: standin.Answer, Header: http.Header{"Content-Type": {"application/json"}}, Body: `{"` + canaryMark},
		standin.Fault{Kind: standin.Redirect, Location: "http://127.0.0.1:9/" + canaryMark},
		standin.Fault{Kind: standin.KnownError, Code: "ACCESS_TOKEN_EXPIRED"},
		standin.Fault{Kind: standin.OtherUser, Subject: canaryMark},
		standin.Fault{Kind: standin.Garbage}, standin.Fault{Kind: standin.Truncate}, standin.Fault{Kind: standin.Reset},
	)
}

func newSweep(t *testing.T) *sweep {
	s := &sweep{canaries: newCanaries(), home: e2e.NewFolder(t)}
	s.cloud = e2e.NewUpstream(t, standin.Options{ServerKey: "ssk_" + canaryMark + "_server_key_0123456789"})
	s.add(s.cloud.ServerKey())
	s.mint(t)
	tables := make([]string, 0, 3)
	for _, p := range []standin.Preset{standin.Stack, standin.Neon, standin.OIDC} {
		tables = append(tables, s.cloud.Project(t, s.home, p, quick, `profile_fresh = "1s"`))
	}
	tables = append(tables, s.cloud.Members(quick))
	s.instance = e2e.Serve(t, s.home, e2e.Settings{Top: fmt.Sprintf("access_log = %q", "file:"+s.home.Path("state/access.log")), Tables: tables})
	s.peer, s.admin = e2e.Call(t, s.home.Socket()), e2e.Call(t, s.home.AdminSocket())
	for deadline := time.Now().Add(e2e.Timeout); strings.Count(s.admin.Ask(t, "KEYS"), `"source":"upstream"`) < len(tables); {
		if time.Now().After(deadline) {
			t.Fatal("not every project has keys")
		}
	}
	return s
}

// mint makes tokens of every outcome, with marks in every claim.
func (s *sweep) mint(t *testing.T) {
	u := s.cloud.AddUser(standin.User{Name: "Ada " + canaryMark, Email: canaryMark + "@example.org", EmailVerified: true, ImageURL: "https://example.org/" + canaryMark})
	session, err := s.cloud.SignIn(u.ID)
	e2e.Must(t, err)
	marks := map[string]any{"note": canaryMark, "email": canaryMark, "scope": []string{canaryMark}}
	for _, spec := range []standin.TokenSpec{
		{Subject: u.ID, Set: marks},
		{Subject: u.ID, Set: marks, Lifetime: -time.Minute},
		{Subject: u.ID, Set: marks, Forged: true},
		{Subject: u.ID, Set: map[string]any{"iss": "https://" + canaryMark}},
		{Subject: u.ID, Set: map[string]any{"aud": canaryMark}},
		{Subject: u.ID, Set: map[string]any{"exp": canaryMark}},
		{Subject: canaryMark + "\r\nOK level=claims"},
		{Subject: "user " + canaryMark, Session: canaryMark},
		{Subject: u.ID, Header: map[string]any{"kid": canaryMark + "000"}},
		{Subject: u.ID, Header: map[string]any{"alg": canaryMark}},
		{Subject: u.ID, Header: map[string]any{"typ": canaryMark, "crit": []string{canaryMark}}},
		{Payload: []byte(`{"sub":"` + canaryMark)},
	} {
		for project, mint := range map[string]func(standin.TokenSpec) string{"main": s.cloud.StackToken, "neon": s.cloud.NeonToken, "oidc": s.cloud.OIDCToken} {
			token := mint(spec)
			s.add(token)
			s.tokens = append(s.tokens, "project="+project+" "+token)
		}
	}
	for _, spec := range []standin.TokenSpec{
		{Subject: "ada", Session: "one", Set: marks},
		{Subject: "ada", Session: "two", Set: marks, Forged: true},
		{Subject: "ada", Session: "two", Set: marks, Lifetime: -time.Minute},
		{Subject: "ada", Session: "two", Set: map[string]any{"aud": canaryMark}},
		{Subject: "ada", Session: "two", Set: map[string]any{"nonce": canaryMark}},
		{Subject: canaryMark + "\r\nOK ended=session", Session: "two"},
	} {
		token := s.cloud.LogoutToken(standin.Neon, spec)
		s.add(token)
		s.logouts = append(s.logouts, token)
	}
	cookie := url.QueryEscape(session.NeonCookie)
	s.add(session.NeonCookie, cookie, session.RefreshToken)
	for _, text := range []string{session.NeonCookie, cookie, canaryMark, canaryMark + ".." + canaryMark, canaryMark + "." + canaryMark + "." + canaryMark, strings.Repeat(canaryMark, 800)} {
		s.tokens = append(s.tokens, "project=main "+text, "project=neon "+text)
	}
}

// ask sends a request to the daemon. A reply that is not OK must contain no
// part of the request.
func (s *sweep) ask(t *testing.T, peer *e2e.Caller, request string) {
	t.Helper()
	if got := peer.Ask(t, request); !strings.HasPrefix(got, "OK level=") {
		verb, _, _ := strings.Cut(request, " ")
		if verb == "EXPLAIN" {
			got = shownToOperators.ReplaceAllString(got, "$1")
		}
		s.search(t, "the reply to "+verb, got)
	}
}

// shownToOperators matches what EXPLAIN shows of a token to everybody who may
// open the admin socket: the values that say where the token comes from and
// whom it is for. They name no user.
var shownToOperators = regexp.MustCompile(`("check":"(?:header|scope|algorithm|key|issuer|audience)","result":"[a-z]+","detail":"[^"]*"),"is":"(?:[^"\\]|\\.)*"`)

// lookups asks about every token at every level.
func (s *sweep) lookups(t *testing.T) {
	for _, token := range s.logouts {
		for _, project := range []string{"members", "main", canaryMark} {
			s.ask(t, s.peer, "LOGOUT project="+project+" "+token)
		}
		s.ask(t, s.peer, "VERIFY project=members "+token)
		s.ask(t, s.admin, "EXPLAIN project=members "+token)
	}
	for _, token := range s.tokens {
		s.ask(t, s.peer, "VERIFY "+token)
		s.ask(t, s.peer, "PROFILE "+token)
		s.ask(t, s.peer, "PROFILE max-age=0 fallback=claims deadline=2000 "+token)
	}
}

func TestNothingSecretIsEverWritten(t *testing.T) {
	t.Parallel()
	s := newSweep(t)
	s.lookups(t)
	for _, fault := range hostile() {
		s.cloud.Inject(standin.Any, fault)
		for _, token := range s.tokens[:9] {
			s.ask(t, s.peer, "PROFILE max-age=0 deadline=2000 "+token)
		}
		s.ask(t, s.peer, "PROFILE max-age=0 deadline=2000 "+s.tokens[len(s.tokens)-11])
		s.ask(t, s.peer, "VERIFY deadline=200 "+s.cloud.Strange("strange-one"))
		s.ask(t, s.admin, "KEYS")
		s.cloud.ClearAll()
	}
	for _, request := range []string{
		canaryMark, "@" + canaryMark + "/ PING", "VERIFY " + canaryMark + "=1 a.b.c", "VERIFY project=" + canaryMark + " a.b.c", "PROFILE fallback=" + canaryMark + " a.b.c",
		"VERIFY deadline=" + canaryMark + " a.b.c", "LOGOUT " + canaryMark + "=1 a.b.c", "LOGOUT " + canaryMark, "PING " + canaryMark, "HELLO " + canaryMark + " x", "QUIT " + canaryMark, "STATS " + canaryMark, strings.ToUpper(canaryMark) + " a",
	} {
		s.ask(t, s.peer, request)
		s.ask(t, s.admin, request)
	}
	s.administer(t)
	s.reloadBroken(t)
	s.lookups(t)
	s.inspect(t)
	s.crash(t)
	s.checkProgram(t)
}

// administer uses every admin verb on every token.
func (s *sweep) administer(t *testing.T) {
	for _, token := range s.tokens {
		for _, verb := range []string{"EXPLAIN %s", "REVOKE %s", "EXPLAIN %s", "UNREVOKE %s", "PURGE %s"} {
			verb, _, _ := strings.Cut(verb, " ")
			project, text, _ := strings.Cut(token, " ")
			kind := "token "
			if verb == "EXPLAIN" {
				kind = ""
			}
			s.ask(t, s.admin, verb+" "+project+" "+kind+text)
		}
	}
	for _, request := range []string{"STATS", "KEYS", "LEVEL debug", "LEVEL " + canaryMark, "PURGE " + canaryMark, "REVOKE " + canaryMark + " x", "RELOAD " + canaryMark, "PURGE all"} {
		s.ask(t, s.admin, request)
	}
}

// reloadBroken makes the daemon read files that are wrong beside or within the
// secret.
func (s *sweep) reloadBroken(t *testing.T) {
	whole, err := os.ReadFile(s.home.Config())
	e2e.Must(t, err)
	text := string(whole)
	for name, broken := range map[string]string{
		"the key in place of its name": strings.Replace(text, `"./server-key"`, `"`+s.cloud.ServerKey()+`"`, 1),
		"the key without quotes":       strings.Replace(text, `"./server-key"`, s.cloud.ServerKey(), 1),
		"an unknown key":               text + "\nserver_key = \"" + s.cloud.ServerKey() + "\"\n",
		"password in a URL":            strings.Replace(text, `base_url = "http://`, `base_url = "http://user:`+canaryMark+`@`, 1),
		"not TOML":                     "{" + canaryMark + "}",
	} {
		s.home.Write(t, "neonauthd.toml", broken)
		s.instance.Reload(t)
		s.ask(t, s.admin, "RELOAD")
		s.instance.Await(t, "READY=1")
		for _, flag := range []string{"--check", ""} {
			if out := run(t, "neonauthd", "--config", s.home.Config(), flag); flag != "" {
				s.search(t, name+": --check", out)
			}
		}
	}
	s.home.Write(t, "neonauthd.toml", text)
	s.instance.Reload(t)
}

// run runs a program to its end and returns everything that it wrote.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	if args[len(args)-1] == "" {
		return ""
	}
	ctx, cancel := context.WithTimeout(context.Background(), e2e.Timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, e2e.Program(name), args...)
	cmd.Env = e2e.Environment()
	out, _ := cmd.CombinedOutput() // the exit status does not matter here
	if ctx.Err() != nil {
		t.Errorf("%s %v does not end", name, args)
	}
	return string(out)
}

// inspect searches the running daemon's output, and everything that the daemon
// shows.
func (s *sweep) inspect(t *testing.T) {
	s.search(t, "standard output", s.instance.Stdout.String())
	s.search(t, "the log", s.instance.Stderr.String())
	if !strings.Contains(s.instance.Stderr.String(), "level=") {
		t.Error("nothing was logged: there was nothing to search")
	}
	for _, name := range []string{"environ", "cmdline", "comm", "status"} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", s.instance.Cmd.Process.Pid, name))
		need.Host(t, err == nil, "no /proc here")
		s.search(t, name, string(text))
	}
	files, err := filepath.Glob(s.home.Path("state/*"))
	e2e.Must(t, err)
	hidden, err := filepath.Glob(s.home.Path("state/.*"))
	e2e.Must(t, err)
	if len(files) < 6 || !slices.Contains(files, s.home.Path("state/access.log")) {
		t.Errorf("state files: %v", files)
	}
	for _, file := range append(files, hidden...) {
		text, err := os.ReadFile(file)
		e2e.Must(t, err)
		s.search(t, file, string(text))
	}
}

// crash makes the runtime dump every goroutine's stack while lookups are in
// progress, as a fatal error in our code would.
func (s *sweep) crash(t *testing.T) {
	s.instance.Rough = true
	s.cloud.Inject(standin.Any, standin.Fault{Kind: standin.Hang})
	for _, token := range s.tokens[:9] {
		s.peer.Send(t, "@x PROFILE max-age=0 "+token+"\n")
	}
	s.peer.Send(t, "PING\n")
	for s.peer.Reply(t) != "OK" { // then each of them is in progress, or answered
	}
	s.instance.Signal(t, syscall.SIGQUIT)
	s.instance.AwaitEnd(t)
	written := s.instance.Stderr.String()
	if !strings.Contains(written, "goroutine ") {
		t.Error("no stacks were dumped: there was nothing to search")
	}
	s.search(t, "the crash dump", written)
	s.cloud.ClearAll()
}

// checkProgram searches the output of --check while the upstream answers well
// and badly.
func (s *sweep) checkProgram(t *testing.T) {
	s.search(t, "--check", run(t, "neonauthd", "--config", s.home.Config(), "--check"))
	for _, fault := range hostile() {
		fault.Times = 3
		s.cloud.Inject(standin.Any, fault)
		s.search(t, "--check", run(t, "neonauthd", "--config", s.home.Config(), "--check"))
		s.cloud.ClearAll()
	}
	s.home.Write(t, "server-key", canaryMark+" with a blank")
	s.search(t, "--check", run(t, "neonauthd", "--config", s.home.Config(), "--check"))
	e2e.Must(t, os.Chmod(s.home.Path("server-key"), 0o644))
	s.search(t, "--check", run(t, "neonauthd", "--config", s.home.Config(), "--check"))
}

func TestHelpAndVersionEnd(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--help"}, {"--version"}, {"demo", "--help"}, {"standin", "--help"}, {"completion", "bash"}} {
		if out := run(t, "neonauthd", args...); len(out) < 20 || strings.Contains(out, "panic") {
			t.Errorf("%v: %q", args, out)
		}
	}
	for _, args := range [][]string{{"--nonsense"}, {"nonsense"}, {"--config", "/nonexistent"}, {"standin", "--listen", "0.0.0.0:0"}} {
		if out := run(t, "neonauthd", args...); !strings.HasPrefix(out, "neonauthd: ") || strings.Count(out, "\n") != 1 {
			t.Errorf("%v: %q", args, out)
		}
	}
}
