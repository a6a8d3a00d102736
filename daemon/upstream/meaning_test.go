package upstream

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/protocol"
)

type stackAnswer struct {
	Code, Name, Endpoint, Class, Outcome, Note string
	Status                                     int
	Headers                                    map[string]string
	Body                                       string
}

// replay answers with a fixture.
func (a stackAnswer) replay(w http.ResponseWriter, _ *http.Request) {
	reply(a.Status, a.Headers, a.Body)(w, nil)
}

func classMeaning(t *testing.T, class string) Meaning {
	t.Helper()
	switch class {
	case "deny":
		return Denied
	case "operator", "unknown":
		return Misconfigured
	case "retry":
		return Unavailable
	}
	t.Fatalf("unknown class %q", class)
	return Answered
}

func stackDenials() map[string]protocol.Reason {
	return map[string]protocol.Reason{
		"ACCESS_TOKEN_EXPIRED": protocol.ReasonExpired, "UNPARSABLE_ACCESS_TOKEN": protocol.ReasonRejectedUpstream, "INVALID_PROJECT_FOR_ACCESS_TOKEN": protocol.ReasonRejectedUpstream,
		"ANONYMOUS_AUTHENTICATION_NOT_ALLOWED": protocol.ReasonClassNotAllowed, "RESTRICTED_USER_NOT_ALLOWED": protocol.ReasonClassNotAllowed,
		"CANNOT_GET_OWN_USER_WITHOUT_USER": protocol.ReasonUserNotFound, "USER_NOT_FOUND": protocol.ReasonUserNotFound,
	}
}

func TestKnownErrorsOfStackMeanWhatTheirCodeSays(t *testing.T) {
	answers := load[[]stackAnswer](t, "stack/errors.json")
	if len(answers) < 40 {
		t.Fatalf("only %d answers", len(answers))
	}
	denials := map[string]bool{}
	for _, a := range answers {
		t.Run(a.Code, func(t *testing.T) {
			meaning := classMeaning(t, a.Class)
			if a.Status >= 500 {
				meaning = Unavailable // by its status, as the fixture's note says
			}
			c := open(t, stackConfig(serve(t, a.replay).URL))
			_, err := profile(c)
			e := want(t, err, meaning, stackDenials()[a.Code])
			if known := a.Class == "deny" || a.Class == "operator"; (e.Code == a.Code) != known {
				t.Errorf("code %q told for a code that is known: %v", e.Code, known)
			}
			if e.Status != a.Status {
				t.Errorf("status %d, want %d", e.Status, a.Status)
			}
			if (a.Outcome == "deny") != (e.Meaning == Denied) {
				t.Errorf("outcome %q came out as %v", a.Outcome, e.Meaning)
			}
			noForeignText(t, e, a.Body)
		})
		if a.Class == "deny" {
			denials[a.Code] = true
		}
	}
	for code := range stackDenials() {
		if !denials[code] {
			t.Errorf("no fixture for denial %s", code)
		}
	}
}

// noForeignText looks for stretches of the body in the error.
func noForeignText(t *testing.T, e *Error, body string) {
	t.Helper()
	text := e.Error()
	text = strings.ReplaceAll(text, e.Code, "")
	for i := 0; i+12 <= len(body); i++ {
		if strings.Contains(text, body[i:i+12]) {
			t.Fatalf("the error repeats the body: %s", e)
		}
	}
}

// stackUnusable are answers with status 200 whose body is not the profile asked for. They
// are no denial and do not point to a wrong setting; the next attempt may succeed.
func stackUnusable() []string {
	return []string{"other-user", "no-id", "id-number", "id-twice", "body-null", "body-true", "body-string", "body-array",
		"body-empty-object", "body-empty", "body-blank", "body-cut", "body-trailing", "body-html", "type-html"}
}

func TestOtherAnswersToUsersMe(t *testing.T) {
	unusable := map[string]bool{}
	for _, name := range stackUnusable() {
		unusable[name] = true
	}
	seen := 0
	for _, a := range load[[]stackAnswer](t, "stack/other-answers.json") {
		if a.Endpoint == "jwks" {
			continue
		}
		seen++
		t.Run(a.Name, func(t *testing.T) {
			meaning := classMeaning(t, a.Class)
			if unusable[a.Name] {
				meaning = Unavailable
			}
			var denial protocol.Reason
			if meaning == Denied {
				denial = protocol.ReasonRejectedUpstream
			}
			c := open(t, stackConfig(serve(t, a.replay).URL))
			got, err := profile(c)
			e := want(t, err, meaning, denial)
			if got.Body != nil {
				t.Error("a profile came with the error")
			}
			noForeignText(t, e, a.Body)
		})
	}
	if seen < 50 {
		t.Fatalf("only %d answers", seen)
	}
}

func TestOtherAnswersToKeySetRequests(t *testing.T) {
	// Only the parser of key sets decides whether JSON is a key set.
	readable := map[string]bool{"jwks-empty": true, "jwks-no-keys": true, "jwks-keys-object": true, "jwks-cut": true}
	seen := 0
	for _, a := range load[[]stackAnswer](t, "stack/other-answers.json") {
		if a.Endpoint == "me" {
			continue
		}
		seen++
		t.Run(a.Name, func(t *testing.T) {
			c := open(t, stackConfig(serve(t, a.replay).URL))
			got, err := c.Keyset(context.Background(), Validators{})
			switch {
			case readable[a.Name]:
				if err != nil || string(got.Body) != a.Body {
					t.Fatalf("got %q, %v", got.Body, err)
				}
				return
			case a.Name == "jwks-html":
				want(t, err, Unavailable, "")
			default:
				want(t, err, classMeaning(t, a.Class), "")
			}
		})
	}
	if seen < 30 {
		t.Fatalf("only %d answers", seen)
	}
}

func TestProfilesArePassedOnUnchanged(t *testing.T) {
	type fixture struct {
		Name, Access string
		Body         json.RawMessage
	}
	// These users are of a class that is admitted only if the operator says so.
	classes := map[string]bool{"not-verified": true, "restricted-by-admin": true, "anonymous": true}
	fixtures := load[[]fixture](t, "stack/profile.json")
	if len(fixtures) < 10 {
		t.Fatalf("only %d profiles", len(fixtures))
	}
	for _, f := range fixtures {
		t.Run(f.Name, func(t *testing.T) {
			s := serve(t, reply(200, jsonType, string(f.Body)))
			config := stackConfig(s.URL)
			if classes[f.Name] {
				_, err := profile(open(t, config))
				want(t, err, Denied, protocol.ReasonClassNotAllowed)
			}
			config.AllowRestricted, config.AllowAnonymous = true, true
			got, err := profile(open(t, config))
			if err != nil {
				t.Fatal(err)
			}
			sameJSON(t, got.Body, f.Body)
			oneLine(t, got.Body)
			if got.Subject != stackUser {
				t.Errorf("subject %q", got.Subject)
			}
		})
	}
}

// sameJSON compares values, numbers to the letter.
func sameJSON(t *testing.T, got, want []byte) {
	t.Helper()
	var texts [2]string
	for i, text := range [][]byte{got, want} {
		var v any
		d := json.NewDecoder(strings.NewReader(string(text)))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			t.Fatal(err)
		}
		plain, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		texts[i] = string(plain)
	}
	if texts[0] != texts[1] {
		t.Fatal("the value changed")
	}
}

func oneLine(t *testing.T, text []byte) {
	t.Helper()
	for i, c := range text {
		if c < ' ' || c == 0x7f {
			t.Fatalf("control byte %#x at %d", c, i)
		}
	}
}

func TestFlagsOfTheLiveProfileAreHeldAgainstTheAdmittedClasses(t *testing.T) {
	tests := []struct {
		name, flags           string
		restricted, anonymous bool // admitted
		want                  Meaning
	}{
		{"no flags at all", ``, false, false, Answered},
		{"null flags", `,"is_restricted":null,"is_anonymous":null,"restricted_by_admin":null,"restricted_reason":null`, false, false, Answered},
		{"a release before restrictions", `,"is_anonymous":false`, false, false, Answered},
		{"a release before restrictions, anonymous", `,"is_anonymous":true`, true, false, Denied},
		{"a release before bans", `,"is_anonymous":false,"is_restricted":false,"restricted_reason":null`, false, false, Answered},
		{"a release before bans, restricted", `,"is_anonymous":false,"is_restricted":true,"restricted_reason":{"type":"email_not_verified"}`, false, false, Denied},
		{"only a reason", `,"restricted_reason":{"type":"restricted_by_administrator"}`, false, false, Denied},
		{"only a reason, admitted", `,"restricted_reason":{"type":"restricted_by_administrator"}`, true, false, Answered},
		{"only a reason of a new kind", `,"restricted_reason":{}`, false, false, Denied},
		{"only a reason, anonymous", `,"restricted_reason":{"type":"anonymous"}`, true, false, Denied},
		{"a reason for no restriction", `,"is_restricted":false,"restricted_reason":{"type":"email_not_verified"}`, false, false, Unavailable},
		{"a reason for no restriction, admitted", `,"is_restricted":false,"restricted_reason":{"type":"anonymous"}`, true, false, Unavailable},
		{"a ban without a restriction", `,"is_restricted":false,"restricted_by_admin":true`, false, false, Denied},
		{"restricted", `,"is_restricted":true`, false, false, Denied},
		{"restricted, admitted", `,"is_restricted":true`, true, false, Answered},
		{"restricted, only anonymous admitted", `,"is_restricted":true`, false, true, Denied},
		{"banned", `,"restricted_by_admin":true`, false, false, Denied},
		{"anonymous", `,"is_anonymous":true,"is_restricted":true`, true, false, Denied},
		{"anonymous, admitted", `,"is_anonymous":true,"is_restricted":true`, false, true, Answered},
		{"anonymous and banned", `,"is_anonymous":true,"restricted_by_admin":true`, false, true, Denied},
		{"a flag that is no flag", `,"is_restricted":"yes"`, true, true, Unavailable},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			config := stackConfig(serve(t, reply(200, jsonType, `{"id":"`+stackUser+`"`+test.flags+`}`)).URL)
			config.AllowRestricted, config.AllowAnonymous = test.restricted, test.anonymous
			_, err := profile(open(t, config))
			if test.want == Answered {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if e := failure(t, err); e.Meaning != test.want {
				t.Fatalf("got %v", e)
			}
		})
	}
}

func TestHeadersThatDisagreeAreNoVerdict(t *testing.T) {
	denial := `{"code":"UNPARSABLE_ACCESS_TOKEN","error":"x"}`
	both := map[string]string{"X-Stack-Known-Error": "UNPARSABLE_ACCESS_TOKEN", "X-Hexclave-Known-Error": "USER_NOT_FOUND"}
	one := map[string]string{"X-Stack-Known-Error": "UNPARSABLE_ACCESS_TOKEN"}
	with := func(m map[string]string, name, value string) map[string]string {
		m = maps.Clone(m)
		m[name] = value
		return m
	}
	tests := []struct {
		name   string
		status int
		header map[string]string
		body   string
		want   Meaning
	}{
		{"two codes", 401, both, denial, Misconfigured},
		{"empty code", 401, map[string]string{"X-Stack-Known-Error": ""}, denial, Misconfigured},
		{"lower case", 401, map[string]string{"X-Stack-Known-Error": "unparsable_access_token"}, denial, Misconfigured},
		{"code repeated in the body", 401, one, `{"code":"UNPARSABLE_ACCESS_TOKEN","code":"UNPARSABLE_ACCESS_TOKEN"}`, Misconfigured},
		{"body too long", 401, one, denial + strings.Repeat(" ", maxErrorBody), Misconfigured},
		{"encoded error", 401, with(one, "Content-Encoding", "gzip"), denial, Misconfigured},
		{"wrapped 503", 200, with(one, "X-Stack-Actual-Status", "503"), denial, Unavailable},
		{"wrapped nonsense", 200, with(one, "X-Stack-Actual-Status", "no"), denial, Misconfigured},
		{"two true statuses", 200, with(with(one, "X-Stack-Actual-Status", "401"), "X-Hexclave-Actual-Status", "400"), denial, Misconfigured},
		{"true status of an honest error is no matter", 401, with(one, "X-Stack-Actual-Status", "200"), denial, Denied},
		{"agreement", 401, with(one, "X-Hexclave-Known-Error", "UNPARSABLE_ACCESS_TOKEN"), denial, Denied},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := profile(open(t, stackConfig(serve(t, reply(test.status, test.header, test.body)).URL)))
			if e := failure(t, err); e.Meaning != test.want {
				t.Fatalf("got %v", e)
			}
		})
	}
}

type neonAnswer struct {
	Name, Meaning, Body string
	Status              int
	Headers             map[string]string
	SetCookie           []string `json:"set_cookie"`
}

func (a neonAnswer) replay(w http.ResponseWriter, _ *http.Request) {
	for _, cookie := range a.SetCookie {
		w.Header().Add("Set-Cookie", cookie)
	}
	reply(a.Status, a.Headers, a.Body)(w, nil)
}

func TestAnswersOfGetSession(t *testing.T) {
	fixture := load[struct {
		Cookie  string
		Answers []neonAnswer
	}](t, "neon/get-session.json")
	// The fixture leaves these open, or is about another endpoint: this is what we choose.
	ours := map[string]Meaning{"token-absent": Misconfigured, "wrong-method": Misconfigured, "conflict": Misconfigured,
		"forbidden-html": Misconfigured, "banned": Denied, "expired-inside": Denied}
	if len(fixture.Answers) < 20 {
		t.Fatalf("only %d answers", len(fixture.Answers))
	}
	for _, a := range fixture.Answers {
		t.Run(a.Name, func(t *testing.T) {
			meaning, chosen := ours[a.Name]
			if !chosen {
				meaning = map[string]Meaning{"accept": Answered, "deny": Denied, "failure": Unavailable}[a.Meaning]
			}
			var cookie string
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				cookie = r.Header.Get("Cookie")
				a.replay(w, r)
			})
			config := neonConfig(s.URL)
			config.Now = func() time.Time { return time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC) }
			got, err := profile(open(t, config))
			if cookie != fixture.Cookie {
				t.Errorf("sent cookie %q", cookie)
			}
			if meaning != Answered {
				e := failure(t, err)
				if e.Meaning != meaning || got.Body != nil {
					t.Fatalf("got %v", e)
				}
				noForeignText(t, e, a.Body)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.Subject != neonUser || got.Session != "2e167876-04c0-468b-b078-4a08b5f661c5" || got.Expires.Year() != 2100 {
				t.Errorf("got %q, %q, %v", got.Subject, got.Session, got.Expires)
			}
			var whole struct{ User json.RawMessage }
			if err := json.Unmarshal([]byte(a.Body), &whole); err != nil {
				t.Fatal(err)
			}
			sameJSON(t, got.Body, whole.User)
			oneLine(t, got.Body)
			if sessionToken, _, _ := strings.Cut(neonSession, "."); strings.Contains(string(got.Body), sessionToken) {
				t.Error("the profile holds the session's token")
			}
		})
	}
}
