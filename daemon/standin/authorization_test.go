package standin

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin/authorize"
)

// oauth is a client that is registered, and the browser of a user.
type oauth struct {
	t       *testing.T
	server  *httptest.Server
	id      string
	session Session
}

const (
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636 appendix B
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	callback  = "http://127.0.0.1:1/callback"
)

func newOAuth(t *testing.T, s *Standin) *oauth {
	t.Helper()
	o := &oauth{t: t, server: httptest.NewServer(s)}
	t.Cleanup(o.server.Close)
	s.SetBaseURL(o.server.URL)
	user := s.AddUser(User{Name: "Ada", Email: "ada@example.org"})
	var err error
	if o.session, err = s.SignIn(user.ID); err != nil {
		t.Fatal(err)
	}
	status, answer := o.post("register", "application/json", `{"redirect_uris":["`+callback+`"],"client_name":"x"}`)
	if o.id, _ = answer["client_id"].(string); status != http.StatusCreated || len(o.id) != 32 {
		t.Fatalf("registered with %d %v", status, answer)
	}
	return o
}

func (o *oauth) post(path, kind, body string) (int, map[string]any) {
	o.t.Helper()
	response, err := o.server.Client().Post(o.server.URL+neonPath+"/oauth2/"+path, kind, strings.NewReader(body))
	if err != nil {
		o.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	var answer map[string]any
	if err != nil || json.Unmarshal(text, &answer) != nil {
		o.t.Fatalf("%v: %s", err, text)
	}
	return response.StatusCode, answer
}

// authorize returns what the browser brings back; change replaces parameters of a good
// request.
func (o *oauth) authorize(cookie string, change url.Values) url.Values {
	o.t.Helper()
	asked := url.Values{"response_type": {"code"}, "client_id": {o.id}, "redirect_uri": {callback}, "state": {"s"}, "scope": {"read offline_access"},
		"code_challenge": {challenge}, "code_challenge_method": {"S256"}, "resource": {"https://mcp.example.com/mcp"}}
	for name, values := range change {
		asked[name] = values
	}
	request, err := http.NewRequest(http.MethodGet, o.server.URL+neonPath+"/oauth2/authorize?"+asked.Encode(), http.NoBody)
	if err != nil {
		o.t.Fatal(err)
	}
	request.Header.Set("Cookie", neonCookieName+"="+url.QueryEscape(cookie))
	response, err := o.server.Client().Transport.RoundTrip(request)
	if err != nil {
		o.t.Fatal(err)
	}
	defer response.Body.Close()
	back, err := response.Location()
	if err != nil {
		return url.Values{"status": {response.Status}}
	}
	return back.Query()
}

func (o *oauth) exchange(change url.Values) (int, map[string]any) {
	o.t.Helper()
	asked := url.Values{"grant_type": {"authorization_code"}, "client_id": {o.id}, "redirect_uri": {callback}, "code_verifier": {verifier}}
	for name, values := range change {
		asked[name] = values
	}
	return o.post("token", "application/x-www-form-urlencoded", asked.Encode())
}

func TestABrowserBringsACodeOrWhyThereIsNone(t *testing.T) {
	o := newOAuth(t, New(Options{}))
	for _, test := range []struct {
		name   string
		cookie string
		change url.Values
		want   string // the error; "": a code
	}{
		{"signed in", o.session.NeonCookie, nil, ""},
		{"not signed in", "", nil, "login_required"},
		{"no PKCE", o.session.NeonCookie, url.Values{"code_challenge": nil}, "invalid_request"},
		{"plain PKCE", o.session.NeonCookie, url.Values{"code_challenge_method": {"plain"}}, "invalid_request"},
		{"no code wanted", o.session.NeonCookie, url.Values{"response_type": {"token"}}, "unsupported_response_type"},
	} {
		back := o.authorize(test.cookie, test.change)
		if back.Get("error") != test.want || (back.Get("code") == "") != (test.want != "") || back.Get("state") != "s" || back.Get("iss") != o.server.URL {
			t.Errorf("%s: %v", test.name, back)
		}
	}
	for name, change := range map[string]url.Values{"another client": {"client_id": {"x"}}, "another address": {"redirect_uri": {callback + "/x"}}} {
		if back := o.authorize(o.session.NeonCookie, change); back.Get("status") == "" {
			t.Errorf("%s: sent back with %v", name, back)
		}
	}
}

func TestACodeIsGoodForOneToken(t *testing.T) {
	now := time.Now()
	s := New(Options{Now: func() time.Time { return now }})
	o := newOAuth(t, s)
	code := func() url.Values { return url.Values{"code": o.authorize(o.session.NeonCookie, nil)["code"]} }
	with := func(v url.Values, name, value string) url.Values { v.Set(name, value); return v }
	for name, change := range map[string]url.Values{
		"no code": {}, "a verifier of somebody else": with(code(), "code_verifier", "x"), "another client": with(code(), "client_id", "x"),
		"another address": with(code(), "redirect_uri", callback+"/x"),
	} {
		if status, answer := o.exchange(change); status != http.StatusBadRequest || answer["error"] != "invalid_grant" {
			t.Errorf("%s: %d %v", name, status, answer)
		}
	}
	good := code()
	status, answer := o.exchange(good)
	if status != http.StatusOK || answer["token_type"] != "Bearer" || answer["expires_in"] != 3600.0 || strings.Count(answer["access_token"].(string), ".") != 2 {
		t.Errorf("%d %v", status, answer)
	}
	if status, _ := o.exchange(good); status != http.StatusBadRequest {
		t.Errorf("a second time: %d", status)
	}
	late := code()
	now = now.Add(authorize.CodeLifetime)
	if status, _ := o.exchange(late); status != http.StatusBadRequest {
		t.Errorf("too late: %d", status)
	}
}

// TestARefreshTokenOutlivesItsSession, as in the genuine server, and ends with its user.
func TestARefreshTokenOutlivesItsSession(t *testing.T) {
	s := New(Options{})
	o := newOAuth(t, s)
	_, answer := o.exchange(url.Values{"code": o.authorize(o.session.NeonCookie, nil)["code"]})
	refresh := func() int {
		token, _ := answer["refresh_token"].(string)
		var status int
		status, answer = o.exchange(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
		return status
	}
	if status := refresh(); status != http.StatusOK {
		t.Fatalf("%d %v", status, answer)
	}
	s.RevokeSession(o.session.SessionID)
	if status := refresh(); status != http.StatusOK {
		t.Errorf("after the end of the session: %d %v", status, answer)
	}
	s.DeleteUser(o.session.UserID)
	if status := refresh(); status != http.StatusBadRequest || answer["error_description"] != "user not found" {
		t.Errorf("after the end of the user: %d %v", status, answer)
	}
}
