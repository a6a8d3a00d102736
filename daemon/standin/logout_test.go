package standin_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin"
)

// claimsOf is the payload of a token.
func claimsOf(t *testing.T, token string) (claims map[string]any) {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err == nil {
		err = json.Unmarshal(text, &claims)
	}
	if err != nil {
		t.Fatal(err)
	}
	return claims
}

// TestLogoutTokensAreSentAtSignOutBanAndDeletion, each once, and not if a session only
// expires. The session has ended whatever the receiver answers.
func TestLogoutTokensAreSentAtSignOutBanAndDeletion(t *testing.T) {
	var mu sync.Mutex
	var sent []string
	status := http.StatusOK
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || r.ParseForm() != nil || len(r.PostForm) != 1 || r.URL.Path != "/logout/members" {
			t.Errorf("%s %s: %v", r.Method, r.URL, r.PostForm)
		}
		sent = append(sent, r.PostForm.Get("logout_token"))
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
	}))
	defer receiver.Close()
	now := time.Now()
	s := standin.New(standin.Options{BaseURL: "http://issuer.example", Now: func() time.Time { return now }, LogoutAddress: receiver.URL + "/logout/members"})
	took := func(what string, sessions ...standin.Session) {
		t.Helper()
		mu.Lock()
		defer mu.Unlock()
		var got, want []string
		for _, token := range sent {
			c := claimsOf(t, token)
			got = append(got, c["sid"].(string))
			if c["iss"] != "http://issuer.example" || c["aud"] != s.Client() || c["exp"].(float64) != c["iat"].(float64)+120 || c["jti"] == "" || c["nonce"] != nil ||
				!slices.ContainsFunc(sessions, func(one standin.Session) bool { return one.SessionID == c["sid"] && one.UserID == c["sub"] }) {
				t.Errorf("%s: %v", what, c)
			}
		}
		for _, one := range sessions {
			want = append(want, one.SessionID)
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: sent %q, want %q", what, got, want)
		}
		sent = nil
	}
	signIn := func(user standin.User) standin.Session {
		session, err := s.SignIn(user.ID)
		if err != nil {
			t.Fatal(err)
		}
		return session
	}
	ada, bob := s.AddUser(standin.User{Name: "Ada"}), s.AddUser(standin.User{Name: "Bob"})
	one, two, three := signIn(ada), signIn(ada), signIn(bob)
	if !s.RevokeSession(one.SessionID) || s.RevokeSession(one.SessionID) {
		t.Error("the session does not end once")
	}
	took("sign-out", one)
	status = http.StatusFound
	s.Ban(ada.ID, "why")
	took("ban, and a redirect", two)
	status = http.StatusInternalServerError
	s.DeleteUser(bob.ID)
	took("deletion, and a failure", three)
	cleo := s.AddUser(standin.User{Name: "Cleo"})
	last := signIn(cleo)
	now = now.Add(30 * 24 * time.Hour)
	r := httptest.NewRequest(http.MethodGet, "/neondb/auth/get-session", nil)
	r.AddCookie(&http.Cookie{Name: "__Secure-neon-auth.session_token", Value: strings.NewReplacer("+", "%2B", "/", "%2F", "=", "%3D").Replace(last.NeonCookie)})
	s.ServeHTTP(httptest.NewRecorder(), r)
	if s.RevokeSession(last.SessionID) {
		t.Error("the session has not expired")
	}
	took("expiry")
	for body, status := range map[string]int{`{"address":"` + receiver.URL + `/logout/members"}`: 200, `{"address":""}`: 200, `{"address":"mailto:x"}`: 400} {
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "http://127.0.0.1/_standin/logouts", strings.NewReader(body))
		r.RemoteAddr = "127.0.0.1:1"
		s.ServeHTTP(w, r)
		if w.Code != status {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}
	s.SendLogouts("")
	s.RevokeSession(signIn(cleo).SessionID)
	took("nobody registered")
}
