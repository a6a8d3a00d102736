package fleet

import (
	"maps"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestARevocationIsInForceOnAllHostsBeforeAnnounceReturns(t *testing.T) {
	t.Parallel()
	hosts := newHosts(t, 3, newServer(t))
	_, reach := hosts[0].revoke(subject("u1"))
	if !reach.Whole() || reach.Reached != 3 || reach.Of != 3 {
		t.Fatalf("reached %+v", reach)
	}
	for i, h := range hosts {
		if !h.inForce(subject("u1")) {
			t.Errorf("not in force on host %d", i)
		}
	}
	if reach := hosts[1].undo(subject("u1")); !reach.Whole() {
		t.Fatalf("reached %+v", reach)
	}
	for i, h := range hosts {
		if h.inForce(subject("u1")) {
			t.Errorf("still in force on host %d", i)
		}
	}
}

func TestAHostThatHasNotAppliedDoesNotCountAsReached(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	hosts := newHosts(t, 3, s)
	hosts[2].journal.mu.Lock()
	hosts[2].journal.full = true
	hosts[2].journal.mu.Unlock()
	_, reach := hosts[0].revoke(subject("u1"))
	if reach.Reached != 2 || reach.Of != 3 || reach.Whole() {
		t.Errorf("reached %+v", reach)
	}
	hosts[2].journal.mu.Lock()
	hosts[2].journal.full = false
	hosts[2].journal.mu.Unlock()
	until(t, "it is in force there too", func() bool { return hosts[2].inForce(subject("u1")) })
}

func TestAHostWhoseOldAnswersAreInUseDoesNotCountAsReached(t *testing.T) {
	t.Parallel()
	hosts := newHosts(t, 2, newServer(t))
	hold := make(chan struct{})
	hosts[1].journal.mu.Lock()
	hosts[1].journal.hold = hold
	hosts[1].journal.mu.Unlock()
	_, reach := hosts[0].revoke(subject("u1"))
	if reach.Reached != 1 || reach.Of != 2 {
		t.Errorf("reached %+v", reach)
	}
	close(hold)
	if _, reach = hosts[0].revoke(subject("u2")); !reach.Whole() {
		t.Errorf("then reached %+v", reach)
	}
}

func TestAHostThatWasAwayKnowsEverythingBeforeItIsHeard(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	hosts := newHosts(t, 2, s)
	for _, n := range []string{"a", "b", "c"} {
		hosts[0].revoke(subject(n))
	}
	late := newHost(t, options(t, 2, s.url()))
	until(t, "the late host hears", late.Connected)
	for _, n := range []string{"a", "b", "c"} {
		if !late.inForce(subject(n)) {
			t.Errorf("%s is not in force on the late host, which says that it hears", n)
		}
	}
}

func TestWhatWasRevokedWithoutTheEngineIsToldWhenItIsBack(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	hosts := newHosts(t, 2, s)
	s.kill()
	until(t, "the first host knows that it is blind", func() bool { return !hosts[0].Connected() })
	if _, reach := hosts[0].revoke(subject("u1")); !reach.Blind || reach.Reached != 1 || reach.Of != 2 || reach.Whole() {
		t.Errorf("reached %+v", reach)
	}
	s.start() // empty: nothing was saved
	until(t, "it is in force on the other host", func() bool { return hosts[1].inForce(subject("u1")) })
	awaitAll(t, hosts)
	if _, reach := hosts[1].revoke(subject("u2")); !reach.Whole() || reach.Of != 2 {
		t.Errorf("reached %+v", reach)
	}
}

func TestAHostThatEndsTakesLeaveAndOneThatDoesNotIsSilent(t *testing.T) {
	t.Parallel()
	hosts := newHosts(t, 3, newServer(t))
	hosts[2].stop()
	if _, reach := hosts[0].revoke(subject("u1")); !reach.Whole() || reach.Of != 2 {
		t.Errorf("after leave: %+v", reach)
	}
	now := time.Now()
	one := &peer{opens: true, at: now.Add(-heardWithin)}
	if !one.silent(now) || one.heard(now) {
		t.Error("a host that was not heard for two seconds is not silent")
	}
	one.at = now.Add(-heardWithin + 1)
	if one.silent(now) || !one.heard(now) {
		t.Error("a host that was heard within two seconds is silent")
	}
	for since, silent := range map[time.Duration]bool{silentFor: true, silentFor + 1: false} {
		if one.at = now.Add(-since); one.silent(now) != silent {
			t.Errorf("after %s silent: %v", since, !silent)
		}
	}
	one.words.Refuse = 5000
	for since, silent := range map[time.Duration]bool{6*time.Second - 1: true, 6 * time.Second: false} {
		if one.at = now.Add(-since); one.silent(now) != silent {
			t.Errorf("after %s a host that refuses is silent: %v", since, !silent)
		}
	}
}

func TestWhatIsToldWithoutWaitingIsHeardSoon(t *testing.T) {
	t.Parallel()
	hosts := newHosts(t, 2, newServer(t))
	m := hosts[0].revokeHere(subject("u"))
	hosts[0].Tell([]Mark{m, {}})
	until(t, "it is in force on the other host", func() bool { return hosts[1].inForce(m.Name) })
	m.Until += 3600 // a longer life was seen
	_ = hosts[0].journal.Join([]Mark{m})
	hosts[0].Tell([]Mark{m})
	until(t, "it reaches as far on the other host", func() bool { return hosts[1].journal.get(m.Name).Until == m.Until })
}

// same reports whether all hosts have the same marks.
func same(hosts []*host) bool {
	for _, h := range hosts[1:] {
		if !maps.Equal(hosts[0].journal.all(), h.journal.all()) {
			return false
		}
	}
	return true
}
