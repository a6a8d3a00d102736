package main

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/client"
)

func TestRequirementsSayWhatTheyMean(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]requirement{
		"":                   {level: client.LevelClaims},
		"level=claims":       {level: client.LevelClaims},
		"level=profile":      {level: client.LevelProfile},
		"level=pro%66ile":    {level: client.LevelProfile},
		"project=shop.eu":    {level: client.LevelClaims, project: "shop.eu"},
		"require=team:a%3Ab": {level: client.LevelClaims, team: "a:b"},
		"require=team:a&require=team:a&require=email-verified":     {level: client.LevelClaims, team: "a", email: true},
		"allow=restricted&allow=anonymous":                         {level: client.LevelClaims, admit: restricted | anonymous},
		"max-age=0&level=profile":                                  {level: client.LevelProfile, live: true},
		"level=profile&max-age=86400&allow=restricted&project=x_1": {level: client.LevelProfile, live: true, maxAge: 24 * time.Hour, admit: restricted, project: "x_1"},
	} {
		got, err := parseRequirement(query)
		if err != nil || got != want {
			t.Errorf("%q: %+v and %v, want %+v", query, got, err, want)
		}
	}
}

func TestWhatIsNotUnderstoodIsRefused(t *testing.T) {
	t.Parallel()
	for _, query := range []string{
		"&", "=", "level", "level=", "level=Profile", "level=claims&", "&level=claims", "level=claims&level=claims", "level=claims;max-age=1",
		"Level=claims", "lev%65l=claims", "requires=email-verified", "require=", "require=email", "require=team:", "require=team", "require=Team:x",
		"require=team:a&require=team:b", "allow=", "allow=all", "allow=restricted,anonymous", "max-age=5", "max-age=5&level=claims",
		"level=profile&max-age=", "level=profile&max-age=-1", "level=profile&max-age=05", "level=profile&max-age=86401", "level=profile&max-age=1s",
		"level=profile&max-age=+5", "project=", "project=a%20b", "project=a%0ab", "project=" + strings.Repeat("x", 33), "project=a&project=b",
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

func TestUserIsReadFromEachPreset(t *testing.T) {
	t.Parallel()
	token := "x.eyJyZWZyZXNoX3Rva2VuX2lkIjoiczEifQ.y" // {"refresh_token_id":"s1"}
	for _, test := range []struct {
		name  string
		level client.Level
		json  string
		want  user
	}{
		{name: "stack claims", json: `{"sub":"u","email":"a@b","email_verified":true,"name":"A","selected_team_id":"t","refresh_token_id":"s","is_anonymous":false,"is_restricted":false,"aud":"p"}`,
			want: user{email: "a@b", emailVerified: yes, name: "A", team: "t", session: "s"}},
		{name: "nulls", json: `{"email":null,"email_verified":null,"name":null,"selected_team_id":null}`},
		{name: "former session", json: `{"refreshTokenId":"s"}`, want: user{session: "s"}},
		{name: "neon claims", json: `{"name":"A","email":"a@b","emailVerified":false,"o":{"slug":"x","id":"t","role":"owner"},"id":"u"}`,
			want: user{email: "a@b", emailVerified: no, name: "A", team: "t"}},
		{name: "openid claims", json: `{"email":"a@b","email_verified":true,"sid":"s"}`, want: user{email: "a@b", emailVerified: yes, session: "s"}},
		{name: "restricted", json: `{"is_restricted":true,"is_anonymous":false}`, want: user{class: restricted}},
		{name: "anonymous", json: `{"is_restricted":true,"is_anonymous":true}`, want: user{class: anonymous}},
		{name: "restricted by audience", json: `{"aud":"p:restricted"}`, want: user{class: restricted}},
		{name: "anonymous by audience", json: `{"aud":"p:anon"}`, want: user{class: anonymous}},
		{name: "names in capitals are others", json: `{"EMAIL":"a@b","Email_Verified":true,"IS_RESTRICTED":false}`},
		{name: "names in escapes are the same", json: `{"\u0065mail":"a\u0040b","email\u005fverified":true}`, want: user{email: "a@b", emailVerified: yes}},
		{name: "names inside are others", json: `{"x":{"email":"a@b","is_restricted":true},"y":["email"],"z":"\"email\":\"q\""}`},
		{name: "numbers are no texts", json: `{"email":7,"name":["x"],"email_verified":1}`},
		{name: "stack profile", level: client.LevelProfile, json: `{"id":"u","primary_email":"a@b","primary_email_verified":true,"display_name":"A","selected_team":{"id":"t","display_name":"T"},"is_restricted":false}`,
			want: user{email: "a@b", emailVerified: yes, name: "A", team: "t", session: "s1"}},
		{name: "another address verified", level: client.LevelProfile, json: `{"primary_email":"a@b","primary_email_verified":false,"email":"c@d","email_verified":true}`,
			want: user{email: "a@b", emailVerified: no, session: "s1"}},
		{name: "no address but a flag", level: client.LevelProfile, json: `{"primary_email":null,"primary_email_verified":false,"email":"c@d","emailVerified":true}`,
			want: user{emailVerified: no, session: "s1"}},
		{name: "neon profile", level: client.LevelProfile, json: `{"id":"u","email":"a@b","emailVerified":true,"name":"A"}`, want: user{email: "a@b", emailVerified: yes, name: "A", session: "s1"}},
	} {
		a := client.Accepted{Level: max(test.level, client.LevelClaims), Subject: "u", JSON: []byte(test.json)}
		test.want.id = "u"
		if got := userOf(&a, token); got != test.want {
			t.Errorf("%s: %+v, want %+v", test.name, got, test.want)
		}
	}
}

// TestClassIsKnownWhereTheProfileWithholdsIt: a location that admits ordinary
// users only must not let others in because a flag is withheld from this program.
func TestClassIsKnownWhereTheProfileWithholdsIt(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		claims, profile string
		want            class
	}{
		{`{"is_anonymous":true,"is_restricted":true}`, `{"id":"u"}`, anonymous},
		{`{"is_anonymous":true,"is_restricted":true}`, `{"id":"u","is_restricted":true}`, anonymous},
		{`{"is_restricted":true}`, `{"id":"u","is_anonymous":false}`, restricted},
		{`{"aud":"p:anon"}`, `{"id":"u"}`, anonymous},
		{`{"aud":"p:anon","is_anonymous":true}`, `{"id":"u","is_anonymous":false,"is_restricted":false}`, 0}, // signed up since
		{`{"aud":"p"}`, `{"id":"u","is_restricted":true}`, restricted},
		{`{"aud":"p"}`, `{"id":"u"}`, 0},
	} {
		a := client.Accepted{Level: client.LevelProfile, Subject: "u", JSON: []byte(test.profile)}
		token := "x." + base64.RawURLEncoding.EncodeToString([]byte(test.claims)) + ".y"
		if got := userOf(&a, token).class; got != test.want {
			t.Errorf("%s with %s: class %d, want %d", test.profile, test.claims, got, test.want)
		}
	}
}
