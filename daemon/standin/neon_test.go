package standin

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

const sessionPath = "/neondb/auth/get-session"

// authoritative asks not to extend the session.
const authoritative = sessionPath + "?disableCookieCache=true&disableRefresh=true"

func cookieHeader(value string) []string {
	return []string{"Cookie", neonCookieName + "=" + url.QueryEscape(value)}
}

type fixtureAnswer struct {
	Name      string
	Status    int
	Headers   map[string]string
	SetCookie []string `json:"set_cookie"`
	Body      string
}

func neonAnswers(t *testing.T) map[string]fixtureAnswer {
	t.Helper()
	var file struct{ Answers []fixtureAnswer }
	load(t, "neon/get-session.json", &file)
	answers := map[string]fixtureAnswer{}
	for _, a := range file.Answers {
		answers[a.Name] = a
	}
	return answers
}

// check compares status, header names, cookies and, where exact, the body.
func (want fixtureAnswer) check(t *testing.T, got reply, exact bool) {
	t.Helper()
	if got.status != want.Status {
		t.Errorf("%s: status %d, want %d", want.Name, got.status, want.Status)
	}
	if exact && got.body != want.Body {
		t.Errorf("%s: body %q, want %q", want.Name, got.body, want.Body)
	}
	for name, value := range want.Headers {
		have := got.header.Get(name)
		if name == "set-auth-jwt" {
			if strings.Count(have, ".") != 2 {
				t.Errorf("%s: no token in set-auth-jwt", want.Name)
			}
		} else if have != value {
			t.Errorf("%s: header %s is %q, want %q", want.Name, name, have, value)
		}
	}
	if _, wanted := want.Headers["set-auth-jwt"]; !wanted && got.header.Get("set-auth-jwt") != "" {
		t.Errorf("%s: unwanted set-auth-jwt", want.Name)
	}
	if have := got.header.Values("Set-Cookie"); !slices.Equal(have, want.SetCookie) && len(have)+len(want.SetCookie) > 0 {
		t.Errorf("%s: cookies %q, want %q", want.Name, have, want.SetCookie)
	}
}

func signIn(t *testing.T, s *served) (User, Session) {
	t.Helper()
	user := s.AddUser(User{Email: "ada@example.org", Name: "Ada Example", ImageURL: "https://example.org/ada.png", Password: "correct"})
	session, err := s.SignIn(user.Email)
	if err != nil {
		t.Fatal(err)
	}
	return user, session
}

func TestGetSessionAnswersAsTheGenuineOne(t *testing.T) {
	want := neonAnswers(t)
	s := serve(t, Options{})
	user, session := signIn(t, s)

	got := s.get(t, authoritative, cookieHeader(session.NeonCookie)...)
	want["valid"].check(t, got, false)
	if have, genuine := memberNames(t, []byte(got.body)), memberNames(t, []byte(want["valid"].Body)); !slices.Equal(have, genuine) {
		t.Errorf("members %v, want %v", have, genuine)
	}
	var body struct {
		Session struct{ UserID, ExpiresAt string }
		User    struct{ ID string }
	}
	if err := json.Unmarshal([]byte(got.body), &body); err != nil || body.User.ID != user.ID || body.Session.UserID != user.ID || body.Session.ExpiresAt != "2026-06-08T00:00:00.000Z" {
		t.Errorf("%v: %+v", err, body)
	}

	want["absent"].check(t, s.get(t, authoritative), true)
	want["unknown"].check(t, s.get(t, authoritative, cookieHeader(session.NeonCookie+"x")...), true)
	want["unknown"].check(t, s.get(t, authoritative, cookieHeader("invented.c2lnbmF0dXJl")...), true)
	want["token-absent"].check(t, s.get(t, "/neondb/auth/token"), true)
	want["wrong-method"].check(t, s.do(t, http.MethodPost, sessionPath, ""), true)
	if !s.RevokeSession(session.SessionID) || s.RevokeSession(session.SessionID) {
		t.Error("a session ends once")
	}
	want["signed-out"].check(t, s.get(t, authoritative, cookieHeader(session.NeonCookie)...), true)
}

func TestExpiredSessionYieldsNullAndOneLastToken(t *testing.T) {
	want := neonAnswers(t)
	s := serve(t, Options{})
	_, session := signIn(t, s)
	s.clock.Advance(neonSessionLifetime)
	want["session-expired"].check(t, s.get(t, authoritative, cookieHeader(session.NeonCookie)...), true)
	want["signed-out"].check(t, s.get(t, authoritative, cookieHeader(session.NeonCookie)...), true)
}

func TestSessionsSlideUnlessAskedNotTo(t *testing.T) {
	s := serve(t, Options{})
	_, session := signIn(t, s)
	s.clock.Advance(4 * 24 * time.Hour)
	cookie := cookieHeader(session.NeonCookie)
	if got := s.get(t, authoritative, cookie...); !strings.Contains(got.body, `"expiresAt":"2026-06-08`) || got.header.Get("Set-Cookie") != "" {
		t.Errorf("an authoritative read extended the session: %s", got.body)
	}
	got := s.get(t, sessionPath, cookie...)
	if !strings.Contains(got.body, `"expiresAt":"2026-06-12`) || !strings.HasPrefix(got.header.Get("Set-Cookie"), cookie[1]+";") {
		t.Errorf("not extended: %s %s", got.header.Get("Set-Cookie"), got.body)
	}
}

func TestNeonTokensHaveTheGenuineClaims(t *testing.T) {
	var tokens []struct{ Name, Token string }
	load(t, "neon/tokens.json", &tokens)
	i := slices.IndexFunc(tokens, func(c struct{ Name, Token string }) bool { return c.Name == "normal" })
	if i < 0 {
		t.Fatal("no genuine token")
	}
	genuine := memberNames(t, payload(t, tokens[i].Token))
	s := serve(t, Options{})
	user, session := signIn(t, s)
	if have := memberNames(t, payload(t, session.NeonToken)); !slices.Equal(have, genuine) {
		t.Errorf("claims %v, want %v", have, genuine)
	}
	var claims struct {
		Iss, Aud, Sub, Role string
		Iat, Exp            int64
	}
	if err := json.Unmarshal(payload(t, session.NeonToken), &claims); err != nil {
		t.Fatal(err)
	}
	if claims.Iss != s.BaseURL() || claims.Aud != s.BaseURL() || claims.Sub != user.ID || claims.Role != "authenticated" || claims.Exp-claims.Iat != 900 {
		t.Errorf("%+v", claims)
	}
	got := s.get(t, "/neondb/auth/token", cookieHeader(session.NeonCookie)...)
	if names := memberNames(t, []byte(got.body)); got.status != http.StatusOK || !slices.Equal(names, []string{"token"}) {
		t.Errorf("status %d: %v", got.status, names)
	}
}

func TestNeonSignInAndOut(t *testing.T) {
	s := serve(t, Options{})
	user, _ := signIn(t, s)
	const signInPath, signOutPath = "/neondb/auth/sign-in/email", "/neondb/auth/sign-out"
	if got := s.do(t, http.MethodPost, signInPath, `{"email":"ada@example.org","password":"wrong"}`); got.status != http.StatusUnauthorized {
		t.Errorf("wrong password: %d", got.status)
	}
	if got := s.do(t, http.MethodPost, signInPath, `{"email":`); got.status != http.StatusBadRequest {
		t.Errorf("cut body: %d", got.status)
	}
	right := `{"email":"ADA@example.org","password":"correct"}`
	got := s.do(t, http.MethodPost, signInPath, right)
	cookie, _, _ := strings.Cut(got.header.Get("Set-Cookie"), ";")
	if got.status != http.StatusOK || cookie == "" {
		t.Fatalf("status %d, cookie %q", got.status, cookie)
	}
	if got := s.do(t, http.MethodPost, signOutPath, "", "Cookie", cookie); got.status != http.StatusForbidden {
		t.Errorf("signed out without an origin: %d", got.status)
	}
	if got := s.get(t, authoritative, "Cookie", cookie); got.body == "null" {
		t.Error("the session is gone before the sign-out")
	}
	if got := s.do(t, http.MethodPost, signOutPath, "", "Cookie", cookie, "Origin", s.BaseURL()); got.status != http.StatusOK {
		t.Errorf("sign-out: %d", got.status)
	}
	if got := s.get(t, authoritative, "Cookie", cookie); got.body != "null" {
		t.Errorf("alive after the sign-out: %s", got.body)
	}
	s.Ban(user.ID, "")
	if got := s.do(t, http.MethodPost, signInPath, right); got.status != http.StatusForbidden || !strings.Contains(got.body, `"BANNED_USER"`) {
		t.Errorf("banned: %d %s", got.status, got.body)
	}
}

func TestBanAndDeletionEndSessions(t *testing.T) {
	for name, act := range map[string]func(*Standin, string) bool{
		"ban":    func(s *Standin, id string) bool { return s.Ban(id, "") },
		"delete": (*Standin).DeleteUser,
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, Options{})
			user, session := signIn(t, s)
			if !act(s.Standin, user.ID) {
				t.Fatal("no such user")
			}
			if got := s.get(t, authoritative, cookieHeader(session.NeonCookie)...); got.body != "null" {
				t.Errorf("still signed in: %s", got.body)
			}
			if _, err := s.SignIn(user.ID); err == nil {
				t.Error("signed in again")
			}
		})
	}
}
