package webhooks_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/fleet"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

// TestOneDeliveryReachesAllHostsOfAFleet. A host that does not hear the others
// accepts a delivery, and tells them later.
func TestOneDeliveryReachesAllHostsOfAFleet(t *testing.T) {
	place := e2e.NewFolder(t)
	engine := e2e.StartEngine(t, place.Dir)
	u := e2e.NewUpstream(t, standin.Options{TokenLifetime: time.Hour})
	key := fleet.GenerateKey() + "\n"
	var hosts []*e2e.Folder
	for range 3 {
		f := e2e.NewFolder(t)
		f.Write(t, "fleet-key", key)
		e2e.Serve(t, f, e2e.Settings{Tables: []string{
			fmt.Sprintf("[fleet]\nname = \"test\"\nurls = [%q]\nkeys = [\"./fleet-key\"]\n", engine.URL),
			u.Project(t, f, standin.Stack, `profile_fresh = "15m"`),
		}})
		hosts = append(hosts, f)
	}
	awaitFleet(t, hosts)
	h := take(t, hosts[0], secret)
	ask := func(verb, token, want string) {
		t.Helper()
		for i, f := range hosts {
			if reply := e2e.Call(t, f.Socket()).Ask(t, verb+" "+token); !strings.HasPrefix(reply, want) {
				t.Errorf("host %d: %s, want %s", i+1, e2e.Head(reply), want)
			}
		}
	}
	token, ada := u.User("Ada")
	ask("PROFILE", token, "OK")
	u.SetProfile(ada, "display_name", "Countess")
	deliver(t, u, h.url, "user.updated", ada, http.StatusNoContent)
	for _, f := range hosts {
		e2e.Call(t, f.Socket()).Expect(t, "PROFILE "+token, `OK level=profile .*"display_name":"Countess".*`)
	}
	deliver(t, u, h.url, "user.deleted", ada, http.StatusNoContent)
	ask("VERIFY", token, "NO revoked")
	h.counted(t, delivered("user.deleted", "done", 1))

	token, bob := u.User("Bob")
	ask("VERIFY", token, "OK")
	engine.Kill(t)
	await(t, hosts[0], "FLEET", func(reply string) bool { return strings.Contains(reply, `"connected":false`) })
	deliver(t, u, h.url, "user.deleted", bob, http.StatusNoContent) // it is saved here, so another delivery would not help
	h.counted(t, delivered("user.deleted", "partly", 1))
	h.says(t, "told as soon as they can be")
	e2e.Call(t, hosts[0].Socket()).Expect(t, "VERIFY "+token, `NO revoked`)
	e2e.StartEngine(t, place.Dir)
	awaitFleet(t, hosts)
	for _, f := range hosts[1:] {
		await(t, f, "REVOCATIONS", func(reply string) bool { return strings.Contains(reply, bob) })
	}
	ask("VERIFY", token, "NO revoked")
}

func awaitFleet(t testing.TB, hosts []*e2e.Folder) {
	t.Helper()
	for _, f := range hosts {
		await(t, f, "FLEET", func(reply string) bool {
			return strings.Contains(reply, `"connected":true`) && strings.Count(reply, `"state":"heard"`) == len(hosts)-1
		})
	}
}

// await repeats a line on the admin socket until the reply is as wanted.
func await(t testing.TB, f *e2e.Folder, line string, wanted func(reply string) bool) {
	t.Helper()
	admin := e2e.Call(t, f.AdminSocket())
	deadline := time.Now().Add(e2e.Timeout)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for ; ; <-tick.C {
		reply := admin.Ask(t, line)
		if wanted(reply) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: waited in vain, the last reply is %s", line, reply)
		}
	}
}
