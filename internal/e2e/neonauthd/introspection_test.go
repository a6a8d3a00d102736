package neonauthd_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/protocol"
)

// introspectionFixtures are genuine answers of an introspection endpoint, and some that it has never given.
type introspectionFixtures struct {
	Request struct {
		Token  string
		Client struct {
			ID     string `json:"client_id"`
			Secret string `json:"client_secret"`
		}
		Form map[string]string
	}
	Answers []introspectionAnswer
}

type introspectionAnswer struct {
	Name, Meaning, Body, Token, Sub string
	Status                          int
	Headers                         map[string]string
	project                         string // a short name for the project
}

// introspectionServer gives each answer at an address of its own, and checks that the question is right.
type introspectionServer struct {
	*httptest.Server
	fixtures introspectionFixtures
	keys     []byte

	mu    sync.Mutex
	asked map[string]int
	wrong []string
}

func newIntrospectionServer(t *testing.T) *introspectionServer {
	t.Helper()
	s := &introspectionServer{asked: map[string]int{}, keys: fixtureBody(t, "oauth/jwks.json")}
	readFixture(t, "oauth/introspection.json", &s.fixtures)
	if len(s.fixtures.Answers) < 59 {
		t.Fatalf("%d answers", len(s.fixtures.Answers))
	}
	for i := range s.fixtures.Answers {
		s.fixtures.Answers[i].project = fmt.Sprintf("answer-%d", i)
	}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *introspectionServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, found := strings.CutPrefix(r.URL.Path, "/introspect/")
	if !found {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(s.keys)
		return
	}
	all := s.fixtures.Answers
	a := &all[slices.IndexFunc(all, func(a introspectionAnswer) bool { return a.Name == name })]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked[name]++
	form := url.Values{}
	for member, value := range s.fixtures.Request.Form {
		form.Set(member, strings.NewReplacer("<token>", s.tokenOf(a), "<client_id>", s.fixtures.Request.Client.ID, "<client_secret>", s.fixtures.Request.Client.Secret).Replace(value))
	}
	if _ = r.ParseForm(); r.Method != http.MethodPost || r.PostForm.Encode() != form.Encode() {
		s.wrong = append(s.wrong, fmt.Sprintf("%s: %s with %d members", name, r.Method, len(r.PostForm)))
	}
	for header, value := range a.Headers {
		w.Header().Set(header, value)
	}
	w.WriteHeader(a.Status)
	_, _ = w.Write([]byte(a.Body))
}

// tokenOf returns the token that the answer is about.
func (s *introspectionServer) tokenOf(a *introspectionAnswer) string {
	if a.Token != "" {
		return a.Token
	}
	return s.fixtures.Request.Token
}

// table returns the project that gets an answer. If resource is not empty, the project is a protected resource.
func (s *introspectionServer) table(a *introspectionAnswer, base, issuer, resource string) string {
	table := fmt.Sprintf("[[project]]\nname = %q\npreset = \"neon\"\nbase_url = %q\nissuers = [%q]\njwks_url = %q\nallow = [\"machine\"]\nintrospection_url = %q\nintrospection = { client_id = %q, secret = \"./introspection-secret\" }\n",
		a.project, base, issuer, s.URL+"/keys", s.URL+"/introspect/"+a.Name, s.fixtures.Request.Client.ID)
	if resource != "" {
		table += fmt.Sprintf("resources = [%q]\n", resource)
	}
	return table
}

// TestGenuineAnswersAboutTokensMeanWhatTheyMean asks a daemon about each token whose upstream gives that answer, for
// projects that are protected resources and for projects that are not.
func TestGenuineAnswersAboutTokensMeanWhatTheyMean(t *testing.T) {
	t.Parallel()
	s := newIntrospectionServer(t)
	var c struct {
		BaseURL  string `json:"base_url"`
		Resource string
		Variants map[string]string `json:"issuer_variants"`
	}
	readFixture(t, "oauth/config.json", &c)
	for half := range slices.Chunk(s.fixtures.Answers, 48) {
		for _, resource := range []string{c.Resource, ""} {
			h := e2e.NewFolder(t)
			h.Write(t, "introspection-secret", s.fixtures.Request.Client.Secret)
			var tables []string
			for i := range half {
				tables = append(tables, s.table(&half[i], c.BaseURL, c.Variants["origin"], resource))
			}
			p := e2e.Serve(t, h, e2e.Settings{Tables: tables})
			peer := e2e.Call(t, h.Socket())
			for i := range half {
				s.judge(t, peer, &half[i], resource != "")
			}
			for _, canary := range []string{s.fixtures.Request.Token, s.fixtures.Request.Client.Secret} {
				if strings.Contains(p.Written(), canary) {
					t.Error("the log has a token or the secret in it")
				}
			}
			p.Stop(t)
		}
	}
	if len(s.wrong) > 0 {
		t.Errorf("questions that are not as they should be: %q", s.wrong)
	}
}

// judge checks that the daemon's reply has the meaning of the upstream's answer, and that the upstream is not asked
// about a token that was not verified.
func (s *introspectionServer) judge(t *testing.T, peer *e2e.Caller, a *introspectionAnswer, resource bool) {
	t.Helper()
	token := s.tokenOf(a)
	ask := func(verb string) string {
		for {
			got := peer.Ask(t, verb+" project="+a.project+" "+token)
			if e2e.Head(got) != "ERR keys-pending" {
				return got
			}
		}
	}
	s.mu.Lock()
	before := s.asked[a.Name]
	s.mu.Unlock()
	verified := ask("VERIFY")
	got := ask("PROFILE max-age=0")
	s.mu.Lock()
	asked := s.asked[a.Name] - before
	s.mu.Unlock()
	opaque := verified == "ERR needs-profile"
	if a.Name == "inactive-session-jwt" && !resource { // it is not an access token, so introspection is not asked
		if asked != 0 || !strings.HasPrefix(verified, "OK ") || got != "ERR unavailable "+protocol.TextNoProfile {
			t.Errorf("%s: asked %d times, %s", a.Name, asked, e2e.Head(got))
		}
		return
	}
	if wanted := strings.HasPrefix(verified, "OK ") || opaque; asked != map[bool]int{true: 1}[wanted] {
		t.Errorf("%s: asked %d times about what VERIFY answers %s", a.Name, asked, e2e.Head(verified))
	}
	want := map[string]string{"accept": "OK", "deny": "NO", "operator": "ERR misconfigured", "failure": "ERR unavailable"}[a.Meaning]
	switch {
	case strings.HasPrefix(verified, "NO "):
		want = verified
	case opaque && a.Name == "active-machine-opaque":
		want = "OK"
	case opaque && a.Name == "active-refresh-token":
		want = "NO" // it has expired; only the hint distinguishes it from an access token
	}
	if opaque && resource { // none of these tokens is for a resource
		want = "NO"
	}
	if !strings.HasPrefix(got, want) || resource && opaque && a.Status == http.StatusOK && strings.HasPrefix(a.Body, `{"active":true`) && got != "NO wrong-audience" {
		t.Errorf("%s, resource %v: %s, want %s", a.Name, resource, e2e.Head(got), want)
	}
	if strings.HasPrefix(got, "OK ") {
		s.wantProfile(t, a, got)
	}
	t.Logf("%-34s resource %-5v %s, then %s", a.Name, resource, e2e.Head(verified), e2e.Head(got))
}

func (s *introspectionServer) wantProfile(t *testing.T, a *introspectionAnswer, got string) {
	t.Helper()
	if e2e.Field(got, "level") != "profile" || e2e.Field(got, "source") != "upstream" || a.Sub != "" && e2e.Field(got, "sub") != a.Sub || !strings.HasSuffix(got, a.Body) {
		t.Errorf("%s: %s", a.Name, e2e.Head(got))
	}
	if machine := strings.HasPrefix(a.Name, "active-machine"); (e2e.Field(got, "principal") == "machine") != machine {
		t.Errorf("%s: principal %s", a.Name, e2e.Field(got, "principal"))
	}
}
