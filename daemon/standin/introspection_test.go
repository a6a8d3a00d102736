package standin

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin/introspect"
)

// question is a POST to the introspection endpoint of preset Neon.
type question struct {
	form   url.Values
	basic  [2]string
	header http.Header
}

func (s *Standin) put(q question) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, neonPath+"/oauth2/introspect", strings.NewReader(q.form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if q.basic != [2]string{} {
		r.SetBasicAuth(url.QueryEscape(q.basic[0]), url.QueryEscape(q.basic[1]))
	}
	for name, values := range q.header {
		r.Header[name] = values
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// by is a question of the stand-in's own client.
func (s *Standin) by(token string, change func(url.Values)) question {
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}, "client_id": {s.Client()}, "client_secret": {s.ClientSecret()}}
	if change != nil {
		change(form)
	}
	return question{form: form}
}

// everyQuestion returns questions that are answered as the fixtures with the same names, and an active token.
func (s *Standin) everyQuestion() (byName map[string]question, jwt string) {
	ada := s.AddUser(User{Name: "Ada"})
	row := s.startSession(ada.ID)
	spec := TokenSpec{Subject: ada.ID, Session: row.id, Scope: "openid profile"}
	change := func(change func(*TokenSpec)) TokenSpec {
		other := spec
		change(&other)
		return other
	}
	of := func(spec TokenSpec) string { return s.ResourceToken(Neon, spec) }
	jwt = of(spec)
	ended := s.startSession(ada.ID)
	s.RevokeSession(ended.id)
	s.AddClient(introspect.Client{ID: "unlinked", Secret: "x"})
	s.AddClient(introspect.Client{ID: "linked", Secret: "x", Resources: []string{s.Resource()}})
	s.AddClient(introspect.Client{ID: "public"})
	s.AddClient(introspect.Client{ID: "disabled", Secret: "x", Disabled: true})
	as := func(id, secret string) func(url.Values) {
		return func(form url.Values) { form.Set("client_id", id); form.Set("client_secret", secret) }
	}
	segments := strings.Split(jwt, ".")
	return map[string]question{
		"active":                            s.by(jwt, nil),
		"active-opaque":                     s.by(s.OpaqueToken(Neon, spec), nil),
		"active-machine":                    s.by(of(TokenSpec{Subject: "robot", Client: s.Client(), Scope: "read"}), nil),
		"active-machine-opaque":             s.by(s.OpaqueToken(Neon, TokenSpec{Subject: s.Client(), Scope: "read"}), nil),
		"active-other-resource":             s.by(of(change(func(s *TokenSpec) { s.Resources, s.Scope = []string{"https://files.example.net/api"}, "read" })), nil),
		"active-dpop":                       s.by(of(change(func(s *TokenSpec) { s.Set = map[string]any{"cnf": map[string]any{"jkt": "x"}} })), nil),
		"active-refresh-token":              s.by(s.OAuthRefreshToken(Neon, spec), func(form url.Values) { form.Del("token_type_hint") }),
		"inactive-refresh-token":            s.by(s.OAuthRefreshToken(Neon, spec), nil),
		"inactive-session-jwt":              s.by(s.NeonToken(spec), nil),
		"inactive-unknown":                  s.by("unknown", nil),
		"inactive-unlinked-client":          s.by(jwt, as("unlinked", "x")),
		"active-linked-client":              s.by(jwt, as("linked", "x")),
		"inactive-signed-out":               s.by(of(change(func(s *TokenSpec) { s.Session = ended.id })), nil),
		"inactive-refreshed-after-sign-out": s.by(of(change(func(s *TokenSpec) { s.Session = ended.id })), nil),
		"inactive-expired":                  s.by(of(change(func(s *TokenSpec) { s.Lifetime = -time.Minute })), nil),
		"wrong-secret":                      s.by(jwt, as(s.Client(), "wrong")),
		"unknown-client":                    s.by(jwt, as("nobody", "x")),
		"no-credentials":                    s.by(jwt, as("", "")),
		"public-client":                     s.by(jwt, as("public", "")),
		"wrong-method":                      {form: url.Values{"token": {jwt}}, basic: [2]string{s.Client(), s.ClientSecret()}},
		"disabled-client":                   s.by(jwt, as("disabled", "x")),
		"no-token":                          s.by("", nil),
		"json-body":                         {form: url.Values{"token": {jwt}}, header: http.Header{"Content-Type": {"application/json"}}},
		"forged-signature":                  s.by(of(change(func(s *TokenSpec) { s.Forged = true })), nil),
		"forged-kid":                        s.by(of(change(func(s *TokenSpec) { s.Header = map[string]any{"kid": "x"} })), nil),
		"forged-none":                       s.by("eyJhbGciOiJub25lIn0."+segments[1]+".", nil),
		"foreign-issuer":                    s.by(of(change(func(s *TokenSpec) { s.Set = map[string]any{"iss": "https://evil.example"} })), nil),
		"not-a-jwt":                         s.by("a.b.c", nil),
	}, jwt
}

// TestIntrospectionAnswersAsTheGenuineEndpointDoes compares status, headers, members and their order with the answers
// of the genuine endpoint.
func TestIntrospectionAnswersAsTheGenuineEndpointDoes(t *testing.T) {
	var genuine struct {
		Answers []struct {
			Name, Body string
			Status     int
			Headers    map[string]string
			Synthetic  bool
		}
	}
	s := New(Options{BaseURL: "https://auth.example"})
	questions, jwt := s.everyQuestion()
	text, err := os.ReadFile("../testdata/upstream/oauth/introspection.json")
	if err != nil || json.Unmarshal(text, &genuine) != nil {
		t.Fatal(err)
	}
	elsewhere := map[string]string{"inactive-id-token": "the stand-in makes none", "get": "the route", "database-down": "a fault", "rate-limited": "below"}
	seen := 0
	for _, a := range genuine.Answers {
		if a.Synthetic || elsewhere[a.Name] != "" {
			continue
		}
		q, there := questions[a.Name]
		if !there {
			t.Errorf("%s is not asked", a.Name)
			continue
		}
		seen++
		w := s.put(q)
		if got, want := membersOfText(w.Body.String()), membersOfText(a.Body); w.Code != a.Status || got != want && a.Name != "active-machine" {
			t.Errorf("%s: %d %s, want %d %s", a.Name, w.Code, got, a.Status, want)
		}
		for _, name := range []string{"Cache-Control", "Pragma", "Content-Type", "Www-Authenticate"} {
			if got, want := w.Header().Get(name), a.Headers[strings.ToLower(name)]; got != want {
				t.Errorf("%s: %s is %q, want %q", a.Name, name, got, want)
			}
		}
	}
	if seen != len(questions) {
		t.Errorf("%d answers compared, of %d", seen, len(questions))
	}
	if w := s.put(s.by("Bearer "+jwt+"\n", nil)); !strings.Contains(w.Body.String(), `"active":true`) {
		t.Errorf("another spelling: %s", w.Body)
	}
}

// membersOfText are the names of an object's members in order, with the values of some.
func membersOfText(text string) string {
	var all []string
	decoder := json.NewDecoder(strings.NewReader(text))
	if _, err := decoder.Token(); err != nil {
		return text
	}
	for decoder.More() {
		name, err := decoder.Token()
		var value json.RawMessage
		if err != nil || decoder.Decode(&value) != nil {
			return text
		}
		all = append(all, name.(string))
		if slices.Contains([]string{"error", "error_description", "message", "active", "token_type"}, name.(string)) {
			all = append(all, string(value))
		}
	}
	return strings.Join(all, " ")
}

// TestProgramsLearnTheClientThatIntrospects: they can also add others.
func TestProgramsLearnTheClientThatIntrospects(t *testing.T) {
	s := New(Options{BaseURL: "https://auth.example"})
	control := func(body string) (int, map[string]string) {
		t.Helper()
		r := httptest.NewRequest(http.MethodPost, "http://localhost"+controlPath+"/clients", strings.NewReader(body))
		r.RemoteAddr = "127.0.0.1:1"
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		var got map[string]string
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		return w.Code, got
	}
	if code, got := control(""); code != http.StatusOK || got["client_id"] != s.Client() || got["client_secret"] != s.ClientSecret() {
		t.Errorf("%d %v", code, got)
	}
	if code, _ := control(`{"client_id":"x"}`); code != http.StatusBadRequest {
		t.Errorf("without a secret: %d", code)
	}
	if code, _ := control(`{"client_id":"x","client_secret":"y","resources":["` + s.Resource() + `"]}`); code != http.StatusOK {
		t.Errorf("a new one: %d", code)
	}
	token := s.ResourceToken(Neon, TokenSpec{Subject: s.AddUser(User{}).ID})
	if w := s.put(s.by(token, func(form url.Values) { form.Set("client_id", "x"); form.Set("client_secret", "y") })); !strings.Contains(w.Body.String(), `"active":true`) {
		t.Errorf("asked by the new one: %s", w.Body)
	}
}

// TestIntrospectionIsLimitedAsAtBetterAuth: so many, until a minute has passed after the last one that was answered.
func TestIntrospectionIsLimitedAsAtBetterAuth(t *testing.T) {
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	s := New(Options{BaseURL: "https://auth.example", Now: func() time.Time { return now }})
	ask := func() *httptest.ResponseRecorder { return s.put(s.by("unknown", nil)) }
	for i := range introspect.DefaultLimit {
		if w := ask(); w.Code != http.StatusOK {
			t.Fatalf("question %d: %d", i+1, w.Code)
		}
		now = now.Add(time.Second / 2)
	}
	w := ask()
	if w.Code != http.StatusTooManyRequests || w.Header().Get("X-Retry-After") != "60" || w.Header().Get("Content-Type") != "text/plain;charset=UTF-8" ||
		w.Body.String() != `{"message":"Too many requests. Please try again later."}` {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	if now = now.Add(59 * time.Second); ask().Code != http.StatusTooManyRequests {
		t.Error("the limit is over before a minute is")
	}
	if now = now.Add(2 * time.Second); ask().Code != http.StatusOK {
		t.Error("the limit stays")
	}
}
