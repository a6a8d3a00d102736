package daemon

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
		purge func(*idleDaemon, string)
	}{
		{"all", func(k *idleDaemon, _ string) { k.daemon.floors.raiseAll() }},
		{"token", func(k *idleDaemon, token string) { k.daemon.floors.raise(digestOf([]byte(token))) }},
		{"subject", func(k *idleDaemon, _ string) { k.daemon.floors.raise(subjectKey{"stack", "ada"}) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newIdleDaemon(t, nil)
			p, token := k.project("stack"), k.token("ada")
			wantAccepted(t, "first", k.ask(p, token))
			c.purge(k, token)
			l := &lookup{project: p, token: []byte(token), level: LevelClaims, maxAge: -1}
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
	k := newIdleDaemon(t, nil)
	p, ada, bob := k.project("stack"), k.token("ada"), k.token("bob")
	k.ask(p, ada)
	k.ask(p, bob)
	k.daemon.floors.raise(subjectKey{"stack", "ada"})
	k.daemon.floors.raise(subjectKey{"neon", "bob"})
	k.daemon.floors.raise(digestOf([]byte(ada)))
	if _, recalled := k.askFully(&lookup{project: p, token: []byte(bob), level: LevelClaims, maxAge: -1}); !recalled {
		t.Error("a purge of another user, project or token forgot this one")
	}
}

func TestMoreFloorsThanAreKeptPurgeEverything(t *testing.T) {
	f := &floors{}
	first := subjectKey{"main", "first"}
	stamp := f.current()
	f.raise(first)
	for i := range maxFloors {
		f.raise(subjectKey{"main", time.Duration(i).String()})
	}
	if n := f.count.Load(); n > maxFloors {
		t.Errorf("%d floors are kept, more than %d", n, maxFloors)
	}
	if f.above(stamp, digestOf(nil), first) {
		t.Error("what was purged first came back to life")
	}
	if !f.above(f.current(), digestOf(nil), first) {
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
	k := newIdleDaemon(t, nil)
	p := k.project("stack")
	token := k.upstream.StackToken(standin.TokenSpec{Subject: "ada"})
	digest := digestOf([]byte(token))
	purges := []func(){
		k.daemon.floors.raiseAll,
		func() { k.daemon.floors.raise(digest); k.daemon.memory.Delete(digest) },
		func() { k.daemon.floors.raise(subjectKey{"stack", "ada"}) },
	}
	resurrected := 0
	for i := range rounds {
		var wg sync.WaitGroup
		wg.Go(func() { wantAccepted(t, "racing", k.ask(p, token)) })
		purges[i%len(purges)]()
		purged := k.daemon.floors.current()
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

// TestFloorsHoldWhileAllAreBeingRaised has an entry that one purge has killed
// looked at while another purge makes everything older void: at no instant may
// it seem alive.
func TestFloorsHoldWhileAllAreBeingRaised(t *testing.T) {
	rounds := 20_000
	if testing.Short() {
		rounds = 1000
	}
	user := subjectKey{"main", "ada"}
	for range rounds {
		f := &floors{}
		stamp := f.current()
		f.raise(user)
		var wg sync.WaitGroup
		wg.Go(f.raiseAll)
		for range 8 {
			if f.above(stamp, digestOf(nil), user) {
				t.Error("a purged entry came back to life while another purge ran")
			}
		}
		wg.Wait()
		if t.Failed() {
			return
		}
	}
}
