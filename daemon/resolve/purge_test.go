package resolve

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"

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

// TestAVerificationFromBeforeAPurgeAnswersNobodyAfterIt: the verification is under way
// during the purge, and a lookup that comes after the purge waits for it.
func TestAVerificationFromBeforeAPurgeAnswersNobodyAfterIt(t *testing.T) {
	for name, of := range map[string]func(*purge.List, string){
		"all":     func(l *purge.List, _ string) { l.All() },
		"token":   func(l *purge.List, token string) { l.Purge(DigestOf([]byte(token))) },
		"subject": func(l *purge.List, _ string) { l.Purge(purge.Subject{Project: "stack", ID: "ada"}) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newHarness(t, nil)
				p, token := k.project("stack"), k.token("ada")
				before := k.claims(p, token)
				if v, ok := k.resolver.Recall(before); ok {
					t.Fatal(v.Outcome)
				}
				purged := make(chan struct{})
				go func() {
					_, _, _ = k.resolver.flights.Do(t.Context(), p.flight(before.digest), func(ctx context.Context) Verdict {
						w := walk{Resolver: k.resolver, l: before, ctx: ctx}
						v := w.establish()
						<-purged
						return v
					})
				}()
				synctest.Wait()
				of(k.resolver.purges, token)
				after := k.begin(k.claims(p, token))
				synctest.Wait()
				if len(after) > 0 {
					t.Fatal("the lookup did not wait for the verification")
				}
				close(purged)
				v := <-after
				wantAccepted(t, "after the purge", v)
				if v.entry != nil && v.entry.revision != k.resolver.purges.Current() {
					t.Error("the verification from before the purge has answered")
				}
			})
		})
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
