package client_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
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

// TestSharedUsers plays the cases that clients of other languages play too.
func TestSharedUsers(t *testing.T) {
	httpauthtest.PlayUsers(t, "testdata/user/cases.json", func(t *testing.T, asks *client.Client, token string, c httpauthtest.UserCase) {
		ask := asks.Verify
		if c.Level == client.LevelProfile.String() {
			ask = asks.Profile
		}
		answer := ask(t.Context(), token, client.Deadline(testTimeout))
		a, ok := answer.(client.Accepted)
		if !ok {
			t.Fatal(answer)
		}
		text, err := json.Marshal(a.User())
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatal(err)
		}
		if c.User["scopes"] == nil {
			c.User["scopes"] = []any{}
		}
		if !reflect.DeepEqual(got, c.User) {
			t.Errorf("%v, want %v", got, c.User)
		}
	})
}

// TestAMachineIsNoUser: neither is a team. A guard admits them only if it names these
// kinds.
func TestAMachineIsNoUser(t *testing.T) {
	for principal, want := range map[string]client.Kind{
		"": client.KindNormal, protocol.PrincipalUser: client.KindNormal, protocol.PrincipalMachine: client.KindMachine,
		protocol.PrincipalTeam: client.KindTeam, "robot": client.KindUnknown,
	} {
		a := client.Accepted{Level: client.LevelClaims, Subject: "x", Principal: principal, JSON: []byte(`{"sub":"x"}`)}
		u := a.User()
		if u.Kind != want {
			t.Errorf("%q is of kind %q, want %q", principal, u.Kind, want)
		}
		let := (&httpauth.Requirements{}).Unmet(u) == ""
		if let != (want == client.KindNormal) {
			t.Errorf("%q is let in by a guard that asks for nothing: %t", principal, let)
		}
		if named := (&httpauth.Requirements{Kinds: []client.Kind{want}}).Unmet(u); want != client.KindUnknown && named != "" {
			t.Errorf("%q is refused by a guard that names it: %s", principal, named)
		}
	}
}

// TestPrintedUsersHideWhoTheyAre: a user ends up in logs too.
func TestPrintedUsersHideWhoTheyAre(t *testing.T) {
	u := client.User{ID: "canary", Email: "canary", Name: "canary", ImageURL: "canary", TeamID: "canary", SessionID: "canary", Kind: client.KindNormal}
	var logged bytes.Buffer
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("x", "user", u)
	for _, text := range []string{fmt.Sprint(u), fmt.Sprintf("%+v", u), fmt.Sprintf("%#v", u), logged.String()} {
		if strings.Contains(text, "canary") || !strings.Contains(text, "kind=normal") {
			t.Errorf("it prints as %s", text)
		}
	}
	if s := (client.User{}).String(); s != "user kind=unknown" {
		t.Errorf("the zero user prints as %q", s)
	}
	if s := client.FlagUnknown.String() + client.KindUnknown.String(); s != "" {
		t.Errorf("what is not known prints as %q", s)
	}
}

// An answer that was made by hand may lack members; its user then has only what the
// answer holds.
func TestAUserOfAnAnswerMadeByHand(t *testing.T) {
	for name, a := range map[string]client.Accepted{
		"zero":     {},
		"no JSON":  {Level: client.LevelProfile, Subject: "u", JSON: []byte("}{")},
		"cut JSON": {Level: client.LevelClaims, Subject: "u", JSON: []byte(`{"email":"a@example.org`)},
	} {
		if u := a.User(); u.ID != a.Subject || u.Email != "" || u.SessionID != "" || u.EmailVerified != client.FlagUnknown {
			t.Errorf("%s: %#v", name, u)
		}
	}
}

// TestShapesAreWhatUpstreamsSend decodes what Stack Auth and Better Auth send into the
// types for it. No member may be left over.
func TestShapesAreWhatUpstreamsSend(t *testing.T) {
	decoded := map[string]int{}
	httpauthtest.PlayUsers(t, "testdata/user/cases.json", func(t *testing.T, _ *client.Client, _ string, c httpauthtest.UserCase) {
		for prefix, into := range map[string]interface{ subject() string }{
			"Stack claims": new(stackClaims), "Stack profile": new(stackProfile),
			"Better Auth claims": new(neonClaims), "Better Auth session": new(neonProfile),
		} {
			if !strings.HasPrefix(c.Name, prefix) || strings.Contains(c.Name, "future") {
				continue
			}
			d := json.NewDecoder(strings.NewReader(c.JSON))
			d.DisallowUnknownFields()
			if err := d.Decode(into); err != nil || into.subject() != c.Subject {
				t.Errorf("%v, for %q", err, into.subject())
			}
			decoded[prefix]++
		}
	})
	for _, prefix := range []string{"Stack claims", "Stack profile", "Better Auth claims", "Better Auth session"} {
		if decoded[prefix] < 2 {
			t.Errorf("%d cases of %s are few", decoded[prefix], prefix)
		}
	}
}

type (
	stackClaims  client.StackClaims
	stackProfile client.StackProfile
	neonClaims   client.NeonClaims
	neonProfile  client.NeonProfile
)

func (c *stackClaims) subject() string  { return c.Subject }
func (c *stackProfile) subject() string { return c.ID }
func (c *neonClaims) subject() string   { return c.Subject }
func (c *neonProfile) subject() string  { return c.ID }

func TestTheClaimsOfTheTokenStandBesideAProfile(t *testing.T) {
	httpauthtest.PlayUsers(t, "testdata/user/cases.json", func(t *testing.T, asks *client.Client, token string, c httpauthtest.UserCase) {
		if c.Level != client.LevelProfile.String() {
			return
		}
		a, ok := asks.Profile(t.Context(), token, client.Deadline(testTimeout)).(client.Accepted)
		if !ok {
			t.Fatal("not accepted")
		}
		want := ""
		var compact bytes.Buffer
		if c.Claims != nil && json.Compact(&compact, []byte(*c.Claims)) == nil {
			want = compact.String()
		}
		if got := string(a.Claims()); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
}

// TestTheSameUser: what is computed from the user of one answer holds for another one only
// if the answers differ in nothing but time.
func TestTheSameUser(t *testing.T) {
	a := client.Accepted{
		Level: client.LevelClaims, Project: "p", Subject: "s", Principal: protocol.PrincipalUser, Age: 1, TTL: 2, Expires: time.Unix(3, 0),
		Source: client.SourceCache, Heard: 4, JSON: json.RawMessage(`{}`),
	}
	ofTime := []string{"Age", "TTL", "Expires", "Source", "Heard"}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[client.Accepted]()) {
		b := a
		if !field.IsExported() {
			b = client.WithPayload(b, "x")
		} else {
			reflect.ValueOf(&b).Elem().FieldByIndex(field.Index).SetZero()
		}
		if want := slices.Contains(ofTime, field.Name); a.SameUser(b) != want || b.SameUser(a) != want {
			t.Errorf("without %s the same user: %t", field.Name, !want)
		}
	}
	if b := a; !a.SameUser(b) {
		t.Error("an answer is not of the same user as itself")
	}
}
