package neonauthd_test

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

// kidOf reads the key id from a token's header.
func kidOf(t testing.TB, token string) string {
	t.Helper()
	first, _, _ := strings.Cut(token, ".")
	text, err := base64.RawURLEncoding.DecodeString(first)
	e2e.Must(t, err)
	var header struct{ Kid string }
	e2e.Must(t, json.Unmarshal(text, &header))
	return header.Kid
}

// savedKeys waits until the key set of project main is saved, and returns the file and its
// content. A key set is saved after it has come into force.
func savedKeys(t testing.TB, h *e2e.Folder) (path string, content []byte) {
	t.Helper()
	path = h.Path("state/keys-main.json")
	e2e.Until(t, "the key set is saved", func() (is bool) {
		var err error
		content, err = os.ReadFile(path)
		return err == nil
	})
	return path, content
}

func TestDaemonStartsWithoutItsUpstreamAndRecovers(t *testing.T) {
	t.Parallel()
	c := e2e.NewUpstream(t, standin.Options{})
	c.Stop()
	h := e2e.NewFolder(t)
	e2e.Serve(t, h, e2e.Settings{Tables: []string{c.Project(t, h, standin.Stack, quick)}})
	token, _ := c.User("Ada")
	peer := e2e.Call(t, h.Socket())
	peer.Expect(t, "VERIFY "+token, "ERR keys-pending retry-after=[1-9][0-9]*")
	peer.Expect(t, "PROFILE fallback=claims "+token, "ERR keys-pending retry-after=[1-9][0-9]*")
	peer.Expect(t, "VERIFY not-a-token", "NO malformed")
	e2e.Call(t, h.AdminSocket()).Expect(t, "EXPLAIN "+token, `OK \{.*"outcome":"unknown","reason":"keys-pending".*\}`)
	c.Open(t, c.Address())
	c.Await(t, standin.StackKeys, 1)
	peer.Expect(t, "VERIFY "+token, "OK .* source=upstream .*")
}

func TestRestartDuringAnOutageVerifiesFromTheStateDirectory(t *testing.T) {
	t.Parallel()
	c, h, i := serving(t, quick)
	token, _ := c.User("Ada")
	revoked, _ := c.User("Bob")
	peer, admin := e2e.Call(t, h.Socket()), e2e.Call(t, h.AdminSocket())
	peer.Expect(t, "VERIFY "+token, "OK .*")
	admin.Expect(t, "REVOKE token "+revoked, "OK changed=1 entries=1")
	c.Stop()
	savedKeys(t, h)
	for _, how := range []func(){
		func() { i.Kill(t) },
		func() { i.Signal(t, syscall.SIGTERM); i.AwaitEnd(t) },
	} {
		how()
		i = h.Start(t)
		peer, admin = e2e.Call(t, h.Socket()), e2e.Call(t, h.AdminSocket())
		peer.Expect(t, "VERIFY "+token, "OK .*")
		peer.Expect(t, "VERIFY "+revoked, "NO revoked")
		peer.Expect(t, "VERIFY "+c.Strange("stranger"), "ERR keys-pending .*")
		e2e.Matches(t, admin.Ask(t, "KEYS"), `OK .*"source":"(cache|stale)".*`)
	}
	admin.Expect(t, "UNREVOKE token "+revoked, "OK changed=1 entries=0")
	i.Kill(t)
	h.Start(t)
	e2e.Call(t, h.Socket()).Expect(t, "VERIFY "+revoked, "OK .*")
}

// TestDamagedStateIsNotTrusted damages the files that a former run has left.
func TestDamagedStateIsNotTrusted(t *testing.T) {
	t.Parallel()
	c, h, i := serving(t, quick)
	token, _ := c.User("Ada")
	e2e.Call(t, h.Socket()).Expect(t, "VERIFY "+token, "OK .*")
	saved, whole := savedKeys(t, h)
	i.Kill(t)
	c.Stop()
	for name, text := range map[string]string{
		"cut":     string(whole[:len(whole)/2]),
		"empty":   "",
		"garbage": "\x00\x01\x02",
		"foreign": strings.Replace(string(whole), c.Address(), "127.0.0.1:1", 1),
		"future":  strings.Replace(string(whole), `"fetched":"2`, `"fetched":"3`, 1),
		"old":     strings.Replace(string(whole), `"fetched":"2`, `"fetched":"1`, 1),
	} {
		e2e.Must(t, os.WriteFile(saved, []byte(text), 0o600))
		i = h.Start(t)
		peer := e2e.Call(t, h.Socket())
		if got := peer.Ask(t, "VERIFY deadline=30000 "+token); !strings.HasPrefix(got, "ERR keys-pending ") {
			t.Errorf("%s: %s", name, e2e.Head(got))
		}
		i.Kill(t)
	}
	e2e.Must(t, os.WriteFile(saved, whole, 0o600))
	e2e.Must(t, os.WriteFile(h.Path("state/revocations.journal"), []byte("{\"op\":\"revo\n{}\n"), 0o600))
	broken := h.Launch(t)
	if code := broken.AwaitEnd(t); code != 1 {
		t.Errorf("with a damaged journal it ended with status %d", code)
	}
	if told := broken.Stderr.String(); !strings.Contains(told, "revocations.seal says that there was a newer one") {
		t.Errorf("it wrote %q", told)
	}
	e2e.Must(t, os.Remove(h.Path("state/revocations.seal")))
	broken = h.Launch(t)
	broken.AwaitEnd(t)
	if told := broken.Stderr.String(); !strings.Contains(told, "damaged in line 1") {
		t.Errorf("it wrote %q", told)
	}
}

func TestProfileIsServedStaleWhileTheUpstreamFails(t *testing.T) {
	t.Parallel()
	c := e2e.NewUpstream(t, standin.Options{})
	h := e2e.NewFolder(t)
	e2e.Serve(t, h, e2e.Settings{Tables: []string{c.Project(t, h, standin.Stack, "profile_fresh = \"1s\"\nupstream_timeout = \"4s\"")}})
	c.SelfTested(t)
	token, _ := c.User("Ada")
	other, _ := c.User("Bob")
	peer := e2e.Call(t, h.Socket())
	peer.Expect(t, "PROFILE "+token, "OK level=profile .* source=upstream .*")
	c.Inject(standin.Me, standin.Fault{Kind: standin.Status, Status: 503})
	for deadline := time.Now().Add(e2e.Timeout); ; {
		got := peer.Ask(t, "PROFILE "+token)
		e2e.Matches(t, got, "OK level=profile .* source=(cache|stale) .*")
		if e2e.Field(got, "source") == "stale" {
			e2e.Matches(t, got, `OK level=profile .* age=[1-9]\d* ttl=0 .* source=stale .*`)
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("never stale: %s", e2e.Head(got))
		}
	}
	peer.Expect(t, "PROFILE max-age=0 "+token, "ERR unavailable.*")
	peer.Expect(t, "PROFILE max-age=0 fallback=claims "+token, "OK level=claims .*")
	peer.Expect(t, "PROFILE "+other, "ERR unavailable.*")
	peer.Expect(t, "PROFILE fallback=claims "+other, "OK level=claims .*")
	peer.Expect(t, "VERIFY "+other, "OK level=claims .*")
}
