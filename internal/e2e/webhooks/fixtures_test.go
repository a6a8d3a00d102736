package webhooks_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/internal/e2e/ports"
)

// fixtures are deliveries that the sender's own code has signed. The secrets and the user
// are the same for all.
type fixtures struct {
	User       string   `json:"user_id"`
	Secrets    []string `json:"secrets"`
	Deliveries []struct {
		Name, Expect string
		At           int64
		Headers      map[string]string
		Body         string
		Effect       map[string]string
	}
}

// statuses returns the statuses of the deliveries that are refused; the others get 204.
func statuses() map[string]int {
	return map[string]int{
		// not signed by anybody who knows the secret
		"wrong-secret": 401, "body-changed": 401, "signature-changed": 401, "id-changed": 401, "timestamp-changed": 401,
		"signature-bare": 401, "signature-v2": 401, "signature-v1a": 401, "signature-truncated": 401,
		// signed at another time
		"old": 400, "early": 400, "very-old": 400,
		// not a delivery
		"milliseconds": 400, "no-signature": 400, "no-id": 400, "no-timestamp": 400, "signature-empty": 400,
		"timestamp-text": 400, "timestamp-tail": 400, "dot-moved": 400,
		// signed, but not an event with one meaning
		"not-json": 400, "empty-body": 400, "array": 400, "no-type": 400, "no-data": 400, "no-id-inside": 400, "id-number": 400, "type-twice": 400,
	}
}

// TestEachGenuineDeliveryHasItsStatusAndItsEffect, through the program and a daemon, at the
// time at which each was signed. -v lists them.
func TestEachGenuineDeliveryHasItsStatusAndItsEffect(t *testing.T) {
	text, err := os.ReadFile("../../../daemon/testdata/upstream/stack/webhooks.json")
	if err != nil {
		t.Fatal(err)
	}
	var all fixtures
	if err := json.Unmarshal(text, &all); err != nil || len(all.Deliveries) < 40 {
		t.Fatalf("%d deliveries: %v", len(all.Deliveries), err)
	}
	f := e2e.NewFolder(t)
	u := e2e.NewUpstream(t, standin.Options{TokenLifetime: time.Hour})
	u.AddUser(standin.User{ID: all.User, Name: "Ada", Email: "ada@example.org", EmailVerified: true})
	e2e.Serve(t, f, e2e.Settings{Tables: []string{u.Project(t, f, standin.Stack, "upstream_rate = 1000")}})
	program := e2e.Build(t, "neonauth-http", "-tags", "steppedclock")
	h := takeWith(t, f, program, ports.Address(t), []string{fmt.Sprint("NEONAUTH_HTTP_FIXED_CLOCK=", all.Deliveries[0].At)}, all.Secrets...)
	token := u.StackToken(standin.TokenSpec{Subject: all.User})
	var list strings.Builder
	caller, admin := e2e.Call(t, f.Socket()), e2e.Call(t, f.AdminSocket())
	for _, d := range all.Deliveries {
		if d.At != all.Deliveries[0].At {
			t.Fatalf("%s is of another time", d.Name)
		}
		admin.Expect(t, "UNREVOKE subject "+all.User, `OK changed=[01] entries=0`)
		caller.Expect(t, "PROFILE "+token, `OK level=profile .*`)
		caller.Expect(t, "PROFILE "+token, `OK level=profile .* source=cache \{.*`)
		want := cmp.Or(statuses()[d.Name], 204)
		status, said := post(t, h.url, d.Headers, d.Body)
		fmt.Fprintf(&list, "%-24s %-7s %d %s\n", d.Name, d.Expect, status, strings.TrimSpace(said))
		if status != want || (status == 204) != (said == "") {
			t.Errorf("%s: status %d, want %d: %q", d.Name, status, want, said)
		}
		if d.Expect == "accept" && want != 204 || d.Expect == "reject" && want == 204 {
			t.Errorf("%s is to be %sed, and %d is expected here", d.Name, d.Expect, want)
		}
		effect := d.Effect
		if want != 204 {
			effect = nil
		}
		reply := e2e.Head(caller.Ask(t, "PROFILE "+token))
		switch source := e2e.Field(reply, "source"); {
		case effect["revoke"] != "":
			if reply != "NO revoked" {
				t.Errorf("%s: not revoked: %s", d.Name, reply)
			}
		case effect["purge"] != "":
			if source != "upstream" {
				t.Errorf("%s: not forgotten: %s", d.Name, reply)
			}
		case source != "cache":
			t.Errorf("%s had an effect: %s", d.Name, reply)
		}
	}
	t.Logf("%d deliveries:\n%s", len(all.Deliveries), &list)
	h.counted(t, delivered("user.deleted", "done", 1), delivered("user.created", "done", 1), delivered("other", "ignored", 2),
		delivered("unread", "bad-signature", 9), delivered("unread", "bad-time", 3), delivered("unread", "bad-headers", 8), delivered("unread", "bad-body", 8))
	h.tellsNothing(t, all.User, "a2a49861@example.org", "primary_email", "server_metadata", "Zo", all.Secrets[0][6:], all.Secrets[1][6:])
	keepsNothing(t, f.Dir, "primary_email")
}
