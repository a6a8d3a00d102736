package standin

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// control posts to the control interface and decodes the reply.
func (s *served) control(t *testing.T, method, path, body string, status int, into any) {
	t.Helper()
	got := s.do(t, method, "/_standin"+path, body)
	if got.status != status {
		t.Fatalf("%s: %d %s", path, got.status, got.body)
	}
	if into != nil {
		if err := json.Unmarshal([]byte(got.body), into); err != nil {
			t.Fatalf("%s: %v in %s", path, err, got.body)
		}
	}
}

func TestControlWalksThroughALife(t *testing.T) {
	s := serve(t, Options{})
	var user User
	s.control(t, "POST", "/users", `{"email":"ada@example.org","name":"Ada","fields":{"country_code":"DE"}}`, http.StatusOK, &user)
	var session Session
	s.control(t, "POST", "/sign-in", `{"email":"ada@example.org"}`, http.StatusOK, &session)
	if session.UserID != user.ID {
		t.Errorf("signed in as %s, not %s", session.UserID, user.ID)
	}
	me := s.get(t, mePath, s.serverAccess(session.AccessToken)...)
	if me.status != http.StatusOK || !strings.Contains(me.body, `"country_code":"DE"`) {
		t.Errorf("%d %s", me.status, me.body)
	}
	var minted struct{ Token string }
	s.control(t, "POST", "/tokens", `{"user":"`+user.ID+`","lifetime":"-1m"}`, http.StatusOK, &minted)
	if got := s.get(t, mePath, s.serverAccess(minted.Token)...).header.Get("X-Stack-Known-Error"); got != "ACCESS_TOKEN_EXPIRED" {
		t.Errorf("minted token: %s", got)
	}
	s.control(t, "POST", "/revoke", `{"session":"`+session.SessionID+`"}`, http.StatusOK, nil)
	s.control(t, "POST", "/revoke", `{"session":"`+session.SessionID+`"}`, http.StatusNotFound, nil)
	if got := s.get(t, authoritative, cookieHeader(session.NeonCookie)...).body; got != "null" {
		t.Errorf("revoked: %s", got)
	}
	for _, act := range []string{"restrict", "unrestrict", "ban", "unban"} {
		s.control(t, "POST", "/users/"+user.ID+"/"+act, "", http.StatusOK, nil)
	}
	s.control(t, "POST", "/users/"+user.ID+"/ban", `{"reason":"abuse"}`, http.StatusOK, nil)
	s.control(t, "POST", "/sign-in", `{"user":"`+user.ID+`"}`, http.StatusForbidden, nil)
	var users []User
	s.control(t, "GET", "/users", "", http.StatusOK, &users)
	if len(users) != 1 || users[0].BanReason != "abuse" {
		t.Errorf("%+v", users)
	}
	s.control(t, "POST", "/users/"+user.ID+"/delete", "", http.StatusOK, nil)
	s.control(t, "POST", "/sign-in", `{"user":"`+user.ID+`"}`, http.StatusNotFound, nil)
	var calls map[string]int
	s.control(t, "GET", "/calls", "", http.StatusOK, &calls)
	if calls["me"] != 2 || calls["session"] != 1 || calls["any"] != 3 {
		t.Errorf("%v", calls)
	}
}

func TestControlRotates(t *testing.T) {
	s := serve(t, Options{})
	for _, p := range []Preset{Stack, Neon, OIDC} {
		before := s.KeyIDs(p)
		var reply struct{ Keys []string }
		s.control(t, "POST", "/rotate", `{"preset":"`+string(p)+`","overlap":true}`, http.StatusOK, &reply)
		if !slices.Equal(reply.Keys, s.KeyIDs(p)) || len(reply.Keys) != 2*len(before) {
			t.Errorf("%s: %v after %v", p, reply.Keys, before)
		}
		withdraw := `{"withdraw":"` + reply.Keys[0] + `"}`
		s.control(t, "POST", "/rotate", withdraw, http.StatusOK, nil)
		s.control(t, "POST", "/rotate", withdraw, http.StatusNotFound, nil)
	}
}

func TestControlInjectsEveryKind(t *testing.T) {
	s := serve(t, Options{})
	for _, kind := range Kinds() {
		s.control(t, "POST", "/faults", `{"endpoint":"me","kind":"`+string(kind)+`","times":1,"latency":"1ns","size":1,"interval":"1ns"}`, http.StatusOK, nil)
		if fault, ok := s.faults.take(Me); !ok || fault.Kind != kind || fault.Latency != 1 || fault.Interval != 1 || fault.Size != 1 {
			t.Errorf("%s: %+v", kind, fault)
		}
	}
	s.control(t, "POST", "/faults", `{"endpoint":"me","kind":"hang"}`, http.StatusOK, nil)
	s.control(t, "POST", "/faults", `{"endpoint":"keys","kind":"hang"}`, http.StatusOK, nil)
	s.control(t, "DELETE", "/faults?endpoint=me", "", http.StatusOK, nil)
	if _, ok := s.faults.take(Me); ok {
		t.Error("not cleared")
	}
	if _, ok := s.faults.take(StackKeys); !ok {
		t.Error("cleared too much")
	}
	s.control(t, "DELETE", "/faults", "", http.StatusOK, nil)
	if _, ok := s.faults.take(StackKeys); ok {
		t.Error("not all cleared")
	}
}

func TestControlRefusesNonsense(t *testing.T) {
	s := serve(t, Options{})
	for path, bodies := range map[string][]string{
		"/users":   {`{"unknown":1}`, `[`, `{"email":1}`},
		"/sign-in": {`{"password":"x"}`},
		"/tokens":  {`{"preset":"other"}`, `{"class":"other"}`, `{"lifetime":"soon"}`, `{"preset":"oidc","alg":"HS256"}`},
		"/rotate":  {`{"preset":"other"}`},
		"/faults": {`{"endpoint":"other"}`, `{"endpoint":"me","kind":"other"}`, `{"endpoint":"me","status":99}`, `{"endpoint":"me","times":-1}`,
			`{"endpoint":"me","latency":"x"}`, `{"endpoint":"me","interval":"x"}`, `{"endpoint":"me","size":99999999999}`},
	} {
		for _, body := range bodies {
			s.control(t, "POST", path, body, http.StatusBadRequest, nil)
		}
	}
	s.control(t, "DELETE", "/faults?endpoint=other", "", http.StatusBadRequest, nil)
	s.control(t, "GET", "/config?preset=other", "", http.StatusBadRequest, nil)
	s.control(t, "POST", "/users/unknown/ban", "", http.StatusNotFound, nil)
	s.control(t, "POST", "/users/unknown/dance", "", http.StatusNotFound, nil)
}

func TestControlIsForThisHostOnly(t *testing.T) {
	s := New(Options{})
	cases := []struct {
		name, remote, host, origin string
		status                     int
	}{
		{"loopback", "127.0.0.1:4000", "127.0.0.1:80", "", http.StatusOK},
		{"loopback of IPv6", "[::1]:4000", "[::1]:80", "", http.StatusOK},
		{"by name", "127.0.0.1:4000", "localhost:80", "", http.StatusOK},
		{"over a Unix socket", "@", "localhost", "", http.StatusOK},
		{"other address", "192.0.2.1:4000", "127.0.0.1:80", "", http.StatusForbidden},
		{"rebound name", "127.0.0.1:4000", "evil.example:80", "", http.StatusForbidden},
		{"page of another origin", "127.0.0.1:4000", "127.0.0.1:80", "https://evil.example", http.StatusForbidden},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			request := httptest.NewRequest(http.MethodPost, "/_standin/users", strings.NewReader(`{}`))
			request.RemoteAddr, request.Host = c.remote, c.host
			if c.origin != "" {
				request.Header.Set("Origin", c.origin)
			}
			answer := httptest.NewRecorder()
			s.ServeHTTP(answer, request)
			if answer.Code != c.status {
				t.Errorf("status %d, want %d", answer.Code, c.status)
			}
		})
	}
}

func TestConfigBlocks(t *testing.T) {
	s := New(Options{BaseURL: "http://127.0.0.1:1", ProjectID: "p", ServerKey: "ssk_x", Audience: "app", Client: "c"})
	for p, want := range map[Preset]string{
		Stack: "[[project]]\nname = \"stack\"\npreset = \"stack\"\nbase_url = \"http://127.0.0.1:1\"\nproject_id = \"p\"\nsecret_server_key = \"/k\"\n\n",
		Neon:  "[[project]]\nname = \"neon\"\npreset = \"neon\"\nbase_url = \"http://127.0.0.1:1/neondb/auth\"\nlogout_client_ids = [\"c\"]\n\n",
		OIDC: "[[project]]\nname = \"oidc\"\npreset = \"oidc\"\nbase_url = \"http://127.0.0.1:1/oidc\"\naudiences = [\"app\"]\n" +
			"algorithms = [\"RS256\", \"RS384\", \"RS512\", \"PS256\", \"PS384\", \"PS512\", \"ES256\", \"ES384\", \"ES512\", \"EdDSA\"]\n\n",
	} {
		if got := s.ConfigBlock(p, "/k"); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", p, got, want)
		}
	}
	if got := s.ConfigBlock(Stack, ""); !strings.Contains(got, "# printf %s 'ssk_x' > standin-server-key\n") {
		t.Errorf("no way to make the key file: %s", got)
	}
}

// TestUsageNamesEverything keeps the text and the code together.
func TestUsageNamesEverything(t *testing.T) {
	usage := Usage()
	for _, e := range Endpoints() {
		if !strings.Contains(usage, string(e)) {
			t.Errorf("endpoint %s", e)
		}
	}
	for _, k := range Kinds() {
		if !strings.Contains(usage, string(k)) {
			t.Errorf("kind %s", k)
		}
	}
}

// TestEachKindIsMintedOnDemand with its typ, and another typ if that is asked for.
func TestEachKindIsMintedOnDemand(t *testing.T) {
	s := serve(t, Options{})
	for form, want := range map[string]string{
		`"kind":"resource"`:                            `"typ":"at+jwt"`,
		`"kind":"logout"`:                              `"typ":"logout+jwt"`,
		`"kind":"id"`:                                  `{"alg":`,
		`"kind":"id","header":{"typ":"id+jwt"}`:        `"typ":"id+jwt"`,
		`"kind":"session","header":{"typ":"dpop+jwt"}`: `"typ":"dpop+jwt"`,
		`"kind":"refresh"`:                             "", `"kind":"opaque"`: "",
	} {
		for _, preset := range []string{"neon", "oidc"} {
			var minted struct{ Token string }
			s.control(t, "POST", "/tokens", `{"preset":"`+preset+`",`+form+`}`, http.StatusOK, &minted)
			header, _, signed := strings.Cut(minted.Token, ".")
			text, _ := base64.RawURLEncoding.DecodeString(header)
			if signed != (want != "") || signed && !strings.Contains(string(text), want) {
				t.Errorf("%s of %s: %s", form, preset, text)
			}
		}
	}
	s.control(t, "POST", "/tokens", `{"preset":"neon","kind":"other"}`, http.StatusBadRequest, nil)
	s.control(t, "POST", "/tokens", `{"kind":"id"}`, http.StatusBadRequest, nil)
}
