package standin

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestADeliveryIsSignedAndSaysWhatThereIs: the body has the user's data.
func TestADeliveryIsSignedAndSaysWhatThereIs(t *testing.T) {
	secret := "whsec_" + base64.StdEncoding.EncodeToString([]byte("24 bytes, as the secrets"))
	var bodies []string
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		bodies = append(bodies, string(body))
		mac := hmac.New(sha256.New, []byte("24 bytes, as the secrets"))
		io.WriteString(mac, r.Header.Get("svix-id")+"."+r.Header.Get("svix-timestamp")+"."+string(body))
		if got := r.Header.Get("svix-signature"); got != "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)) {
			t.Errorf("signed %q", got)
		}
		if !strings.HasPrefix(r.Header.Get("svix-id"), "msg_") || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("headers %v", r.Header)
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	defer receiver.Close()
	s := serve(t, Options{})
	user := s.AddUser(User{Email: "ada@example.org", Team: Team{ID: "team-1"}})
	deliver := func(event string, want int) {
		t.Helper()
		var reply struct{ Status int }
		s.control(t, "POST", "/webhooks", `{"url":"`+receiver.URL+`/hooks/main","secret":"`+secret+`","user":"`+user.ID+`","team":"team-2","event":"`+event+`"}`, want, &reply)
		if want == http.StatusOK && reply.Status != http.StatusNoContent {
			t.Errorf("%s: answered %d", event, reply.Status)
		}
	}
	deliver("", http.StatusOK)
	deliver("user.deleted", http.StatusOK)
	s.DeleteUser(user.ID)
	deliver("user.deleted", http.StatusOK)
	deliver("user.updated", http.StatusNotFound)
	for _, event := range []string{"team_membership.created", "team_permission.deleted", "project_permission.created", "team.updated", "session.revoked"} {
		deliver(event, http.StatusOK)
	}
	for i, want := range []string{
		`{"type":"user.updated","data":{"id":"` + user.ID + `","display_name":`,
		`{"type":"user.deleted","data":{"id":"` + user.ID + `","teams":[{"id":"team-1"}]}}`,
		`{"type":"user.deleted","data":{"id":"` + user.ID + `","teams":[]}}`,
		`{"type":"team_membership.created","data":{"team_id":"team-2","user_id":"` + user.ID + `"}}`,
		`{"type":"team_permission.deleted","data":{"id":"admin","team_id":"team-2","user_id":"` + user.ID + `"}}`,
		`{"type":"project_permission.created","data":{"id":"admin","user_id":"` + user.ID + `"}}`,
		`{"type":"team.updated","data":{"id":"team-2","display_name":`,
		`{"type":"session.revoked","data":{"user_id":"` + user.ID + `"}}`,
	} {
		if i >= len(bodies) || !strings.HasPrefix(bodies[i], want) {
			t.Errorf("delivery %d of %d: want %s", i+1, len(bodies), want)
		}
	}
	for _, form := range []string{
		`{"url":"https://svix.example.org/","secret":"` + secret + `","user":"x"}`,
		`{"url":"http://198.51.100.1/","secret":"` + secret + `","user":"x"}`,
		`{"url":"` + receiver.URL + `","secret":"secret","user":"x"}`,
		`{"url":"` + receiver.URL + `","secret":"whsec_","user":"x"}`,
	} {
		s.control(t, "POST", "/webhooks", form, http.StatusBadRequest, nil)
	}
}
