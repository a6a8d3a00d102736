package neonauthd_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
)

// quick is configuration for a project that fetches its key sets often.
const quick = "jwks_cooldown = \"100ms\"\nupstream_timeout = \"4s\"\n"

// provoke asks about key ids that do not exist until this has caused a fetch,
// and the fetch has ended. It returns the last reply.
func provoke(t *testing.T, c *e2e.Upstream, peer *e2e.Caller, name string) string {
	t.Helper()
	before := c.Calls(standin.StackKeys)
	deadline := time.Now().Add(e2e.Timeout)
	for n := 0; ; n++ {
		got := peer.Ask(t, "VERIFY "+c.Strange(fmt.Sprintf("%s%04d", name, n)))
		if c.Calls(standin.StackKeys) > before {
			ctx, cancel := context.WithTimeout(context.Background(), e2e.Timeout)
			defer cancel()
			e2e.Must(t, c.AwaitIdle(ctx, standin.StackKeys))
			return got
		}
		if time.Now().After(deadline) {
			t.Fatalf("no fetch; the last reply was %q", got)
		}
	}
}

// TestBadKeySetsNeitherReplaceNorBlockGoodOnes serves every kind of bad answer
// instead of the key set.
func TestBadKeySetsNeitherReplaceNorBlockGoodOnes(t *testing.T) {
	t.Parallel()
	var strayed atomic.Int64
	trap := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { strayed.Add(1) }))
	defer trap.Close()
	faults := map[string]standin.Fault{
		"empty":           {Kind: standin.EmptyKeys},
		"huge":            {Kind: standin.Huge},
		"gzip bomb":       {Kind: standin.GzipBomb},
		"endless headers": {Kind: standin.EndlessHeaders},
		"garbage":         {Kind: standin.Garbage},
		"truncated":       {Kind: standin.Truncate},
		"drip":            {Kind: standin.Drip},
		"hang":            {Kind: standin.Hang},
		"reset":           {Kind: standin.Reset},
		"server error":    {Kind: standin.Status, Status: 500},
		"not found":       {Kind: standin.Status, Status: 404},
		"too many":        {Kind: standin.Status, Status: 429, RetryAfter: "1"},
		"other JSON":      {Kind: standin.Answer, Header: http.Header{"Content-Type": {"application/json"}}, Body: `{"keys":{"a":1}}`},
		"array":           {Kind: standin.Answer, Header: http.Header{"Content-Type": {"application/json"}}, Body: `[]`},
		"no body":         {Kind: standin.Answer, Header: http.Header{"Content-Type": {"application/json"}}},
		"unasked 304":     {Kind: standin.Answer, Status: 304},
		"204":             {Kind: standin.Answer, Status: 204},
	}
	for _, status := range []int{301, 302, 303, 307, 308} {
		faults[fmt.Sprint("redirect ", status)] = standin.Fault{Kind: standin.Redirect, Status: status, Location: trap.URL}
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, h, i := serving(t, quick)
			peer := e2e.Call(t, h.Socket())
			known, _ := c.User("Ada")
			peer.Expect(t, "VERIFY "+known, "OK .*")
			before := memory(t, i)
			c.Inject(standin.StackKeys, fault)
			if got := provoke(t, c, peer, "bad"); !strings.HasPrefix(got, "ERR keys-pending") {
				t.Errorf("a fetch that failed proves nothing, and the reply was %q", got)
			}
			fresh, _ := c.User("Bob")
			peer.Expect(t, "VERIFY "+known, "OK .* source=cache .*")
			peer.Expect(t, "VERIFY "+fresh, "OK .* source=upstream .*")
			if grown := memory(t, i) - before; grown > 64<<20 {
				t.Errorf("%d MiB more resident", grown>>20)
			}
			c.ClearAll()
			if got := provoke(t, c, peer, "good"); !strings.HasPrefix(got, "NO unknown-key") && !strings.HasPrefix(got, "ERR keys-pending ") {
				t.Errorf("got %q", got)
			}
			awaitKeys(t, h, `"failures":0`)
			peer.Expect(t, "VERIFY "+known, "OK .* source=cache .*")
		})
	}
	t.Cleanup(func() {
		if n := strayed.Load(); n > 0 {
			t.Errorf("%d redirects were followed", n)
		}
	})
}

// awaitKeys repeats KEYS until the reply contains a text.
func awaitKeys(t *testing.T, h *e2e.Folder, text string) string {
	t.Helper()
	admin := e2e.Call(t, h.AdminSocket())
	for deadline := time.Now().Add(e2e.Timeout); ; {
		got := admin.Ask(t, "KEYS")
		if strings.Contains(got, text) {
			return got
		}
		if time.Now().After(deadline) {
			t.Fatalf("KEYS never says %s: %s", text, got)
		}
	}
}

func TestOddKeysAmongGoodOnesAreSkippedAndCounted(t *testing.T) {
	t.Parallel()
	c := e2e.NewUpstream(t, standin.Options{})
	c.Inject(standin.StackKeys, standin.Fault{Kind: standin.OddKeys})
	h := e2e.NewFolder(t)
	e2e.Serve(t, h, e2e.Settings{Tables: []string{c.Project(t, h, standin.Stack)}})
	token, _ := c.User("Ada")
	e2e.Call(t, h.Socket()).Expect(t, "VERIFY "+token, "OK .*")
	got := e2e.Call(t, h.AdminSocket()).Ask(t, "KEYS")
	if n := strings.Count(got, `"why":`); n < 10 {
		t.Errorf("%d keys skipped: %s", n, got)
	}
	if n := strings.Count(got, `"thumbprint":`); n != len(c.KeyIDs(standin.Stack)) {
		t.Errorf("%d keys in use: %s", n, got)
	}
}

func TestHangingUpstreamDelaysNoHitAndNoKnownKey(t *testing.T) {
	t.Parallel()
	c := e2e.NewUpstream(t, standin.Options{})
	h := e2e.NewFolder(t)
	e2e.Serve(t, h, e2e.Settings{Tables: []string{c.Project(t, h, standin.Stack, "jwks_cooldown = \"100ms\"\nupstream_timeout = \"20s\"")}})
	asked := c.SelfTested(t)
	peer, stuck := e2e.Call(t, h.Socket()), e2e.Call(t, h.Socket())
	known, _ := c.User("Ada")
	peer.Expect(t, "PROFILE "+known, "OK .*")
	c.Inject(standin.Any, standin.Fault{Kind: standin.Hang})
	late, _ := c.User("Bob")
	stuck.Send(t, "@k VERIFY deadline=20000 "+c.Strange("stranger")+"\n@p PROFILE deadline=20000 "+late+"\n")
	c.Await(t, standin.StackKeys, 2)
	c.Await(t, standin.Me, asked+2)
	began := time.Now()
	for range 50 {
		fresh, _ := c.User("Cid")
		peer.Expect(t, "VERIFY "+known, "OK .* source=cache .*")
		peer.Expect(t, "PROFILE "+known, "OK level=profile .* source=cache .*")
		peer.Expect(t, "VERIFY "+fresh, "OK .* source=upstream .*")
		peer.Expect(t, "PROFILE deadline=50 fallback=claims "+fresh, "OK level=claims .*")
		stuck.Expect(t, "@h VERIFY "+known, "@h OK .* source=cache .*")
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("250 answers took %v", took)
	}
	peer.Expect(t, "VERIFY deadline=50 "+c.Strange("stranger2"), "ERR (deadline|keys-pending).*")
	peer.Expect(t, "PROFILE deadline=50 "+late, "ERR deadline.*")
	c.ClearAll()
	c.Stop()
	stuck.Reply(t)
	stuck.Reply(t)
}

func TestWithdrawnKeyKillsItsVerdictsAtOnce(t *testing.T) {
	t.Parallel()
	c, h, _ := serving(t, quick)
	peer := e2e.Call(t, h.Socket())
	var old, next []string
	for n := range 50 {
		u := c.AddUser(standin.User{Name: fmt.Sprintf("User%d", n)})
		old = append(old, c.StackToken(standin.TokenSpec{Subject: u.ID}))
		next = append(next, c.StackToken(standin.TokenSpec{Subject: u.ID, NextKey: true}))
		peer.Expect(t, "VERIFY "+old[n], "OK .* source=upstream .*")
		peer.Expect(t, "PROFILE "+next[n], "OK .*")
	}
	kid := kidOf(t, old[0])
	if !c.WithdrawKey(kid) {
		t.Fatalf("no key %s to withdraw", kid)
	}
	provoke(t, c, peer, "any")
	awaitNoKey(t, h, kid)
	for n := range old {
		e2e.Matches(t, peer.Ask(t, "VERIFY "+old[n]), "(NO unknown-key|ERR keys-pending .*)")
		e2e.Matches(t, peer.Ask(t, "PROFILE fallback=claims "+old[n]), "(NO unknown-key|ERR keys-pending .*)")
		peer.Expect(t, "VERIFY "+next[n], "OK .* source=cache .*")
	}
}

// awaitNoKey waits until no key set contains a key id.
func awaitNoKey(t *testing.T, h *e2e.Folder, kid string) {
	t.Helper()
	admin := e2e.Call(t, h.AdminSocket())
	for deadline := time.Now().Add(e2e.Timeout); strings.Contains(admin.Ask(t, "KEYS"), kid); {
		if time.Now().After(deadline) {
			t.Fatal("the key stays")
		}
	}
}

func TestRotationIsAcceptedWithinASecond(t *testing.T) {
	t.Parallel()
	for _, overlap := range []bool{false, true} {
		t.Run(fmt.Sprintf("overlap %v", overlap), func(t *testing.T) {
			t.Parallel()
			c := e2e.NewUpstream(t, standin.Options{})
			h := e2e.NewFolder(t)
			e2e.Serve(t, h, e2e.Settings{Tables: []string{c.Project(t, h, standin.Stack), c.Project(t, h, standin.Neon)}})
			for preset, mint := range map[string]func(standin.TokenSpec) string{"main": c.StackToken, "neon": c.NeonToken} {
				peer := e2e.Call(t, h.Socket())
				before := mint(standin.TokenSpec{})
				peer.Expect(t, "VERIFY project="+preset+" "+before, "OK .*")
				c.Rotate(map[string]standin.Preset{"main": standin.Stack, "neon": standin.Neon}[preset], overlap)
				after := mint(standin.TokenSpec{})
				began := time.Now()
				peer.Expect(t, "VERIFY project="+preset+" "+after, "OK .* source=upstream .*")
				if took := time.Since(began); took > time.Second {
					t.Errorf("%s: accepted after %v", preset, took)
				}
				verdict := "(NO unknown-key|ERR keys-pending .*)"
				if overlap {
					verdict = "OK .* source=cache .*"
				}
				peer.Expect(t, "VERIFY project="+preset+" "+before, verdict)
			}
		})
	}
}
