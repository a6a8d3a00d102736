package main_test

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin"
)

// kidOf reads the key id from a token's header.
func kidOf(t testing.TB, token string) string {
	t.Helper()
	first, _, _ := strings.Cut(token, ".")
	text, err := base64.RawURLEncoding.DecodeString(first)
	must(t, err)
	var header struct{ Kid string }
	must(t, json.Unmarshal(text, &header))
	return header.Kid
}

func TestDaemonStartsWithoutItsUpstreamAndRecovers(t *testing.T) {
	t.Parallel()
	c := newCloud(t, standin.Options{})
	c.stop()
	h := newHome(t)
	serve(t, h, settings{tables: []string{c.project(t, h, standin.Stack, quick)}})
	token, _ := c.user("Ada")
	peer := call(t, h.socket())
	peer.expect(t, "VERIFY "+token, "ERR keys-pending retry-after=[1-9][0-9]*")
	peer.expect(t, "PROFILE fallback=claims "+token, "ERR keys-pending retry-after=[1-9][0-9]*")
	peer.expect(t, "VERIFY not-a-token", "NO malformed")
	call(t, h.adminSocket()).expect(t, "EXPLAIN "+token, `OK \{.*"outcome":"unknown","reason":"keys-pending".*\}`)
	c.open(t, c.address())
	c.await(t, standin.StackKeys, 1)
	peer.expect(t, "VERIFY "+token, "OK .* source=upstream .*")
}

func TestRestartDuringAnOutageVerifiesFromTheStateDirectory(t *testing.T) {
	t.Parallel()
	c := newCloud(t, standin.Options{})
	h := newHome(t)
	i := serve(t, h, settings{tables: []string{c.project(t, h, standin.Stack, quick)}})
	token, _ := c.user("Ada")
	revoked, _ := c.user("Bob")
	peer, admin := call(t, h.socket()), call(t, h.adminSocket())
	peer.expect(t, "VERIFY "+token, "OK .*")
	admin.expect(t, "REVOKE token "+revoked, "OK changed=1 entries=1")
	c.stop()
	for _, how := range []func(){
		func() { i.kill(t) },
		func() { i.signal(t, syscall.SIGTERM); i.awaitEnd(t) },
	} {
		how()
		i = start(t, h)
		peer, admin = call(t, h.socket()), call(t, h.adminSocket())
		peer.expect(t, "VERIFY "+token, "OK .*")
		peer.expect(t, "VERIFY "+revoked, "NO revoked")
		peer.expect(t, "VERIFY "+c.strange("stranger"), "ERR keys-pending .*")
		matches(t, admin.ask(t, "KEYS"), `OK .*"source":"(cache|stale)".*`)
	}
	admin.expect(t, "UNREVOKE token "+revoked, "OK changed=1 entries=0")
	i.kill(t)
	start(t, h)
	call(t, h.socket()).expect(t, "VERIFY "+revoked, "OK .*")
}

// TestDamagedStateIsNotTrusted damages what a former run has left.
func TestDamagedStateIsNotTrusted(t *testing.T) {
	t.Parallel()
	c := newCloud(t, standin.Options{})
	h := newHome(t)
	i := serve(t, h, settings{tables: []string{c.project(t, h, standin.Stack, quick)}})
	token, _ := c.user("Ada")
	call(t, h.socket()).expect(t, "VERIFY "+token, "OK .*")
	i.kill(t)
	c.stop()
	saved := h.path("state/keys-main.json")
	whole, err := os.ReadFile(saved)
	must(t, err)
	for name, text := range map[string]string{
		"cut":     string(whole[:len(whole)/2]),
		"empty":   "",
		"garbage": "\x00\x01\x02",
		"foreign": strings.Replace(string(whole), c.address(), "127.0.0.1:1", 1),
		"future":  strings.Replace(string(whole), `"fetched":"2`, `"fetched":"3`, 1),
		"old":     strings.Replace(string(whole), `"fetched":"2`, `"fetched":"1`, 1),
	} {
		must(t, os.WriteFile(saved, []byte(text), 0o600))
		i = start(t, h)
		peer := call(t, h.socket())
		if got := peer.ask(t, "VERIFY "+token); !strings.HasPrefix(got, "ERR keys-pending ") {
			t.Errorf("%s: %s", name, head(got))
		}
		i.kill(t)
	}
	must(t, os.WriteFile(saved, whole, 0o600))
	must(t, os.WriteFile(h.path("state/revocations.journal"), []byte("{\"op\":\"revo\n{}\n"), 0o600))
	broken := launch(t, h)
	if code := broken.awaitEnd(t); code != 1 {
		t.Errorf("with a damaged journal it ended with status %d", code)
	}
	if told := broken.stderr.String(); !strings.Contains(told, "revocations.seal says that there was a newer one") {
		t.Errorf("it wrote %q", told)
	}
	must(t, os.Remove(h.path("state/revocations.seal")))
	broken = launch(t, h)
	broken.awaitEnd(t)
	if told := broken.stderr.String(); !strings.Contains(told, "damaged in line 1") {
		t.Errorf("it wrote %q", told)
	}
}

func TestProfileIsServedStaleWhileTheUpstreamFails(t *testing.T) {
	t.Parallel()
	c := newCloud(t, standin.Options{})
	h := newHome(t)
	serve(t, h, settings{tables: []string{c.project(t, h, standin.Stack, "profile_fresh = \"1s\"\nupstream_timeout = \"500ms\"")}})
	c.selfTested(t)
	token, _ := c.user("Ada")
	other, _ := c.user("Bob")
	peer := call(t, h.socket())
	peer.expect(t, "PROFILE "+token, "OK level=profile .* source=upstream .*")
	c.Inject(standin.Me, standin.Fault{Kind: standin.Status, Status: 503})
	for deadline := time.Now().Add(patience); ; {
		got := peer.ask(t, "PROFILE "+token)
		matches(t, got, "OK level=profile .* source=(cache|stale) .*")
		if field(got, "source") == "stale" {
			matches(t, got, `OK level=profile .* age=[1-9]\d* ttl=0 .* source=stale .*`)
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("never stale: %s", head(got))
		}
	}
	peer.expect(t, "PROFILE max-age=0 "+token, "ERR unavailable.*")
	peer.expect(t, "PROFILE max-age=0 fallback=claims "+token, "OK level=claims .*")
	peer.expect(t, "PROFILE "+other, "ERR unavailable.*")
	peer.expect(t, "PROFILE fallback=claims "+other, "OK level=claims .*")
	peer.expect(t, "VERIFY "+other, "OK level=claims .*")
}
