package standin

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin/mint"
	"github.com/neonauthd/neonauthd/daemon/standin/ordered"
	"github.com/neonauthd/neonauthd/daemon/standin/stackauth"
)

type fixtureError struct {
	Code    string
	Status  int
	Headers map[string]string
	Body    string
	Note    string
}

// fixtureErrors are the genuine envelopes by code; if a code has several, in their order.
func fixtureErrors(t *testing.T) map[string][]fixtureError {
	t.Helper()
	var all []fixtureError
	load(t, "stack/errors.json", &all)
	if len(all) < 30 {
		t.Fatalf("only %d errors", len(all))
	}
	byCode := map[string][]fixtureError{}
	for _, e := range all {
		byCode[e.Code] = append(byCode[e.Code], e)
	}
	return byCode
}

// check compares an answer with the genuine one: status, body to the byte, headers but for request ids.
func (want fixtureError) check(t *testing.T, got reply) {
	t.Helper()
	if got.status != want.Status {
		t.Errorf("status %d, want %d", got.status, want.Status)
	}
	if got.body != want.Body {
		t.Errorf("body\n%s\nwant\n%s", got.body, want.Body)
	}
	for name, value := range want.Headers {
		have := got.header.Get(name)
		if strings.HasSuffix(name, "request-id") {
			if len(have) != len(value) {
				t.Errorf("%s: %q", name, have)
			}
			continue
		}
		if have != value {
			t.Errorf("%s: %q, want %q", name, have, value)
		}
	}
}

// TestMeRefusals goes through the server's checks in their order; each case has one fault, without which it would pass.
func TestMeRefusals(t *testing.T) {
	s := serve(t, Options{})
	user := s.AddUser(User{ID: "a2a49861-1bb1-40b0-b5f1-558b88acf49f", Email: "ada@example.org"})
	spec := TokenSpec{Subject: user.ID, Session: "5e55a0d1-0000-4000-8000-000000000001"}
	good := s.StackToken(spec)
	expired := spec
	expired.Expires = fixtureNow
	restricted := spec
	restricted.Class = stackauth.ClassRestricted
	anonymous := spec
	anonymous.Class = stackauth.ClassAnonymous
	other := spec
	other.Project = "2a0886e1-8aff-467a-8b7f-f8b502fbf309"
	forged := spec
	forged.Forged = true
	const wrongKey = "ssk_wrong"
	type change func(http.Header)
	set := func(name, value string) change { return func(h http.Header) { h.Set("x-stack-"+name, value) } }
	drop := func(name string) change { return func(h http.Header) { h.Del("x-stack-" + name) } }
	cases := []struct {
		name    string
		code    string
		nth     int
		token   string
		changes []change
	}{
		{"key without type", "PROJECT_KEY_WITHOUT_ACCESS_TYPE", 0, good, []change{drop("access-type")}},
		{"nothing", "ACCESS_TYPE_REQUIRED", 0, "", []change{drop("access-type"), drop("project-id"), drop("secret-server-key")}},
		{"odd type", "INVALID_ACCESS_TYPE", 0, good, []change{set("access-type", "root")}},
		{"no project", "ACCESS_TYPE_WITHOUT_PROJECT_ID", 0, good, []change{drop("project-id")}},
		{"expired", "ACCESS_TOKEN_EXPIRED", 0, s.StackToken(expired), nil},
		{"garbage", "UNPARSABLE_ACCESS_TOKEN", 0, "garbage", nil},
		{"forged", "UNPARSABLE_ACCESS_TOKEN", 0, s.StackToken(forged), nil},
		{"the token before the key", "UNPARSABLE_ACCESS_TOKEN", 0, "garbage", []change{set("secret-server-key", wrongKey)}},
		{"the token before the project", "UNPARSABLE_ACCESS_TOKEN", 0, "garbage", []change{set("project-id", "unknown")}},
		{"other project", "INVALID_PROJECT_FOR_ACCESS_TOKEN", 0, s.StackToken(other), nil},
		{"anonymous", "ANONYMOUS_AUTHENTICATION_NOT_ALLOWED", 0, s.StackToken(anonymous), nil},
		{"restricted", "RESTRICTED_USER_NOT_ALLOWED", 1, s.StackToken(restricted), nil},
		{"unknown project", "CURRENT_PROJECT_NOT_FOUND", 0, "", []change{set("project-id", fixtureProject)}},
		{"no key", "SERVER_AUTHENTICATION_REQUIRED", 0, good, []change{drop("secret-server-key")}},
		{"wrong key", "INVALID_SECRET_SERVER_KEY", 0, good, []change{set("secret-server-key", wrongKey)}},
		{"no client key", "PUBLISHABLE_CLIENT_KEY_REQUIRED_FOR_PROJECT", 0, good, []change{set("access-type", "client")}},
		{"wrong client key", "INVALID_PUBLISHABLE_CLIENT_KEY", 0, good, []change{set("access-type", "client"), set("publishable-client-key", "pck_wrong")}},
		{"no admin key", "ADMIN_AUTHENTICATION_REQUIRED", 0, good, []change{set("access-type", "admin")}},
		{"wrong admin key", "INVALID_SUPER_SECRET_ADMIN_KEY", 0, good, []change{set("access-type", "admin"), set("super-secret-admin-key", "sak_wrong")}},
		{"branch", "BRANCH_DOES_NOT_EXIST", 0, good, []change{set("branch-id", "preview")}},
		{"no token", "CANNOT_GET_OWN_USER_WITHOUT_USER", 0, "", nil},
		{"user gone", "CANNOT_GET_OWN_USER_WITHOUT_USER", 0, s.StackToken(TokenSpec{}), nil},
	}
	genuine := fixtureErrors(t)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			header := http.Header{}
			pairs := s.serverAccess(c.token)
			for i := 0; i < len(pairs); i += 2 {
				header.Set(pairs[i], pairs[i+1])
			}
			if c.token == "" {
				header.Del("x-stack-access-token")
			}
			for _, apply := range c.changes {
				apply(header)
			}
			target := s
			if c.code == "CURRENT_PROJECT_NOT_FOUND" {
				target = serve(t, Options{ProjectID: "2a0886e1-8aff-467a-8b7f-f8b502fbf309"})
			}
			var flat []string
			for name, values := range header {
				flat = append(flat, name, values[0])
			}
			genuine[c.code][c.nth].check(t, target.get(t, mePath, flat...))
		})
	}
	t.Run("unknown query", func(t *testing.T) {
		genuine["SCHEMA_ERROR"][0].check(t, s.get(t, mePath+"?x=1", s.serverAccess(good)...))
	})
}

func TestExampleErrorsAreGenuine(t *testing.T) {
	s := New(Options{ProjectID: fixtureProject})
	compared := 0
	for code, all := range fixtureErrors(t) {
		got := stackauth.Example(code, s.options.ProjectID, s.now())
		if strings.HasPrefix(got.Text, "Something that") {
			continue // not a code of ours: a fault invents it
		}
		compared++
		match := func(e fixtureError) bool {
			var want, have struct{ Details json.RawMessage }
			if json.Unmarshal([]byte(e.Body), &want) != nil || json.Unmarshal(got.Body(), &have) != nil {
				return false
			}
			return got.Status == e.Status && (want.Details == nil) == (have.Details == nil)
		}
		if !slices.ContainsFunc(all, match) {
			t.Errorf("%s: status %d and body %s match none", code, got.Status, got.Body())
		}
	}
	if compared < 20 {
		t.Errorf("only %d codes compared", compared)
	}
}

func TestMeAdmitsClassesOnDemand(t *testing.T) {
	s := serve(t, Options{})
	anonymous := s.AddUser(User{Anonymous: true})
	restricted := s.AddUser(User{Email: "new@example.org", Restricted: true})
	const allowAnonymous, allowRestricted = "x-stack-allow-anonymous-user", "x-hexclave-allow-restricted-user"
	cases := []struct {
		name, user, header string
		status             int
	}{
		{"anonymous", anonymous.ID, allowAnonymous, http.StatusOK},
		{"anonymous where restricted are allowed", anonymous.ID, allowRestricted, http.StatusUnauthorized},
		{"restricted", restricted.ID, allowRestricted, http.StatusOK},
		{"restricted where anonymous are allowed", restricted.ID, allowAnonymous, http.StatusOK},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			token := s.StackToken(TokenSpec{Subject: c.user})
			if got := s.get(t, mePath, s.serverAccess(token, c.header, "true")...); got.status != c.status {
				t.Errorf("status %d: %s", got.status, got.body)
			}
			if got := s.get(t, mePath, s.serverAccess(token, c.header, "yes")...); got.status == http.StatusOK {
				t.Error("admitted without the word true")
			}
		})
	}
}

func TestProfileIsTheGenuineShape(t *testing.T) {
	var fixtures []struct {
		Name, Access string
		Body         json.RawMessage
	}
	load(t, "stack/profile.json", &fixtures)
	bodies := map[string][]byte{}
	for _, f := range fixtures {
		bodies[f.Name] = f.Body
	}
	s := serve(t, Options{})
	id := "a2a49861-1bb1-40b0-b5f1-558b88acf49f"
	s.AddUser(User{ID: id, SignedUpAt: time.UnixMilli(1772496000000)})
	got := s.get(t, mePath, s.serverAccess(s.StackToken(TokenSpec{Subject: id}))...)
	if got.body != string(bodies["minimal"]) {
		t.Errorf("minimal profile\n%s\nwant\n%s", got.body, bodies["minimal"])
	}
	names := memberNames(t, bodies["full-client"])
	slices.Sort(names)
	s.AddUser(User{ID: id, Email: "ada@example.org", Team: Team{ID: mint.UUID(), Name: "Team"}})
	for _, name := range []string{"client_metadata", "client_read_only_metadata"} {
		s.SetProfile(id, name, json.RawMessage(memberOf(t, bodies["full-client"], name)))
	}
	team := json.RawMessage(memberOf(t, bodies["full-client"], "selected_team"))
	s.SetProfile(id, "selected_team", team)
	client := s.get(t, mePath, "x-stack-access-type", "client", "x-stack-project-id", s.ProjectID(),
		"x-stack-publishable-client-key", s.options.ClientKey, "x-stack-access-token", s.StackToken(TokenSpec{Subject: id}))
	have := memberNames(t, []byte(client.body))
	slices.Sort(have)
	if !slices.Equal(have, names) {
		t.Errorf("client access shows\n%v\nwant\n%v", have, names)
	}
}

func memberOf(t *testing.T, body []byte, name string) []byte {
	t.Helper()
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		t.Fatal(err)
	}
	return members[name]
}

func TestTeamShowsMoreToServers(t *testing.T) {
	team := Team{ID: "id", Name: "Team"}
	if got := memberNames(t, ordered.Encode(team.profile(fixtureNow, true))); len(got) != 7 {
		t.Errorf("server sees %v", got)
	}
	if got := memberNames(t, ordered.Encode(team.profile(fixtureNow, false))); len(got) != 5 {
		t.Errorf("client sees %v", got)
	}
}

func TestProfileIsLive(t *testing.T) {
	s := serve(t, Options{})
	user := s.AddUser(User{Email: "ada@example.org", EmailVerified: true})
	access := s.serverAccess(s.StackToken(TokenSpec{Subject: user.ID}))
	s.Ban(user.ID, "abuse")
	s.SetProfile(user.ID, "display_name", "Ada B.")
	s.SetProfile(user.ID, "future_field", []int{1})
	body := []byte(s.get(t, mePath, access...).body)
	for _, want := range []string{`"display_name":"Ada B."`, `"is_restricted":true`, `"restricted_reason":{"type":"restricted_by_administrator"}`,
		`"restricted_by_admin":true`, `"restricted_by_admin_reason":"abuse"`, `"future_field":[1]}`} {
		if !bytes.Contains(body, []byte(want)) {
			t.Errorf("%s is not in %s", want, body)
		}
	}
	s.Unban(user.ID)
	if body := s.get(t, mePath, access...).body; !strings.Contains(body, `"restricted_by_admin":false`) {
		t.Errorf("still banned: %s", body)
	}
	s.DeleteUser(user.ID)
	if got := s.get(t, mePath, access...); got.header.Get("X-Stack-Known-Error") != "CANNOT_GET_OWN_USER_WITHOUT_USER" {
		t.Errorf("deleted: %d %s", got.status, got.body)
	}
}

func TestOverrideHeaderWrapsErrors(t *testing.T) {
	s := serve(t, Options{})
	got := s.get(t, mePath, s.serverAccess("garbage", "x-stack-override-error-status", "true")...)
	for _, name := range []string{"X-Stack-Actual-Status", "X-Hexclave-Actual-Status"} {
		if got.status != http.StatusOK || got.header.Get(name) != strconv.Itoa(http.StatusUnauthorized) {
			t.Errorf("status %d, %s %q", got.status, name, got.header.Get(name))
		}
	}
}
