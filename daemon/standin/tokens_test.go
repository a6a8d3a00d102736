package standin

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin/mint"
	"github.com/neonauthd/neonauthd/daemon/standin/stackauth"
)

// header is the decoded first segment of a token.
func tokenHeader(t *testing.T, token string) string {
	t.Helper()
	raw, ok := mint.ReadBase64(strings.Split(token, ".")[0])
	if !ok {
		t.Fatal("header is not base64")
	}
	return string(raw)
}

func TestStackTokensHaveTheGenuineClaims(t *testing.T) {
	var tokens []struct{ Name, Token string }
	load(t, "stack/tokens.json", &tokens)
	s := serve(t, Options{})
	compared := 0
	for _, c := range tokens {
		class := map[string]stackauth.Class{"normal": stackauth.ClassNormal, "restricted": stackauth.ClassRestricted, "anonymous": stackauth.ClassAnonymous}[c.Name]
		if class == stackauth.ClassOfUser {
			continue
		}
		compared++
		have := s.StackToken(TokenSpec{Class: class})
		if got, want := memberNames(t, payload(t, have)), memberNames(t, payload(t, c.Token)); !slices.Equal(got, want) {
			t.Errorf("%s: claims %v, want %v", c.Name, got, want)
		}
		signer := s.KeyIDs(Stack)[2*(class-stackauth.ClassNormal)]
		if got, want := tokenHeader(t, have), `{"alg":"ES256","kid":"`+signer+`"}`; got != want {
			t.Errorf("%s: header %s, want %s", c.Name, got, want)
		}
	}
	if compared != 3 {
		t.Errorf("%d classes compared", compared)
	}
}

func TestIssuerAndAudienceFollowTheClass(t *testing.T) {
	s := New(Options{BaseURL: "http://127.0.0.1:1/", ProjectID: "p"})
	for class, want := range map[stackauth.Class][2]string{
		stackauth.ClassNormal:     {"http://127.0.0.1:1/api/v1/projects/p", "p"},
		stackauth.ClassRestricted: {"http://127.0.0.1:1/api/v1/projects-restricted-users/p", "p:restricted"},
		stackauth.ClassAnonymous:  {"http://127.0.0.1:1/api/v1/projects-anonymous-users/p", "p:anon"},
	} {
		var claims struct{ Iss, Aud string }
		if err := json.Unmarshal(payload(t, s.StackToken(TokenSpec{Class: class})), &claims); err != nil {
			t.Fatal(err)
		}
		if claims.Iss != want[0] || claims.Aud != want[1] {
			t.Errorf("%d: %+v, want %v", class, claims, want)
		}
	}
}

func TestTokenSpecDeparts(t *testing.T) {
	s := New(Options{Now: func() time.Time { return fixtureNow }})
	plain := s.KeyIDs(Stack)
	spec := TokenSpec{
		Set:          map[string]any{"sub": 42, "added": nil},
		Remove:       []string{"exp"},
		Header:       map[string]any{"typ": "JWT", "kid": "other"},
		RemoveHeader: []string{"alg"},
	}
	token := s.StackToken(spec)
	if got := tokenHeader(t, token); got != `{"kid":"other","typ":"JWT"}` {
		t.Errorf("header %s", got)
	}
	claims := string(payload(t, token))
	if !strings.HasPrefix(claims, `{"sub":42,`) || !strings.HasSuffix(claims, `,"added":null}`) || strings.Contains(claims, `"exp"`) {
		t.Errorf("claims %s", claims)
	}
	if got := payload(t, s.NeonToken(TokenSpec{Payload: []byte("not JSON")})); string(got) != "not JSON" {
		t.Errorf("payload %q", got)
	}
	if got := tokenHeader(t, s.StackToken(TokenSpec{NextKey: true})); !strings.Contains(got, plain[1]) {
		t.Errorf("the second key does not sign: %s", got)
	}
	s.SignWithNext(true)
	if got := tokenHeader(t, s.StackToken(TokenSpec{})); !strings.Contains(got, plain[1]) {
		t.Errorf("the second key does not sign after the release: %s", got)
	}
	s.WithdrawKey(plain[1])
	if got := tokenHeader(t, s.StackToken(TokenSpec{})); !strings.Contains(got, plain[0]) {
		t.Errorf("a withdrawn key signs: %s", got)
	}
	if got := tokenHeader(t, s.StackToken(TokenSpec{KeyID: plain[1]})); !strings.Contains(got, plain[1]) {
		t.Errorf("the key asked for does not sign: %s", got)
	}
}

func TestForgedTokensKeepEverythingButTheSignature(t *testing.T) {
	s := serve(t, Options{})
	user := s.AddUser(User{Email: "ada@example.org"})
	for forged, status := range map[bool]int{false: http.StatusOK, true: http.StatusUnauthorized} {
		token := s.StackToken(TokenSpec{Subject: user.ID, Forged: forged})
		if got := s.get(t, mePath, s.serverAccess(token)...); got.status != status {
			t.Errorf("forged %t: %d", forged, got.status)
		}
	}
}

func TestTokensOfSize(t *testing.T) {
	s := New(Options{ProjectID: fixtureProject, BaseURL: "http://127.0.0.1:1"})
	for size := 2000; size < 2008; size++ {
		if got := len(s.StackTokenOfSize(size)); got > size || got < size-1 {
			t.Errorf("asked for %d, got %d", size, got)
		}
	}
	if got := len(s.StackTokenOfSize(10)); got < 700 {
		t.Errorf("claims were cut: %d", got)
	}
}

func TestRefreshAndSignOut(t *testing.T) {
	s := serve(t, Options{})
	_, session := signIn(t, s)
	const refreshPath, signOutPath = "/api/v1/auth/sessions/current/refresh", "/api/v1/auth/sessions/current"
	client := []string{"x-stack-access-type", "client", "x-stack-project-id", s.ProjectID(), "x-stack-publishable-client-key", s.options.ClientKey}
	refresh := append(slices.Clone(client), "x-stack-refresh-token", session.RefreshToken)
	s.clock.Advance(time.Minute)
	got := s.do(t, http.MethodPost, refreshPath, "", refresh...)
	var fresh struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(got.body), &fresh); err != nil || got.status != http.StatusOK {
		t.Fatalf("%d %s", got.status, got.body)
	}
	var claims struct {
		Iat     int64
		Session string `json:"refresh_token_id"`
	}
	if err := json.Unmarshal(payload(t, fresh.AccessToken), &claims); err != nil || claims.Session != session.SessionID || claims.Iat != fixtureNow.Unix()+60 {
		t.Errorf("%v: %+v", err, claims)
	}
	signOut := append(slices.Clone(client), "x-stack-access-token", session.AccessToken)
	if got := s.do(t, http.MethodDelete, signOutPath, "", signOut...); got.status != http.StatusOK || got.body != `{"success":true}` {
		t.Errorf("sign-out: %d %s", got.status, got.body)
	}
	genuine := fixtureErrors(t)
	genuine["REFRESH_TOKEN_NOT_FOUND_OR_EXPIRED"][0].check(t, s.do(t, http.MethodPost, refreshPath, "", refresh...))
	genuine["USER_AUTHENTICATION_REQUIRED"][0].check(t, s.do(t, http.MethodDelete, signOutPath, "", client...))
	if got := s.get(t, mePath, s.serverAccess(session.AccessToken)...); got.status != http.StatusOK {
		t.Errorf("the access token died with its session, unlike upstream: %d", got.status)
	}
}

func TestStackPasswordSignIn(t *testing.T) {
	s := serve(t, Options{})
	user, _ := signIn(t, s)
	const path = "/api/v1/auth/password/sign-in"
	access := []string{"x-stack-access-type", "server", "x-stack-project-id", s.ProjectID(), "x-stack-secret-server-key", s.ServerKey()}
	got := s.do(t, http.MethodPost, path, `{"email":"ada@example.org","password":"correct"}`, access...)
	if names := memberNames(t, []byte(got.body)); got.status != http.StatusOK || !slices.Equal(names, []string{"access_token", "refresh_token", "user_id"}) ||
		!strings.Contains(got.body, user.ID) {
		t.Errorf("%d %v", got.status, names)
	}
	if got := s.do(t, http.MethodPost, path, `{"email":"ada@example.org","password":""}`, access...); got.header.Get("X-Stack-Known-Error") != "EMAIL_PASSWORD_MISMATCH" {
		t.Errorf("no password: %d %s", got.status, got.body)
	}
	fixtureErrors(t)["BODY_PARSING_ERROR"][0].check(t, s.do(t, http.MethodPost, path, `{`, access...))
}
