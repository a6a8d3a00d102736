package resolve

import (
	"sync"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin"
)

// TestAfterEachPurgeTheTokenIsVerifiedAnew also shows that a purge leaves
// nothing behind that keeps a good token from being accepted.
func TestAfterEachPurgeTheTokenIsVerifiedAnew(t *testing.T) {
	for _, c := range []struct {
		name  string
		purge func(*harness, string)
	}{
		{"all", func(k *harness, _ string) { k.resolver.purges.purgeAll() }},
		{"token", func(k *harness, token string) { k.resolver.purges.purge(DigestOf([]byte(token))) }},
		{"subject", func(k *harness, _ string) { k.resolver.purges.purge(subjectKey{"stack", "ada"}) }},
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
	k.resolver.purges.purge(subjectKey{"stack", "ada"})
	k.resolver.purges.purge(subjectKey{"neon", "bob"})
	k.resolver.purges.purge(DigestOf([]byte(ada)))
	if _, recalled := k.askFully(k.claims(p, bob)); !recalled {
		t.Error("a purge of another user, project or token forgot this one")
	}
}

func TestMorePurgesThanAreKeptPurgeEverything(t *testing.T) {
	f := &purges{}
	first := subjectKey{"main", "first"}
	stamp := f.current()
	f.purge(first)
	for i := range MaxPurges {
		f.purge(subjectKey{"main", time.Duration(i).String()})
	}
	if n := f.count.Load(); n > MaxPurges {
		t.Errorf("%d purges are kept, more than %d", n, MaxPurges)
	}
	if !f.covers(stamp, DigestOf(nil), first) {
		t.Error("what was purged first came back to life")
	}
	if f.covers(f.current(), DigestOf(nil), first) {
		t.Error("what is new is purged as well")
	}
}

// TestNoVerdictSurvivesAPurgeThatRaces has verifications and purges run at the
// same time: whatever was established before a purge returned must not be
// served to whoever asks after it.
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
		k.resolver.purges.purgeAll,
		func() { k.resolver.purges.purge(digest); k.resolver.memory.Delete(digest) },
		func() { k.resolver.purges.purge(subjectKey{"stack", "ada"}) },
	}
	resurrected := 0
	for i := range rounds {
		var wg sync.WaitGroup
		wg.Go(func() { wantAccepted(t, "racing", k.ask(p, token)) })
		purges[i%len(purges)]()
		purged := k.resolver.purges.current()
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

// TestPurgesHoldWhileEverythingIsPurged has an entry that one purge has killed
// looked at while another purge makes everything older void: at no instant may
// it seem alive.
func TestPurgesHoldWhileEverythingIsPurged(t *testing.T) {
	rounds := 20_000
	if testing.Short() {
		rounds = 1000
	}
	user := subjectKey{"main", "ada"}
	for range rounds {
		f := &purges{}
		stamp := f.current()
		f.purge(user)
		var wg sync.WaitGroup
		wg.Go(f.purgeAll)
		for range 8 {
			if !f.covers(stamp, DigestOf(nil), user) {
				t.Error("a purged entry came back to life while another purge ran")
			}
		}
		wg.Wait()
		if t.Failed() {
			return
		}
	}
}
