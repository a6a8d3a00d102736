package clienttest_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/client/clienttest"
	"github.com/neonauthd/neonauthd/client/middleware"
	"github.com/neonauthd/neonauthd/protocol"
)

// whole returns a user with every field set.
func whole() client.User {
	return client.User{
		ID: "ada", Email: "ada@example.org", EmailVerified: client.FlagTrue, Name: "Ada \u2603", ImageURL: "https://example.org/ada.png",
		TeamID: "team-1", SessionID: "session-1", Kind: client.KindNormal,
	}
}

func TestAUserComesBackAtEitherLevel(t *testing.T) {
	users := []client.User{whole(), {ID: "nobody else is known", Kind: client.KindNormal}, {ID: "u", Kind: client.KindMachine, Scopes: client.Scopes{"read", "write:all"}}}
	for _, kind := range []client.Kind{client.KindNormal, client.KindRestricted, client.KindAnonymous, client.KindMachine} {
		users = append(users, client.User{ID: "u", EmailVerified: client.FlagFalse, Kind: kind})
	}
	users = append(users, client.User{TeamID: "team-1", Kind: client.KindTeam})
	for _, want := range users {
		subject := cmp.Or(want.ID, want.TeamID)
		fake := new(clienttest.Fake)
		fake.Accept("token", want)
		for level, answer := range map[client.Level]client.Answer{
			client.LevelClaims: fake.Verify(t.Context(), "token"), client.LevelProfile: fake.Profile(t.Context(), "token"),
		} {
			a, ok := answer.(client.Accepted)
			if !ok || !reflect.DeepEqual(a.User(), want) || a.Level != level || a.Subject != subject || a.Project == "" || a.TTL != clienttest.TTL || !a.Expires.Equal(clienttest.Expires()) {
				t.Errorf("%s of %+v: %#v with %s", level, want, answer, a.JSON)
			}
			if a.Claims() == nil {
				t.Errorf("%s has no claims", level)
			}
		}
	}
}

func TestAUserWithoutAKindIsANormalOne(t *testing.T) {
	fake := new(clienttest.Fake)
	fake.Accept("token", client.User{ID: "ada"})
	if a := fake.Verify(t.Context(), "token").(client.Accepted); a.User().Kind != client.KindNormal {
		t.Errorf("it is %v", a.User())
	}
}

func TestEachQuestionHasTheAnswerThatTheTestSays(t *testing.T) {
	fake := new(clienttest.Fake)
	fake.Accept("ada", whole())
	fake.Reject("old", protocol.ReasonExpired)
	fake.Unknown("outage", protocol.CodeUnavailable)
	fake.Answer("own", client.Unknown{Code: protocol.CodeBusy, RetryAfter: clienttest.TTL})
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, test := range []struct {
		ctx   context.Context
		token string
		want  string
	}{
		{t.Context(), "ada", "accepted"},
		{t.Context(), "old", "rejected: expired"},
		{t.Context(), "outage", "unknown: neonauthd: daemon answers unavailable"},
		{t.Context(), "own", "unknown"},
		{t.Context(), "another", "unknown: clienttest: the test says nothing about this token"},
		{t.Context(), "", "rejected: malformed"},
		{t.Context(), "a b", "rejected: malformed"},
		{t.Context(), strings.Repeat("x", protocol.MaxToken+1), "rejected: malformed"},
		{gone, "ada", "unknown: neonauthd: given up by the caller: context canceled"},
	} {
		for _, ask := range []func(context.Context, string, ...client.Option) client.Answer{fake.Verify, fake.Profile} {
			if got := ask(test.ctx, test.token).String(); !strings.HasPrefix(got, test.want) {
				t.Errorf("about %.20q it says %q, want %q", test.token, got, test.want)
			}
		}
	}
	if got := fake.Verify(t.Context(), "ada", client.WithProject("")).String(); !strings.HasPrefix(got, "unknown: clienttest: a client refuses client.WithProject") {
		t.Errorf("of a project without a name it says %q", got)
	}
	if u := fake.Verify(gone, "ada").(client.Unknown); !errors.Is(u.Err, context.Canceled) {
		t.Errorf("the cause is %v", u.Err)
	}
	fake.Reject("ada", protocol.ReasonRevoked)
	if got := fake.Verify(t.Context(), "ada").String(); got != "rejected: revoked" {
		t.Errorf("what was said last does not count: %s", got)
	}
}

func TestASessionCredentialHasAProfileAndNoClaims(t *testing.T) {
	const session = "q0Wm-5_x.AA%2Bb%3D"
	fake := new(clienttest.Fake)
	for _, kind := range []client.Kind{client.KindNormal, client.KindAnonymous} {
		want := client.User{ID: "u", Email: "ada@example.org", EmailVerified: client.FlagTrue, ImageURL: "https://example.org/ada.png", Kind: kind}
		fake.Accept(session, want)
		a, ok := fake.Profile(t.Context(), session).(client.Accepted)
		var profile client.NeonProfile
		if err := json.Unmarshal(a.JSON, &profile); err != nil || !profile.EmailVerified || profile.IsAnonymous != (kind == client.KindAnonymous) {
			t.Errorf("the profile is %s: %v", a.JSON, err)
		}
		if !ok || !reflect.DeepEqual(a.User(), want) || a.Level != client.LevelProfile || a.Claims() != nil {
			t.Errorf("%+v: %#v with %s", want, a, a.JSON)
		}
	}
	fake.Reject("a.b+c=", protocol.ReasonRejectedUpstream)
	fake.Unknown("a.b/c=", protocol.CodeUnavailable)
	for token, want := range map[string]string{
		session: "accepted", "a.b+c=": "rejected: rejected-upstream", "a.b/c=": "unknown: neonauthd: daemon answers unavailable",
		"a.c%3D": "unknown: clienttest: the test says nothing", "max-age=": "rejected: malformed",
	} {
		if got := fake.Profile(t.Context(), token).String(); !strings.HasPrefix(got, want) {
			t.Errorf("the profile of %s: %s, want %s", token, got, want)
		}
		if token == session {
			want = "unknown: neonauthd: daemon answers needs-profile"
		}
		if got := fake.Verify(t.Context(), token).String(); !strings.HasPrefix(got, want) {
			t.Errorf("the claims of %s: %s, want %s", token, got, want)
		}
	}
	if u, ok := fake.Verify(t.Context(), session).(client.Unknown); !ok || u.Code != protocol.CodeNeedsProfile {
		t.Errorf("the claims of a session: %#v", u)
	}
}

func TestWhatIsAskedIsCounted(t *testing.T) {
	fake := new(clienttest.Fake)
	fake.Accept("ada", whole())
	fake.Verify(t.Context(), "ada")
	fake.Profile(t.Context(), "ada", client.MaxAge(0))
	fake.Verify(t.Context(), "a b")
	asked := fake.Asked()
	if len(asked) != 3 || asked[0].Token != "ada" || asked[0].Level != client.LevelClaims || asked[1].Level != client.LevelProfile || asked[2].Token != "a b" {
		t.Fatalf("asked %+v", asked)
	}
	if !slices.Contains(asked[1].Options, client.MaxAge(0)) || slices.Contains(asked[0].Options, client.MaxAge(0)) {
		t.Errorf("options are %+v and %+v", asked[0].Options, asked[1].Options)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { fake.Verify(t.Context(), "ada"); fake.Accept("ada", whole()) })
	}
	all.Wait()
	if n := len(fake.Asked()); n != 11 {
		t.Errorf("counted %d", n)
	}
}

func TestAnOptionThatADaemonRefusesIsUnknown(t *testing.T) {
	fake := new(clienttest.Fake)
	fake.Accept("ada", whole())
	for _, option := range []client.Option{client.Heard(0), client.Heard(time.Second - 1)} {
		for _, answer := range []client.Answer{fake.Verify(t.Context(), "ada", option), fake.Profile(t.Context(), "ada", option)} {
			if a, ok := answer.(client.Unknown); !ok || a.Code != protocol.CodeBadRequest {
				t.Errorf("got %v", answer)
			}
		}
	}
	if _, ok := fake.Verify(t.Context(), "ada", client.Heard(time.Second)).(client.Accepted); !ok {
		t.Error("a second is not enough")
	}
}

func TestWhatCouldNotBeTrueIsAFaultOfTheTest(t *testing.T) {
	for name, do := range map[string]func(*clienttest.Fake){
		"a user without an ID":        func(f *clienttest.Fake) { f.Accept("ada", client.User{}) },
		"two scopes for one":          func(f *clienttest.Fake) { f.Accept("ada", client.User{ID: "ada", Scopes: client.Scopes{"a b"}}) },
		"a token with a blank":        func(f *clienttest.Fake) { f.Accept("Bearer ada", whole()) },
		"an empty token":              func(f *clienttest.Fake) { f.Reject("", protocol.ReasonExpired) },
		"a token that is a list":      func(f *clienttest.Fake) { f.Unknown("a,b", protocol.CodeBusy) },
		"a token longer than any are": func(f *clienttest.Fake) { f.Answer(strings.Repeat("x", protocol.MaxToken+1), client.Rejected{}) },
		"a reason that there is not":  func(f *clienttest.Fake) { f.Reject("ada", "expird") },
		"a code that there is not":    func(f *clienttest.Fake) { f.Unknown("ada", "unavailabel") },
		"what reads as a field":       func(f *clienttest.Fake) { f.Reject("max-age=", protocol.ReasonExpired) },
		"a session with a team":       func(f *clienttest.Fake) { f.Accept("a.b=", client.User{ID: "ada", TeamID: "t"}) },
		"a session with its id":       func(f *clienttest.Fake) { f.Accept("a.b=", client.User{ID: "ada", SessionID: "s"}) },
		"a session with scopes":       func(f *clienttest.Fake) { f.Accept("a.b=", client.User{ID: "ada", Scopes: client.Scopes{"read"}}) },
		"a session of a machine":      func(f *clienttest.Fake) { f.Accept("a.b=", client.User{ID: "ada", Kind: client.KindMachine}) },
		"a session with restrictions": func(f *clienttest.Fake) { f.Accept("a.b=", client.User{ID: "ada", Kind: client.KindRestricted}) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("it was taken")
				}
			}()
			do(new(clienttest.Fake))
		})
	}
	new(clienttest.Fake).Accept(strings.Repeat("x", protocol.MaxToken), whole())
}

// A guard asks a Fake as it asks a client.
func TestAGuardAsksAFake(t *testing.T) {
	fake := new(clienttest.Fake)
	fake.Accept("ada", whole())
	fake.Reject("old", protocol.ReasonExpired)
	fake.Unknown("outage", protocol.CodeUnavailable)
	guard := &middleware.Guard{Client: fake, OnUnknown: func(*http.Request, client.Unknown) {}}
	handler := guard.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for token, status := range map[string]int{"ada": 200, "old": 401, "outage": 503} {
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != status {
			t.Errorf("%s gets %d, want %d", token, w.Code, status)
		}
	}
	if n := len(fake.Asked()); n != 3 {
		t.Errorf("asked %d times", n)
	}
}
