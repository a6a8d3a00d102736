package neonauthd_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/protocol"
)

const upstreamFiles = "../../../daemon/testdata/upstream"

// readFixture decodes a file of genuine upstream material.
func readFixture(t testing.TB, name string, into any) {
	t.Helper()
	if err := json.Unmarshal(fixtureBody(t, name), into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

func fixtureBody(t testing.TB, name string) []byte {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(upstreamFiles, name))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// specimen is a token of the fixtures.
type specimen struct {
	Name, Group, Token, Expect, Reason, Sub string
	ExpectRestricted                        string `json:"expect_restricted"`
	ExpectAnonymous                         string `json:"expect_anonymous"`
	LineSafe                                *bool  `json:"line_safe"`
	Claims                                  map[string]any
}

func (s *specimen) under(policy string) string {
	switch {
	case policy == "restricted" && s.ExpectRestricted != "":
		return s.ExpectRestricted
	case policy == "anonymous" && s.ExpectAnonymous != "":
		return s.ExpectAnonymous
	}
	return s.Expect
}

// another returns the reason for specimens with several defects, if it is as right as the
// one in the fixtures.
func another() map[string]string {
	return map[string]string{
		"sig-empty":      "malformed", // one part is empty
		"alg-none-empty": "malformed",
		"alg-none":       "malformed", // in the fixtures of oauth, where its last part is empty

		"header-typ-logout": "wrong-type", // the fixtures of stack do not have this reason
		"session-jwt-as-at": "missing-claim",
		"aud-name-case":     "malformed",
		"client-differs":    "missing-claim",
		"scope-array":       "missing-claim",
		"scope-true":        "missing-claim",
	}
}

// collection is a set of specimens under one configured project.
type collection struct {
	project, policy, keys string
	specimens             []specimen
	atLeast               int
}

// table returns the project's configuration. The upstream hosts are never asked: the key
// set comes from loopback.
func (c *collection) table(preset, url string, more ...string) string {
	return fmt.Sprintf("[[project]]\nname = %q\npreset = %q\njwks_url = %q\njwks_cooldown = \"100ms\"\n", c.project, preset, url) +
		strings.Join(more, "\n") + "\n"
}

// fixtureWorld has all collections, with their tables and key sets.
type fixtureWorld struct {
	server *keyServer
	tables []string
	all    []collection
}

func (w *fixtureWorld) add(c collection, set []byte, preset string, more ...string) {
	c.keys = "/" + c.project
	w.tables = append(w.tables, c.table(preset, w.server.put(c.keys, set), more...))
	w.all = append(w.all, c)
}

func (w *fixtureWorld) addStack(t testing.TB) {
	var config struct {
		ProjectID string   `json:"project_id"`
		APIs      []string `json:"api_urls"`
	}
	readFixture(t, "stack/config.json", &config)
	issuers, _ := json.Marshal(config.APIs)
	var tokens []specimen
	readFixture(t, "stack/tokens.json", &tokens)
	allows := map[string]string{"default": ``, "restricted": `"restricted"`, "anonymous": `"restricted", "anonymous"`}
	for policy, allow := range allows {
		for _, set := range []string{"jwks", "jwks-no-alg", "jwks-odd-keys"} {
			w.add(collection{project: set + "-" + policy, policy: policy, specimens: tokens, atLeast: 114},
				fixtureBody(t, "stack/"+set+".json"), "stack",
				fmt.Sprintf("project_id = %q\nissuers = %s\nallow = [%s]", config.ProjectID, issuers, allow))
		}
	}
	var rotation map[string]struct {
		JWKS  json.RawMessage
		Token string
	}
	readFixture(t, "stack/rotation.json", &rotation)
	for set, other := range map[string]string{"before": "after", "after": "before"} {
		w.add(collection{project: "rotation-" + set, policy: "default", atLeast: 2, specimens: []specimen{
			{Name: set, Token: rotation[set].Token, Expect: "accept"},
			{Name: other, Token: rotation[other].Token, Expect: "reject", Reason: "unknown-key"},
		}}, rotation[set].JWKS, "stack", fmt.Sprintf("project_id = %q\nissuers = %s", config.ProjectID, issuers))
	}
	w.addShort(t, string(issuers))
}

// addShort adds the projects whose keys have a coordinate that begins with a zero byte,
// which the upstream leaves out.
func (w *fixtureWorld) addShort(t testing.TB, issuers string) {
	var short []struct {
		Name      string
		ProjectID string `json:"project_id"`
		JWKS      json.RawMessage
		Tokens    []specimen
	}
	readFixture(t, "stack/short-coordinates.json", &short)
	if len(short) < 2 {
		t.Fatalf("%d projects with short coordinates", len(short))
	}
	for _, s := range short {
		for i := range s.Tokens {
			if s.Tokens[i].Expect == "reject" {
				s.Tokens[i].Reason = "bad-signature"
			}
		}
		w.add(collection{project: "short-" + s.Name, policy: "default", specimens: s.Tokens, atLeast: 2}, s.JWKS, "stack",
			fmt.Sprintf("project_id = %q\nissuers = %s", s.ProjectID, issuers))
	}
}

func (w *fixtureWorld) addNeon(t testing.TB) {
	var config struct {
		BaseURL string `json:"base_url"`
	}
	readFixture(t, "neon/config.json", &config)
	base := fmt.Sprintf("base_url = %q", config.BaseURL)
	var tokens []specimen
	readFixture(t, "neon/tokens.json", &tokens)
	for _, set := range []string{"jwks", "jwks-no-alg"} {
		w.add(collection{project: "neon-" + set, policy: "default", specimens: tokens, atLeast: 54},
			fixtureBody(t, "neon/"+set+".json"), "neon", base)
	}
	var rotation map[string]struct {
		JWKS  json.RawMessage
		Token string
	}
	readFixture(t, "neon/rotation.json", &rotation)
	// Which tokens are accepted with which key set: a token of the old key until this key
	// is withdrawn.
	verdicts := map[string][3]string{"before": {"accept", "reject", "reject"}, "during": {"accept", "accept", "accept"}, "after": {"reject", "accept", "accept"}}
	for set, expected := range verdicts {
		c := collection{project: "neon-" + set, policy: "default", atLeast: 3}
		for i, name := range []string{"before", "during", "after"} {
			c.specimens = append(c.specimens, specimen{Name: name, Token: rotation[name].Token, Expect: expected[i], Reason: "unknown-key"})
		}
		w.add(c, rotation[set].JWKS, "neon", base)
	}
}

// addOAuth adds each policy of the OAuth server's fixtures.
func (w *fixtureWorld) addOAuth(t testing.TB) {
	var config struct {
		BaseURL  string `json:"base_url"`
		Policies map[string]struct {
			Kind                       string
			Issuers, Resources, Scopes []string
			UsersOnly                  bool `json:"users_only"`
		}
	}
	readFixture(t, "oauth/config.json", &config)
	if len(config.Policies) != 6 {
		t.Fatalf("%d policies", len(config.Policies))
	}
	for name, policy := range config.Policies {
		issuers, _ := json.Marshal(policy.Issuers)
		lines := []string{fmt.Sprintf("base_url = %q\nissuers = %s", config.BaseURL, issuers)}
		if policy.Kind == "resource" {
			resources, _ := json.Marshal(policy.Resources)
			scopes, _ := json.Marshal(append([]string{}, policy.Scopes...))
			lines = append(lines, fmt.Sprintf("resources = %s\nscopes = %s", resources, scopes))
		}
		if policy.Kind == "resource" && !policy.UsersOnly {
			lines = append(lines, `allow = ["machine"]`)
		}
		w.add(collection{project: "oauth-" + name, policy: name, specimens: oauthSpecimens(t, name), atLeast: 96},
			fixtureBody(t, "oauth/jwks.json"), "neon", lines...)
	}
}

// oauthSpecimens returns the OAuth server's tokens with the expected verdict under a
// policy. Only policy default has reasons.
func oauthSpecimens(t testing.TB, policy string) []specimen {
	var tokens []specimen
	var expected []map[string]any
	readFixture(t, "oauth/tokens.json", &tokens)
	readFixture(t, "oauth/tokens.json", &expected)
	for i := range tokens {
		if other, ok := expected[i]["expect_"+policy].(string); ok {
			tokens[i].Expect = other
		}
		switch {
		case policy != "default":
			tokens[i].Reason = ""
		case tokens[i].Name == "sub-number", tokens[i].Name == "exp-string":
			tokens[i].Reason = "missing-claim"
		}
	}
	return tokens
}

func TestGenuineTokensGetTheirVerdictsAtTheSocket(t *testing.T) {
	t.Parallel()
	w := &fixtureWorld{server: newKeyServer(t)}
	w.addStack(t)
	w.addNeon(t)
	w.addOAuth(t)
	h := e2e.NewFolder(t)
	e2e.Serve(t, h, e2e.Settings{Tables: w.tables})
	t.Run("of", func(t *testing.T) {
		for _, c := range w.all {
			t.Run(c.project, func(t *testing.T) {
				t.Parallel()
				if len(c.specimens) < c.atLeast {
					t.Fatalf("%d tokens, expected %d", len(c.specimens), c.atLeast)
				}
				peer := e2e.Call(t, h.Socket())
				var list strings.Builder
				for j := range c.specimens {
					judge(t, w.server, peer, &c, &c.specimens[j], &list)
				}
				t.Logf("%s, policy %s:\n%s", c.project, c.policy, &list)
			})
		}
	})
}

// judge asks about one specimen until the daemon knows, and once more.
func judge(t *testing.T, server *keyServer, peer *e2e.Caller, c *collection, s *specimen, list *strings.Builder) {
	t.Helper()
	if s.LineSafe != nil && !*s.LineSafe {
		return
	}
	request := "VERIFY project=" + c.project + " " + s.Token
	got := decided(t, server, peer, c.keys, request)
	again := decided(t, server, peer, c.keys, request)
	fmt.Fprintf(list, "%-28s %-6s %s\n", s.Name, s.under(c.policy), verdictOf(got))
	if verdictOf(got) != verdictOf(again) {
		t.Errorf("%s: first %s, then %s", s.Name, e2e.Head(got), e2e.Head(again))
	}
	opaque := s.Name == "refresh-token" || s.Name == "opaque-access-token"
	if s.Name == "format-session-cookie" || opaque && c.policy == "session" { // this is not an access token; only PROFILE can judge it
		if got != "ERR needs-profile" {
			t.Errorf("%s: got %s", s.Name, e2e.Head(got))
		}
		return
	}
	accepted := strings.HasPrefix(got, "OK ")
	switch expected := s.under(c.policy); {
	case expected == "accept" && !accepted, expected == "reject" && accepted, !accepted && !strings.HasPrefix(got, "NO "):
		t.Errorf("%s: expected %s, got %s", s.Name, expected, e2e.Head(got))
	case accepted:
		checkIdentity(t, s, got)
	case expected == "reject":
		want := s.Reason
		if other, ok := another()[s.Name]; ok {
			want = other
		}
		if s.Reason != "" && got != "NO "+want {
			t.Errorf("%s: expected NO %s, got %s", s.Name, want, got)
		}
	}
}

// decided repeats a request while the answer waits for a deferred fetch.
func decided(t *testing.T, server *keyServer, peer *e2e.Caller, keys, request string) string {
	t.Helper()
	deadline := time.Now().Add(e2e.Timeout)
	for {
		before, _ := server.count(keys)
		got := peer.Ask(t, request)
		if !strings.HasPrefix(got, "ERR keys-pending ") || time.Now().After(deadline) {
			return got
		}
		server.awaitMore(t, keys, before)
	}
}

// verdictOf returns the part of a reply that must be the same each time.
func verdictOf(reply string) string {
	if strings.HasPrefix(reply, "OK ") {
		return "OK sub=" + e2e.Field(reply, "sub")
	}
	return reply
}

// checkIdentity compares the user in the reply with the user of the specimen.
func checkIdentity(t *testing.T, s *specimen, got string) {
	t.Helper()
	sub, err := protocol.Value([]byte(e2e.Field(got, "sub")))
	if err != nil {
		t.Errorf("%s: sub: %v", s.Name, err)
	}
	if s.Sub != "" && sub != s.Sub {
		t.Errorf("%s: accepted as %q, belongs to %q", s.Name, sub, s.Sub)
	}
	_, body, _ := strings.Cut(got, " {")
	var claims map[string]any
	if err := json.Unmarshal([]byte("{"+body), &claims); err != nil {
		t.Errorf("%s: claims: %v", s.Name, err)
		return
	}
	if s.Claims != nil && !reflect.DeepEqual(claims, s.Claims) {
		t.Errorf("%s: the claims differ from those signed", s.Name)
	}
	if s.Claims != nil && s.Claims["sub"] != sub {
		t.Errorf("%s: accepted as %q, the claims say %v", s.Name, sub, s.Claims["sub"])
	}
}
