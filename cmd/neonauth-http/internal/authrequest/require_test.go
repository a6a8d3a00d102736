package authrequest

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/client/httpauth"
	"github.com/neonauthd/neonauthd/internal/httpauthtest"
	"github.com/neonauthd/neonauthd/protocol"
)

func TestRequirementsSayWhatTheyMean(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]requirement{
		"":                   {level: client.LevelClaims},
		"level=claims":       {level: client.LevelClaims},
		"level=profile":      {level: client.LevelProfile},
		"level=pro%66ile":    {level: client.LevelProfile},
		"project=shop.eu":    {level: client.LevelClaims, project: "shop.eu"},
		"require=team:a%3Ab": {level: client.LevelClaims, user: httpauth.Requirements{Team: "a:b"}},
		"require=team:a&require=team:a&require=email-verified":     {level: client.LevelClaims, user: httpauth.Requirements{Team: "a", EmailVerified: true}},
		"require=scope:read&require=scope:a%3Ab":                   {level: client.LevelClaims, user: httpauth.Requirements{Scopes: []string{"read", "a:b"}}},
		"allow=machine&allow=team":                                 {level: client.LevelClaims, user: httpauth.Requirements{Kinds: []client.Kind{client.KindNormal, client.KindMachine, client.KindTeam}}},
		"allow=restricted&allow=anonymous":                         {level: client.LevelClaims, user: httpauth.Requirements{Kinds: []client.Kind{client.KindNormal, client.KindRestricted, client.KindAnonymous}}},
		"heard=1":                                                  {level: client.LevelClaims, heard: time.Second},
		"level=profile&heard=86400&max-age=5":                      {level: client.LevelProfile, live: true, maxAge: 5 * time.Second, heard: 24 * time.Hour},
		"max-age=0&level=profile":                                  {level: client.LevelProfile, live: true},
		"level=profile&max-age=86400&allow=restricted&project=x_1": {level: client.LevelProfile, live: true, maxAge: 24 * time.Hour, project: "x_1", user: httpauth.Requirements{Kinds: []client.Kind{client.KindNormal, client.KindRestricted}}},
	} {
		got, err := parseRequirement(query)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v and %v, want %+v", query, got, err, want)
		}
	}
}

func TestWhatIsNotUnderstoodIsRefused(t *testing.T) {
	t.Parallel()
	for _, query := range []string{
		"&", "=", "level", "level=", "level=Profile", "level=claims&", "&level=claims", "level=claims&level=claims", "level=claims;max-age=1",
		"Level=claims", "lev%65l=claims", "requires=email-verified", "require=", "require=email", "require=team:", "require=team", "require=Team:x",
		"require=team:a&require=team:b", "require=scope:", "require=scope", "require=scope:a%20b", "require=scope:a%22", "require=scope:" + strings.Repeat("x", 129), "allow=", "allow=all", "allow=restricted,anonymous", "max-age=5", "max-age=5&level=claims",
		"level=profile&max-age=", "level=profile&max-age=-1", "level=profile&max-age=05", "level=profile&max-age=86401", "level=profile&max-age=1s",
		"level=profile&max-age=+5", "heard=", "heard=0", "heard=05", "heard=86401", "heard=1s", "heard=-1", "heard=5&heard=5", "project=", "project=a%20b", "project=a:b", "project=a%0ab", "project=" + strings.Repeat("x", 33), "project=a&project=b",
		"level=%zz", "level=claims#x", "x=" + strings.Repeat("secret", 100), "deadline=5", "fallback=claims",
		"token-from=", "token-from=bearer", "token-from=Authorization", "token-from=authorization,sdk-header", "token-from=header:", "token-from=header:a%20b", "token-from=cookie:secret%3b",
		"token-from=header:Authorization", "token-from=header:Cookie", "token-from=authorization&token-from=secret", "token_from=authorization",
		"token-from=authorization" + strings.Repeat("&token-from=authorization", maxPlaces),
	} {
		got, err := parseRequirement(query)
		if err == nil {
			t.Errorf("%q is taken for %+v", query, got)
		} else if strings.Contains(err.Error(), "secret") || len(err.Error()) > 200 {
			t.Errorf("%q: the error says too much: %v", query, err)
		}
	}
}

// TestKindsAreLetInWhereALocationNamesThem: a user whose kind is not known, because a
// flag cannot be read, does not count as a normal user.
func TestKindsAreLetInWhereALocationNamesThem(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]map[client.Kind]bool{
		"":                                 {client.KindNormal: true},
		"allow=restricted":                 {client.KindNormal: true, client.KindRestricted: true},
		"allow=anonymous":                  {client.KindNormal: true, client.KindAnonymous: true},
		"allow=anonymous&allow=restricted": {client.KindNormal: true, client.KindRestricted: true, client.KindAnonymous: true, client.KindUnknown: true},
	} {
		r, err := parseRequirement(query)
		if err != nil {
			t.Fatal(err)
		}
		for kind := client.KindUnknown; kind <= client.KindAnonymous; kind++ {
			if reason := r.user.Unmet(client.User{Kind: kind}); (reason == "") != want[kind] || reason != "" && reason != string(protocol.ReasonClassNotAllowed) {
				t.Errorf("%q and kind %q: %q", query, kind, reason)
			}
		}
	}
}

// TestSharedUsers plays the cases that the clients of all languages play too.
func TestSharedUsers(t *testing.T) {
	t.Parallel()
	httpauthtest.PlayUsers(t, "../../../../client/testdata/user/cases.json", func(t *testing.T, asks *client.Client, token string, c httpauthtest.UserCase) {
		set, err := (&file{Tokens: &[]string{"header:X-Token"}}).settings()
		if err != nil {
			t.Fatal(err)
		}
		s := New("dev", asks, set, slog.New(slog.DiscardHandler), time.Now)
		ask := func(more string) *httptest.ResponseRecorder {
			r := httptest.NewRequest(http.MethodGet, "/nginx?allow=restricted&allow=anonymous&allow=machine&allow=team&level="+c.Level+more, http.NoBody)
			r.Header.Set("X-Token", token)
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			return w
		}
		w := ask("")
		if w.Code != http.StatusNoContent {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		for _, scope := range []string{"read", "admin"} {
			scopes, _ := c.User["scopes"].([]any)
			if got := ask("&require=scope:"+scope).Code == http.StatusNoContent; got != slices.Contains(scopes, any(scope)) {
				t.Errorf("let in with scope %s: %t, and the user has %v", scope, got, scopes)
			}
		}
		for field, member := range map[string]string{
			"User-Id": "id", "Email": "email", "Email-Verified": "emailVerified", "Name": "name", "Team-Id": "teamId", "Session-Id": "sessionId",
		} {
			want := ""
			if value := c.User[member]; value != nil {
				want = fmt.Sprint(value)
			}
			if got, err := url.PathUnescape(w.Header().Get("X-Auth-" + field)); err != nil || got != want {
				t.Errorf("%s is %q (%v), want %q", field, got, err, want)
			}
		}
	})
}

// TestTheDaemonIsAskedForWhatTheLocationAsks, as far as the daemon decides it.
func TestTheDaemonIsAskedForWhatTheLocationAsks(t *testing.T) {
	t.Parallel()
	for query, want := range map[string][]client.Option{
		"": nil,
		"require=email-verified&require=scope:read&allow=machine": nil,
		"heard=5": {client.Heard(5 * time.Second)},
		"level=profile&max-age=0&project=shop&heard=1": {client.WithProject("shop"), client.MaxAge(0), client.Heard(time.Second)},
	} {
		r, err := parseRequirement(query)
		if got := r.options(); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v (error: %v)", query, got, err)
		}
	}
}
