package upstream

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/protocol"
)

func TestSessionCredentials(t *testing.T) {
	const signature = "H8Vyy16AgYCEuwo94O06OSEc7J5rWauCiyA12NkpFUc="
	mixed := "ab+/" + signature[4:]
	tests := []struct {
		credential, cookie string // empty: not a session credential
	}{
		{neonSession, "Aax3xEc6DKjW8qpKBJo2Oa5AHP7zTjmx.H8Vyy16AgYCEuwo94O06OSEc7J5rWauCiyA12NkpFUc%3D"},
		{"Aax3xEc6DKjW8qpKBJo2Oa5AHP7zTjmx.H8Vyy16AgYCEuwo94O06OSEc7J5rWauCiyA12NkpFUc%3D", "Aax3xEc6DKjW8qpKBJo2Oa5AHP7zTjmx.H8Vyy16AgYCEuwo94O06OSEc7J5rWauCiyA12NkpFUc%3D"},
		{"t-_9." + mixed, "t-_9.ab%2B%2F" + signature[4:43] + "%3D"},
		{"t-_9.ab%2B%2F" + signature[4:43] + "%3D", "t-_9.ab%2B%2F" + signature[4:43] + "%3D"},
		{"t-_9.ab%2b%2f" + signature[4:43] + "%3d", "t-_9.ab%2B%2F" + signature[4:43] + "%3D"},
		{"t-_9.ab%252B%252F" + signature[4:43] + "%253D", ""}, // encoded twice
		{token, ""},
		{"", ""},
		{".", ""},
		{"." + signature, ""},
		{"abc", ""},
		{"abc.", ""},
		{"abc." + signature[:43], ""},
		{"abc." + signature[:42] + "d=", ""}, // unused bits
		{"abc." + signature + "=", ""},
		{"abc." + signature[:20] + "\n" + signature[20:], ""},
		{"abc." + signature[:20] + "%0A" + signature[20:], ""},
		{"a;b." + signature, ""},
		{"a%3Bx=y." + signature, ""},
		{"a%0D%0Ab." + signature, ""},
		{"a%00." + signature, ""},
		{"a%zz." + signature, ""},
		{"é." + signature, ""},
		{"a.b." + signature, ""},
		{strings.Repeat("a", maxSessionToken) + "." + signature, strings.Repeat("a", maxSessionToken) + "." + signature[:43] + "%3D"},
		{strings.Repeat("a", maxSessionToken+1) + "." + signature, ""},
	}
	for _, test := range tests {
		s, ok := ParseSession([]byte(test.credential))
		if ok != (test.cookie != "") {
			t.Errorf("%q: taken for a session credential: %v", test.credential, ok)
		} else if ok && s.header().Get("Cookie") != sessionCookie+"="+test.cookie {
			t.Errorf("%q: %q", test.credential, s.header())
		}
	}
}

// TestSpellingsOfASessionAreTold checks that they are told from other
// credentials. Each spelling has its canonical form, its question to the
// upstream, and its session's token.
func TestSpellingsOfASessionAreTold(t *testing.T) {
	const raw, mac = "Aax3xEc6DKjW8qpKBJo2Oa5AHP7zTjmx", "H8Vyy16AgYCEuwo94O06OSEc7J5rWauCiyA12NkpFUc="
	encoded := raw + "." + mac[:43] + "%3D"
	for credential, want := range map[string]struct{ canonical, header string }{
		raw + "." + mac:                              {raw + "." + mac, "Cookie: " + sessionCookie + "=" + encoded},
		encoded:                                      {raw + "." + mac, "Cookie: " + sessionCookie + "=" + encoded},
		strings.ReplaceAll(encoded, ".", "%2e"):      {raw + "." + mac, "Cookie: " + sessionCookie + "=" + encoded},
		sessionCookie + "=" + encoded:                {raw + "." + mac, "Cookie: " + sessionCookie + "=" + encoded},
		sessionCookie + "=" + raw + "." + mac:        {raw + "." + mac, "Cookie: " + sessionCookie + "=" + encoded},
		"better-auth.session_token=" + encoded:       {"better-auth.session_token=" + raw + "." + mac, "Cookie: better-auth.session_token=" + encoded},
		"__Secure-neonauth.session_token=" + encoded: {"__Secure-neonauth.session_token=" + raw + "." + mac, "Cookie: __Secure-neonauth.session_token=" + encoded},
		raw:                       {raw, "Authorization: Bearer " + raw},
		"%41" + raw[1:]:           {raw, "Authorization: Bearer " + raw},
		sessionCookie + "=" + raw: {raw, "Authorization: Bearer " + raw},
		raw[:31]:                  {},
		raw[:31] + "-":            {},
		raw + ".":                 {},
		raw + "." + mac[:40]:      {},
		"other=" + encoded:        {},
		sessionCookie + "=" + sessionCookie + "=" + encoded: {},
		sessionCookie + "=":                 {},
		"session_token=" + encoded:          {},
		strings.Repeat("a", 513):            {},
		"x" + sessionCookie + "=" + encoded: {},
	} {
		s, ok := ParseSession([]byte(credential))
		if ok != (want.canonical != "") {
			t.Errorf("%q: taken for a session credential: %v", credential, ok)
		}
		if !ok {
			continue
		}
		name, value, _ := strings.Cut(want.header, ": ")
		if string(s.Canonical()) != want.canonical || string(s.Token()) != raw || s.header().Get(name) != value || len(s.header()) != 1 {
			t.Errorf("%q: %s, %s, %v", credential, s.Canonical(), s.Token(), s.header())
		}
		if again, ok := ParseSession(s.Canonical()); !ok || again != s {
			t.Errorf("%q: the canonical spelling is of another one", credential)
		}
	}
}

func TestNeonIsNotAskedAboutAnythingButSessions(t *testing.T) {
	hits := 0
	c := open(t, neonConfig(serve(t, func(http.ResponseWriter, *http.Request) { hits++ }).URL))
	_, err := c.Profile(context.Background(), []byte(token), neonUser, fair.Asker{}, Interactive)
	e := want(t, err, Unavailable, "")
	if !errors.Is(err, ErrNotSession) || !e.Local || hits != 0 {
		t.Fatalf("got %+v after %d requests", e, hits)
	}
}

func TestNeonsSubjectIsLearnedOrCompared(t *testing.T) {
	body := func(session, user string) string { return `{"session":{` + session + `},"user":{` + user + `}}` }
	const live = `"id":"s1","userId":"u1","expiresAt":"2100-01-01T00:00:00.000Z"`
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	tests := []struct {
		name, body, subject string
		want                Meaning
		denial              protocol.Reason
	}{
		{"learned", body(live, `"id":"u1"`), "", Answered, ""},
		{"compared", body(live, `"id":"u1"`), "u1", Answered, ""},
		{"somebody else", body(live, `"id":"u1"`), "u2", Unavailable, ""},
		{"another session", body(live+`,"token":"another"`, `"id":"u1"`), "", Unavailable, ""},
		{"own session", body(live+`,"token":"Aax3xEc6DKjW8qpKBJo2Oa5AHP7zTjmx"`, `"id":"u1"`), "", Answered, ""},
		{"control character in the id", body(`"userId":"u\n1","expiresAt":"2100-01-01T00:00:00Z"`, `"id":"u\n1"`), "", Unavailable, ""},
		{"no end", body(`"userId":"u1"`, `"id":"u1"`), "", Unavailable, ""},
		{"an end that is no date", body(`"userId":"u1","expiresAt":"soon"`, `"id":"u1"`), "", Unavailable, ""},
		{"over this instant", body(`"userId":"u1","expiresAt":"2026-06-01T00:00:00Z"`, `"id":"u1"`), "", Denied, protocol.ReasonExpired},
		{"over in an instant", body(`"userId":"u1","expiresAt":"2026-06-01T00:00:00.001Z"`, `"id":"u1"`), "", Answered, ""},
		{"banned for good", body(live, `"id":"u1","banned":true,"banExpires":null`), "", Denied, protocol.ReasonClassNotAllowed},
		{"banned for now", body(live, `"id":"u1","banned":true,"banExpires":"2026-06-02T00:00:00Z"`), "", Denied, protocol.ReasonClassNotAllowed},
		{"banned until lately", body(live, `"id":"u1","banned":true,"banExpires":"2026-05-31T00:00:00Z"`), "", Answered, ""},
		{"banned in a way", body(live, `"id":"u1","banned":"no"`), "", Unavailable, ""},
		{"two addresses, one in another case", body(live, `"id":"u1","email":"a","Email":"b"`), "", Unavailable, ""},
		{"two notes, one in another case", body(live+`,"Note":1,"note":2`, `"id":"u1","note":"a","Note":"b"`), "", Answered, ""},
		{"half an emoji in the name", body(live, `"id":"u1","name":"Zo\ud83d"`), "", Answered, ""},
		{"half an emoji in the id", body(`"userId":"u1\ud83d","expiresAt":"2100-01-01T00:00:00Z"`, `"id":"u1\ud83d"`), "", Unavailable, ""},
		{"session as text", `{"session":"x","user":{"id":"u1"}}`, "", Unavailable, ""},
		{"two users", `{"session":{` + live + `},"user":{"id":"u1"},"user":{"id":"u2"}}`, "", Unavailable, ""},
	}
	for _, test := range tests {
		for name, date := range map[string][]string{"Date": {now.Format(http.TimeFormat)}, "no Date": nil} {
			t.Run(test.name+", "+name, func(t *testing.T) {
				config := neonConfig(serve(t, func(w http.ResponseWriter, r *http.Request) {
					w.Header()["Date"] = date
					reply(200, jsonType, test.body)(w, r)
				}).URL)
				config.Now = func() time.Time { return now }
				got, err := open(t, config).Profile(context.Background(), []byte(neonSession), test.subject, fair.Asker{}, Interactive)
				if test.want == Answered {
					if err != nil || got.Subject != "u1" {
						t.Fatalf("got %q, %v", got.Subject, err)
					}
					return
				}
				want(t, err, test.want, test.denial)
			})
		}
	}
}

// FuzzParseSession: whatever is taken has one canonical spelling, which is taken
// too, and leads to a header that a request can have.
func FuzzParseSession(f *testing.F) {
	const raw, mac = "Aax3xEc6DKjW8qpKBJo2Oa5AHP7zTjmx", "H8Vyy16AgYCEuwo94O06OSEc7J5rWauCiyA12NkpFUc="
	for _, seed := range []string{raw, raw + "." + mac, raw + "%2E" + mac[:43] + "%3D", sessionCookie + "=" + raw + "." + mac, "better-auth.session_token=" + raw, token, "%zz", "a.b"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, credential []byte) {
		s, ok := ParseSession(credential)
		if !ok {
			return
		}
		again, ok := ParseSession(s.Canonical())
		if !ok || again != s || string(again.Canonical()) != string(s.Canonical()) {
			t.Errorf("%q: %q is not canonical", credential, s.Canonical())
		}
		if strings.Count(string(credential), ".")+strings.Count(strings.ToUpper(string(credential)), "%2E") > 4 || len(s.Token()) > maxSessionToken {
			t.Errorf("%q was taken", credential)
		}
		for name, values := range s.header() {
			if name != "Cookie" && name != "Authorization" || len(values) != 1 || strings.ContainsAny(values[0], "\r\n;,\"") || strings.Trim(values[0], " ") != values[0] {
				t.Errorf("%q: %s: %q", credential, name, values)
			}
		}
	})
}
