package httpauth_test

import (
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/client/httpauth"
	"github.com/neonauthd/neonauthd/protocol"
)

// client/testdata/httpauth has the cases of whole requests, which
// client/middleware and neonauth-http play. The tests here cover what those
// cases cannot show.

func TestAPlaceIsNamedRightOrTheErrorSaysHow(t *testing.T) {
	long := strings.Repeat("x", httpauth.MaxPlaceName)
	for place, want := range map[httpauth.Place]string{
		"":                               `is not "authorization", "sdk-header", "sdk-cookie", "session-cookie", "header:NAME" or "cookie:NAME"`,
		"Authorization":                  `"Authorization" is not "authorization"`,
		"sdk-cookies":                    `"sdk-cookies" is not "authorization"`,
		"header":                         `is not "authorization"`,
		"query:token":                    `is not "authorization"`,
		"header:":                        "is not a place",
		"cookie:":                        "is not a place",
		"header:a b":                     "is not a place",
		"header:a:b":                     "is not a place",
		"cookie:a=b":                     "is not a place",
		"cookie:a;b":                     "is not a place",
		"cookie:\u00e9":                  `"cookie:\u00e9" is not a place`,
		"cookie:a\n":                     `"cookie:a\n" is not a place`,
		httpauth.Header(long + "x"):      "1 to 256",
		httpauth.Cookie(long + "x"):      "1 to 256",
		"header:authorization":           `name the place "authorization" instead`,
		"header:X-STACK-access-token":    `name the place "sdk-header" instead`,
		"header:x-stack-auth":            `name the place "sdk-header" instead`,
		"header:x-hexclave-access-token": `name the place "sdk-header" instead`,
		"cookie:stack-access":            `name the place "sdk-cookie" instead`,
		"cookie:hexclave-access":         `name the place "sdk-cookie" instead`,
		"header:Cookie":                  `"cookie:NAME" instead`,
		httpauth.Header(long):            "",
		httpauth.Header(long[1:]):        "",
		httpauth.Cookie(long):            "",
		httpauth.Cookie(long[1:]):        "",
		"cookie:__Secure-neon-auth.session_token": "",
		"cookie:Stack-Access":                     "", // another cookie
		"cookie:!#$%&'*+-.^_`|~":                  "",
		"header:x-own":                            "",
		httpauth.SDKHeaders:                       "",
		httpauth.Authorization:                    "",
		httpauth.SDKCookies:                       "",
		httpauth.SessionCookie:                    "",
	} {
		s, err := httpauth.NewSearch(place)
		switch {
		case want == "" && (err != nil || s == nil):
			t.Errorf("%q: %v", place, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 250):
			t.Errorf("%q: %v, want %q", place, err, want)
		}
	}
	if _, err := httpauth.NewSearch(); err == nil {
		t.Error("a search in no place was made")
	}
}

func TestVaryNamesEveryHeaderOnce(t *testing.T) {
	for want, places := range map[string][]httpauth.Place{
		"Authorization, X-Hexclave-Access-Token, X-Stack-Access-Token, X-Stack-Auth": httpauth.Headers(),
		"Cookie":                       {httpauth.SDKCookies, httpauth.SessionCookie, httpauth.Cookie("a"), httpauth.Cookie("a")},
		"Authorization, Cookie, X-Own": {httpauth.Cookie("a"), httpauth.Header("x-own"), httpauth.Authorization},
	} {
		s, err := httpauth.NewSearch(places...)
		if err != nil || s.Vary() != want {
			t.Errorf("%v: %v and %q, want %q", places, err, s.Vary(), want)
		}
	}
}

// A search that leaves places out does not look there: neonauth-http takes the
// whole list from its configuration.
func TestASearchLooksNowhereElse(t *testing.T) {
	h := http.Header{
		"Authorization": {"Bearer auth"}, "X-Stack-Access-Token": {"sdk"}, "X-Own": {"own"},
		"Cookie": {`session=cookie; stack-access=["x","sdkcookie"]; __Secure-neon-auth.session_token=session`},
	}
	for place, want := range map[httpauth.Place]string{
		httpauth.Authorization: "auth", httpauth.SDKHeaders: "sdk", httpauth.Header("x-own"): "own",
		httpauth.Cookie("session"): "cookie", httpauth.SDKCookies: "sdkcookie", httpauth.SessionCookie: "session",
	} {
		s, err := httpauth.NewSearch(place)
		if err != nil {
			t.Fatal(err)
		}
		if found := s.Find(h, client.LevelProfile); found.Fault != "" || !slices.Equal(found.Tokens, []string{want}) {
			t.Errorf("%s: %+v, want %q", place, found, want)
		}
	}
	if found := new(httpauth.Search).Find(h, client.LevelProfile); found.Fault != "" || len(found.Tokens) != 0 {
		t.Errorf("a search in no place found %+v", found)
	}
}

// No outcome but accepted lets a request through, whatever its values are.
func TestZeroValuesAreNoYes(t *testing.T) {
	for name, answer := range map[string]client.Answer{
		"none": nil, "unknown": client.Unknown{}, "rejected": client.Rejected{}, "a pointer": new(client.Accepted),
	} {
		refusal, refused := httpauth.RefusalOf(answer)
		want := http.StatusServiceUnavailable
		if name == "rejected" {
			want = http.StatusUnauthorized
		}
		if !refused || refusal.Status != want {
			t.Errorf("%s: %+v, refused: %t", name, refusal, refused)
		}
	}
	if answer, token := (httpauth.Result{}).Ask(func(string) client.Answer { return client.Accepted{} }); answer != nil || token != "" {
		t.Errorf("nothing was to be asked about, and the answer is %v", answer)
	}
}

func TestTheAnswerThatCountsNamesItsToken(t *testing.T) {
	yes, no := client.Accepted{Subject: "u"}, client.Rejected{Reason: protocol.ReasonExpired}
	class, outage := client.Rejected{Reason: protocol.ReasonClassNotAllowed}, client.Unknown{Code: protocol.CodeBusy}
	for name, test := range map[string]struct {
		answers []client.Answer
		counts  int
	}{
		"one":                   {[]client.Answer{yes}, 0},
		"second":                {[]client.Answer{no, yes, no}, 1},
		"none":                  {[]client.Answer{no, client.Rejected{Reason: protocol.ReasonRevoked}}, 0},
		"class":                 {[]client.Answer{no, class, no}, 1},
		"class and then a good": {[]client.Answer{class, yes}, 1},
		"unknown ends it":       {[]client.Answer{no, outage, yes}, 1},
	} {
		names := []string{"a", "b", "c"}
		asked := -1
		answer, token := httpauth.Result{Tokens: names[:len(test.answers)]}.Ask(func(string) client.Answer {
			asked++
			return test.answers[asked]
		})
		if token != names[test.counts] || answer.String() != test.answers[test.counts].String() {
			t.Errorf("%s: %v about %s", name, answer, token)
		}
	}
}

func TestRetryAfterIsWholeSecondsWithinItsBounds(t *testing.T) {
	for after, want := range map[time.Duration]string{
		-1: "1", 0: "1", 1: "1", time.Second: "1", time.Second + 1: "2", 59 * time.Second: "59",
		time.Minute: "60", time.Minute + 1: "60", time.Hour: "60",
	} {
		h := http.Header{}
		refusal, _ := httpauth.RefusalOf(client.Unknown{RetryAfter: after})
		refusal.SetHeaders(h, "shop")
		if h.Get("Retry-After") != want || h.Get("WWW-Authenticate") != "" || h.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v, want %s", after, h, want)
		}
	}
}

func TestChallengesQuoteWhatTheyAreGiven(t *testing.T) {
	h := http.Header{}
	httpauth.InvalidToken("a\"b\\c\r\nd\u00e9").SetHeaders(h, `the "shop"`)
	want := `Bearer realm="the \"shop\"", error="invalid_token", error_description="a\"b\\c??d?"`
	if got := h.Get("WWW-Authenticate"); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// The cases have every word that the daemon knows, so that none is forgotten
// when the protocol gets a new one.
func TestTheSharedCasesHaveEveryReasonAndCode(t *testing.T) {
	text := casesFile(t)
	for _, r := range protocol.Reasons() {
		if !strings.Contains(text, `"NO `+string(r)+`"`) {
			t.Errorf("no case for the reason %s", r)
		}
	}
	for _, c := range protocol.Codes() {
		if !strings.Contains(text, `"ERR `+string(c)) {
			t.Errorf("no case for the code %s", c)
		}
	}
	if n := strings.Count(text, `"name": `); n < 60 {
		t.Errorf("%d cases are few", n)
	}
}

// FuzzASearchEndsInTokensOrARefusal: whatever the headers are, there are tokens
// to ask about, within the bound and without blanks, or one refusal.
func FuzzASearchEndsInTokensOrARefusal(f *testing.F) {
	f.Add("Bearer good.a.b", `{"accessToken":"good.a.b"}`, `stack-access=%5B%22r%22%2C%22good.a.b%22%5D`, "good.a.b")
	f.Add("Bearer stackauth_e30=", `{"accessToken":"a","accessToken":"b"}`, `stack-access=["r","a"]; stack-access=["r","b"]`, "Bearer")
	f.Add("Basic Zm9v, Bearer x", "[object Object]", "__Secure-neon-auth.session_token=a%2Bb", ", ")
	s, err := httpauth.NewSearch(append(httpauth.Headers(), httpauth.SDKCookies, httpauth.SessionCookie, httpauth.Header("X-Own"))...)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, authorization, auth, cookie, own string) {
		h := http.Header{"Authorization": {authorization}, "X-Stack-Auth": {auth}, "Cookie": {cookie}, "X-Own": {own}}
		found := s.Find(h, client.LevelProfile)
		if found.Fault != "" && len(found.Tokens) > 0 || len(found.Tokens) > httpauth.MaxCookieTokens {
			t.Errorf("%+v", found)
		}
		for _, token := range found.Tokens {
			if token == "" || strings.Trim(token, " \t") != token {
				t.Errorf("%q is a token", token)
			}
		}
		refusal, refused := found.Refusal()
		if refused != (found.Fault != "" || len(found.Tokens) == 0) || refused && refusal.Status/100 != 4 {
			t.Errorf("%+v becomes %+v", found, refusal)
		}
	})
}

func casesFile(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../testdata/httpauth/cases.json")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
