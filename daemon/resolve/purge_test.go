package resolve

import (
	"sync"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/resolve/purge"
	"github.com/neonauthd/neonauthd/daemon/standin"
)

// TestAfterEachPurgeTheTokenIsVerifiedAnew also shows that nothing of a purge
// keeps a good token from being accepted.
func TestAfterEachPurgeTheTokenIsVerifiedAnew(t *testing.T) {
	for _, c := range []struct {
		name  string
		purge func(*harness, string)
	}{
		{"all", func(k *harness, _ string) { k.resolver.purges.All() }},
		{"token", func(k *harness, token string) { k.resolver.purges.Purge(DigestOf([]byte(token))) }},
		{"subject", func(k *harness, _ string) { k.resolver.purges.Purge(purge.Subject{Project: "stack", ID: "ada"}) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newHarness(t, nil)
			p, token := k.project("stack"), k.token("ada")
			wantAccepted(t, "first", k.ask(p, token))
			c.purge(k, token)
			l := k.claims(p, token)
			v, recalled := k.askFully(l)
			wantAccepted(t, "after the purge", v)
			if recalled || v.Source != SourceUpstream {
				t.Errorf("recalled %v, source %s: not verified anew", recalled, v.Source)
			}
			if v, recalled = k.askFully(l); !recalled || v.Source != SourceCache {
				t.Errorf("then: recalled %v, source %s: not remembered", recalled, v.Source)
			}
		})
	}
}

func TestAPurgeOfOneLeavesOthersAlone(t *testing.T) {
	k := newHarness(t, nil)
	p, ada, bob := k.project("stack"), k.token("ada"), k.token("bob")
	k.ask(p, ada)
	k.ask(p, bob)
	k.resolver.purges.Purge(purge.Subject{Project: "stack", ID: "ada"})
	k.resolver.purges.Purge(purge.Subject{Project: "neon", ID: "bob"})
	k.resolver.purges.Purge(DigestOf([]byte(ada)))
	if _, recalled := k.askFully(k.claims(p, bob)); !recalled {
		t.Error("a purge of another user, project or token forgot this one")
	}
}

// TestNoVerdictSurvivesAPurgeThatRaces lets verifications and purges run at the
// same time. What was established before a purge returned must not be served to
// a lookup after it.
func TestNoVerdictSurvivesAPurgeThatRaces(t *testing.T) {
	t.Parallel()
	rounds := 10_000
	if testing.Short() {
		rounds = 500
	}
	k := newHarness(t, nil)
	p := k.project("stack")
	token := k.upstream.StackToken(standin.TokenSpec{Subject: "ada"})
	digest := DigestOf([]byte(token))
	purges := []func(){
		k.resolver.purges.All,
		func() { k.resolver.purges.Purge(digest); k.resolver.memory.Delete(digest) },
		func() { k.resolver.purges.Purge(purge.Subject{Project: "stack", ID: "ada"}) },
	}
	resurrected := 0
	for i := range rounds {
		var wg sync.WaitGroup
		wg.Go(func() { wantAccepted(t, "racing", k.ask(p, token)) })
		purges[i%len(purges)]()
		purged := k.resolver.purges.Current()
		v := k.ask(p, token)
		wantAccepted(t, "after", v)
		if v.entry != nil && v.entry.revision < purged {
			resurrected++
		}
		wg.Wait()
		if t.Failed() {
			break
		}
	}
	if resurrected > 0 {
		t.Errorf("%d of %d rounds were answered from before the purge", resurrected, rounds)
	}
}
