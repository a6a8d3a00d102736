package webhooks_test

import (
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

// host is a daemon with its upstream, and the program that accepts webhooks for it.
type host struct {
	*e2e.Folder
	*e2e.Upstream
	daemon *e2e.Process
	taker  *taker
}

func newHost(t *testing.T) *host {
	t.Helper()
	h := &host{Folder: e2e.NewFolder(t), Upstream: e2e.NewUpstream(t, standin.Options{TokenLifetime: time.Hour})}
	// profile_fresh has the value that docs/operating.md recommends with webhooks.
	h.daemon = e2e.Serve(t, h.Folder, e2e.Settings{Tables: []string{h.Project(t, h.Folder, standin.Stack, `profile_fresh = "15m"`, `api_keys = ["user"]`)}})
	h.taker = take(t, h.Folder, secret)
	return h
}

// deliver makes the stand-in send a webhook.
func (h *host) deliver(t testing.TB, event, user string, want int) {
	t.Helper()
	deliver(t, h.Upstream, h.taker.url, event, user, want)
}

func deliver(t testing.TB, u *e2e.Upstream, url, event, user string, want int) {
	t.Helper()
	status, err := u.Deliver(t.Context(), standin.Webhook{URL: url, Secret: secret, Event: event, User: user})
	if err != nil || status != want {
		t.Fatalf("%s: status %d, want %d (%v)", event, status, want, err)
	}
}

func TestAChangedProfileIsSeenAtOnce(t *testing.T) {
	h := newHost(t)
	token, ada := h.User("Ada")
	c := e2e.Call(t, h.Socket())
	c.Expect(t, "PROFILE "+token, `OK level=profile .*"display_name":"Ada".*`)
	h.SetProfile(ada, "display_name", "Countess")
	c.Expect(t, "PROFILE "+token, `OK level=profile .* source=cache .*"display_name":"Ada".*`)
	h.deliver(t, "user.updated", ada, http.StatusNoContent)
	c.Expect(t, "PROFILE "+token, `OK level=profile .* source=upstream .*"display_name":"Countess".*`)
}

// TestNobodyIsADeletedUserAgain: not with a token that the daemon knows, not with another
// one issued before, not with an API key, and not after a restart.
func TestNobodyIsADeletedUserAgain(t *testing.T) {
	h := newHost(t)
	token, ada := h.User("Ada")
	unseen := h.StackToken(standin.TokenSpec{Subject: ada})
	key := h.APIKey(standin.APIKeySpec{User: ada})
	other, _ := h.User("Bob")
	c := e2e.Call(t, h.Socket())
	c.Expect(t, "PROFILE "+token, `OK level=profile .*`)
	c.Expect(t, "PROFILE "+key, `OK level=profile .*`)
	h.DeleteUser(ada)
	c.Expect(t, "PROFILE "+token, `OK level=profile .*`) // without the webhook the deleted user is still accepted
	h.deliver(t, "user.deleted", ada, http.StatusNoContent)
	for range 2 {
		for _, line := range []string{"VERIFY " + token, "PROFILE " + token, "VERIFY " + unseen, "PROFILE " + unseen} {
			c.Expect(t, line, `NO revoked`)
		}
		c.Expect(t, "PROFILE "+key, `NO (revoked|rejected-upstream)`)
		c.Expect(t, "VERIFY "+other, `OK .*`)
		e2e.Call(t, h.AdminSocket()).Expect(t, "REVOCATIONS", `OK \{"entries":1,.*"kind":"subject","value":"`+ada+`".*"reason":"user deleted \(webhook\)"\}.*`)
		h.deliver(t, "user.deleted", ada, http.StatusNoContent) // as if the sender had got no answer
		h.daemon.Stop(t)
		h.daemon = h.Start(t)
		c = e2e.Call(t, h.Socket())
	}
	h.taker.tellsNothing(t, ada)
}

// TestANewUserIsNotRememberedAsNotThere if somebody asked about the user a moment too
// early.
func TestANewUserIsNotRememberedAsNotThere(t *testing.T) {
	h := newHost(t)
	const id = "3f6cf2c3-5d6b-4f0c-8a7e-0a9d5c0e4b11"
	token := h.StackToken(standin.TokenSpec{Subject: id})
	c := e2e.Call(t, h.Socket())
	c.Expect(t, "PROFILE "+token, `NO user-not-found`)
	h.AddUser(standin.User{ID: id, Email: "eve@example.org"})
	c.Expect(t, "PROFILE "+token, `NO user-not-found`)
	h.deliver(t, "user.created", id, http.StatusNoContent)
	c.Expect(t, "PROFILE "+token, `OK level=profile .*`)
}

// TestWhatTheDaemonHasNotDoneIsAskedForAgain: the daemon is away, has another
// configuration, or cannot save.
func TestWhatTheDaemonHasNotDoneIsAskedForAgain(t *testing.T) {
	h := newHost(t)
	token, ada := h.User("Ada")
	if code, text := h.taker.ask(t, "/readyz"); code != http.StatusOK {
		t.Errorf("ready: %d %s", code, text)
	}
	h.daemon.Stop(t)
	h.deliver(t, "user.deleted", ada, http.StatusServiceUnavailable)
	h.taker.counted(t, delivered("user.deleted", "unavailable", 1), "neonauth_hooks_daemon_reachable 0")
	if code, _ := h.taker.ask(t, "/readyz"); code != http.StatusServiceUnavailable {
		t.Errorf("ready without a daemon: %d", code)
	}
	h.daemon = h.Start(t)
	e2e.Call(t, h.Socket()).Expect(t, "VERIFY "+token, `OK .*`)
	h.deliver(t, "user.deleted", ada, http.StatusNoContent)
	e2e.Call(t, h.Socket()).Expect(t, "VERIFY "+token, `NO revoked`)
	h.taker.counted(t, delivered("user.deleted", "done", 1), "neonauth_hooks_daemon_reachable 1")

	_, bob := h.User("Bob")
	journal := h.Path("state/revocations.journal")
	saved, err := os.ReadFile(journal)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(journal); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(journal, 0o700); err != nil { // the daemon cannot write to a folder
		t.Fatal(err)
	}
	h.deliver(t, "user.deleted", bob, http.StatusServiceUnavailable)
	if err := os.Remove(journal); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(journal, saved, 0o600); err != nil {
		t.Fatal(err)
	}
	h.deliver(t, "user.deleted", bob, http.StatusNoContent)

	wrong := strings.Replace(readFile(t, h.Config()), `name = "main"`, `name = "other"`, 1)
	h.Write(t, "neonauthd.toml", wrong)
	h.daemon.Reload(t)
	h.deliver(t, "user.updated", bob, http.StatusServiceUnavailable)
	h.taker.says(t, "give it the name that it has in neonauthd.toml")
	if code, text := h.taker.ask(t, "/readyz"); code != http.StatusServiceUnavailable || !strings.Contains(text, "has no project main, whose webhooks are to come here; it has other") {
		t.Errorf("ready: %d %s", code, text)
	}
	h.taker.Stop(t)
	h.taker = take(t, h.Folder, secret)
	h.taker.says(t, "deliveries cannot be followed") // before the first delivery comes
}

// TestAFrozenDaemonIsGivenUpBeforeTheSenderGivesUp.
func TestAFrozenDaemonIsGivenUpBeforeTheSenderGivesUp(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	_, ada := h.User("Ada")
	h.daemon.Freeze(t)
	h.deliver(t, "user.deleted", ada, http.StatusServiceUnavailable) // the stand-in waits for 15 seconds, as Svix does
	if err := h.daemon.Cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	h.deliver(t, "user.deleted", ada, http.StatusNoContent)
}

// TestOtherRequestsAreRefused and change nothing.
func TestOtherRequestsAreRefused(t *testing.T) {
	h := newHost(t)
	base := strings.TrimSuffix(h.taker.url, "/hooks/main")
	for path, want := range map[string]int{
		"/": 404, "/hooks": 404, "/hooks/": 404, "/hooks/other": 404, "/hooks/main/": 404, "/hooks/main/x": 404, "/hooks//main": 404, "/Hooks/main": 404,
		"/healthz": 404, "/metrics": 404, "/nginx": 404, "/hooks/main": 400,
	} {
		if status, _ := post(t, base+path, nil, "{}"); status != want {
			t.Errorf("POST %s: %d, want %d", path, status, want)
		}
	}
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodOptions, "PURGE"} {
		r, err := http.NewRequestWithContext(t.Context(), method, h.taker.url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if status, _ := send(t, http.DefaultClient, r); status != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", method, status)
		}
	}
	h.taker.counted(t, delivered("unread", "bad-method", 6), delivered("unread", "bad-headers", 1), `neonauth_hooks_deliveries_total{project="",event="unread",result="no-project"} 11`)
}

// TestASecretIsReplacedWithoutALostDelivery: one file has the old and the new secret, and
// after a restart both are valid.
func TestASecretIsReplacedWithoutALostDelivery(t *testing.T) {
	h := newHost(t)
	_, ada := h.User("Ada")
	deliverAs := func(with string, want int) {
		t.Helper()
		status, err := h.Deliver(t.Context(), standin.Webhook{URL: h.taker.url, Secret: with, User: ada})
		if err != nil || status != want {
			t.Errorf("status %d, want %d (%v)", status, want, err)
		}
	}
	deliverAs(otherSecret, http.StatusUnauthorized)
	h.taker.Signal(t, syscall.SIGHUP) // it neither reloads nor ends the program
	h.taker.says(t, "restart to have the configuration and the secrets read")
	h.taker.Stop(t)
	h.taker = take(t, h.Folder, secret, otherSecret)
	deliverAs(secret, http.StatusNoContent)
	deliverAs(otherSecret, http.StatusNoContent)
	h.taker.Stop(t)
	h.taker = take(t, h.Folder, otherSecret)
	deliverAs(secret, http.StatusUnauthorized)
	deliverAs(otherSecret, http.StatusNoContent)
}

func readFile(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
