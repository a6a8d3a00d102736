package authrequest

import (
	"cmp"
	"log/slog"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/client/httpauth"
	"github.com/neonauthd/neonauthd/internal/httpauthtest"
)

// TestSharedCases plays the cases that the guards of all languages play too,
// as each web server asks.
func TestSharedCases(t *testing.T) {
	t.Parallel()
	for _, d := range dialects() {
		start := func(t *testing.T, asks *client.Client, c httpauthtest.Case) http.Handler {
			names := []string{}
			for _, p := range httpauth.Headers() {
				names = append(names, string(p))
			}
			names = append(names, c.Places...)
			f := &file{Realm: c.Realm, Tokens: &names}
			if c.Resource != "" {
				f.Resources = []resourceTable{{Resource: c.Resource, Servers: []string{httpauthtest.Server}}}
			}
			set, err := f.settings()
			if err != nil {
				t.Fatal(err)
			}
			wish := "level=claims"
			if c.Profile {
				wish = "level=profile"
			}
			for _, kind := range c.Kinds {
				if kind != client.KindNormal.String() { // normal users may always come in
					wish += "&allow=" + kind
				}
			}
			if c.EmailVerified {
				wish += "&require=email-verified"
			}
			if c.Team != "" {
				wish += "&require=team:" + c.Team
			}
			for _, scope := range c.Scopes {
				wish += "&require=scope:" + url.QueryEscape(scope)
			}
			s := New("dev", asks, set, slog.New(slog.DiscardHandler), time.Now)
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r.URL.Path, r.URL.RawQuery = "/"+d.name, wish
				r.Header.Set(wishHeader, wish)
				s.ServeHTTP(w, r)
			})
		}
		t.Run(d.name, func(t *testing.T) {
			for _, file := range []string{"cases.json", "requirements.json"} {
				httpauthtest.Play(t, "../../../../client/testdata/httpauth/"+file, start, func(got *http.Response) string {
					if got.StatusCode != d.allowed {
						return ""
					}
					return cmp.Or(got.Header.Get("X-Auth-User-Id"), got.Header.Get("X-Auth-Team-Id"))
				})
			}
		})
	}
}

// The default is where the SDKs put tokens; a list in the configuration
// replaces it.
func TestTokensAreLookedForWhereTheConfigurationSays(t *testing.T) {
	t.Parallel()
	h := http.Header{"Authorization": {"Bearer auth"}, "Cookie": {"__Secure-neon-auth.session_token=session"}}
	for name, test := range map[string]struct {
		tokens *[]string
		want   httpauth.Fault
		token  string
	}{
		"default":     {nil, httpauth.FaultTwoTokens, ""},
		"cookie only": {&[]string{"cookie:__Secure-neon-auth.session_token"}, "", "session"},
		"header only": {&[]string{"authorization"}, "", "auth"},
	} {
		s, err := search(test.tokens)
		if err != nil {
			t.Fatal(err)
		}
		found := s.Find(h, client.LevelProfile)
		if found.Fault != test.want || test.token != "" && (len(found.Tokens) != 1 || found.Tokens[0] != test.token) {
			t.Errorf("%s: %+v", name, found)
		}
	}
}
