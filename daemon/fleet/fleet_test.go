package fleet

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/neonauthd/neonauthd/internal/e2e"
)

// TestMain lets more tests run at once than there are cores: they wait for engines
// and heartbeats most of the time.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	// The library refreshes its view of a cluster up to a second after it has noticed
	// a change, and the end of the client does not end that wait.
	refresh := goleak.IgnoreAnyFunction("github.com/valkey-io/valkey-go.(*call).DelayDo.func1")
	goleak.VerifyTestMain(m, refresh)
}

// TestALowerStampNeverWins: the engine keeps the higher stamp if a lower one comes later.
func TestALowerStampNeverWins(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	h := newHosts(t, 1, s)[0]
	newer := h.reaches(subject("u"), 1)
	older := newer
	older.Revoked, older.At = newer.Revoked-1, newer.At+1
	if _, err := h.announceOn(t.Context(), h.Fleet.engine.Load().commands, []Mark{older}, true, nil); err != nil {
		t.Fatal(err)
	}
	for field, value := range s.hash(marksKey) {
		if !strings.HasPrefix(value, orderRevoked(newer)) {
			t.Errorf("%s holds %.60s, not %s", field, value, orderRevoked(newer))
		}
	}
}

// TestAnEmptyEngineIsNotTakenForAnEmptyFleet: a host that comes right after the
// engine was flushed does not hear before the others have told what they know.
func TestAnEmptyEngineIsNotTakenForAnEmptyFleet(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	hosts := newHosts(t, 2, s)
	hosts[0].revoke(subject("u"))
	s.must("FLUSHALL")
	late := newHost(t, options(t, 2, s.url()))
	e2e.Until(t, "the new host hears", late.Connected)
	if !late.inForce(subject("u")) {
		t.Error("it hears, and does not know what the others do")
	}
}

// TestOnlyWhoHasConfirmedThePlaceOrALaterOneCounts: hosts confirm places that were met
// before or after it, places of another epoch, or none.
func TestOnlyWhoHasConfirmedThePlaceOrALaterOneCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Now()
		f := must[*Fleet](t)(New(Options{Name: "f", URLs: []string{"redis://localhost"}, Keys: []Key{testKey(t, 1)}, ID: "own", Journal: newJournal(), Now: func() time.Time { return now }}))
		var places []cursor
		meet := func(n int) {
			for range n {
				at := next(fmt.Sprint(len(places), "-0"), "", "", "")
				f.chain.meet(at, digest{}, true)
				places = append(places, at)
			}
		}
		meet(rapid.IntRange(0, 5).Draw(t, "of the epoch before"))
		f.chain.restart(start, "")
		before := len(places)
		meet(rapid.IntRange(1, 10).Draw(t, "met"))
		met := len(places)
		unknown := []cursor{"", start, "9-9 abc"}
		wanted := rapid.IntRange(before, met-1).Draw(t, "wanted")
		reached := 0
		confirms := func(who string) cursor {
			i := rapid.IntRange(-len(unknown), met-1).Draw(t, who)
			if i < 0 {
				return unknown[-i-1]
			}
			if i >= wanted {
				reached++
			}
			return places[i]
		}
		f.state.confirmed = confirms("this host")
		hosts := rapid.IntRange(0, 5).Draw(t, "others")
		for i := range hosts {
			id := fmt.Sprint(i)
			f.peers.all[id] = &peer{id: id, opens: true, at: now, words: words{Confirmed: confirms(id)}}
		}
		p, ok, _, _ := f.chain.look(places[wanted])
		if r := f.reach(p, ok); r.Reached != reached || r.Of != hosts+1 || r.Silent != 0 {
			t.Fatalf("%+v, want %d of %d", r, reached, hosts+1)
		}
		if r := f.reach(position{}, false); r.Reached != 0 {
			t.Fatalf("a place that was not met is confirmed by %d", r.Reached)
		}
	})
}

func TestARevocationIsInForceOnAllHostsBeforeAnnounceReturns(t *testing.T) {
	t.Parallel()
	hosts := newHosts(t, 3, newServer(t))
	hosts[0].reaches(subject("u1"), 3)
	for i, h := range hosts {
		if !h.inForce(subject("u1")) {
			t.Errorf("not in force on host %d", i)
		}
	}
	e2e.Until(t, "taking back reaches all", func() bool { return whole(hosts[1].undo(subject("u1"))) })
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
	if reach.Reached > 2 || whole(reach) {
		t.Errorf("reached %+v", reach)
	}
	late := newHost(t, options(t, 3, s.url())) // the host that cannot take marks in does not keep this one from hearing
	e2e.Until(t, "a new host hears", late.Connected)
	e2e.Until(t, "the others know why", func() bool {
		return slices.ContainsFunc(hosts[0].Hosts(), func(h Host) bool { return h.Broken && h.ID == "id-2" })
	})
	hosts[2].journal.mu.Lock()
	hosts[2].journal.full = false
	hosts[2].journal.mu.Unlock()
	e2e.Until(t, "it is in force there too", func() bool { return hosts[2].inForce(subject("u1")) })
}

func TestAHostWhoseOldAnswersAreInUseDoesNotCountAsReached(t *testing.T) {
	t.Parallel()
	hosts := newHosts(t, 2, newServer(t))
	hold := make(chan struct{})
	hosts[1].journal.mu.Lock()
	hosts[1].journal.hold = hold
	hosts[1].journal.mu.Unlock()
	_, reach := hosts[0].revoke(subject("u1"))
	if reach.Reached != 1 || whole(reach) {
		t.Errorf("reached %+v", reach)
	}
	close(hold)
	hosts[0].reaches(subject("u2"), 2)
}

func TestAHostThatWasAwayKnowsEverythingBeforeItIsHeard(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	hosts := newHosts(t, 2, s)
	for _, n := range []string{"a", "b", "c"} {
		hosts[0].revoke(subject(n))
	}
	late := newHost(t, options(t, 2, s.url()))
	e2e.Until(t, "the late host hears", late.Connected)
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
	e2e.Until(t, "the first host knows that it is blind", func() bool { return !hosts[0].Connected() })
	if _, reach := hosts[0].revoke(subject("u1")); !reach.Blind || reach.Reached != 1 || reach.Of != 2 || whole(reach) {
		t.Errorf("reached %+v", reach)
	}
	s.start() // empty: nothing was saved
	e2e.Until(t, "it is in force on the other host", func() bool { return hosts[1].inForce(subject("u1")) })
	awaitAll(t, hosts)
	hosts[1].reaches(subject("u2"), 2)
}

// TestAHostTakesLeaveWhenNoOldAnswersAreInUse: until then a client may accept what is
// revoked, although the daemon has ended.
func TestAHostTakesLeaveWhenNoOldAnswersAreInUse(t *testing.T) {
	t.Parallel()
	hosts := newHosts(t, 2, newServer(t))
	left := func() bool {
		hosts[0].lookAtHosts(t.Context(), hosts[0].engine.Load())
		return hosts[0].Hosts()[0].Left
	}
	j := hosts[1].journal
	j.mu.Lock()
	j.hold, j.ends = make(chan struct{}), make(chan struct{}, 1)
	j.mu.Unlock()
	ended := make(chan struct{})
	go func() { defer close(ended); hosts[1].stop() }()
	select {
	case <-j.ends:
	case <-ended:
		t.Error("it has not waited")
	}
	if left() {
		t.Error("it takes leave while answers are in use")
	}
	close(j.hold)
	<-ended
	if !left() {
		t.Error("it takes no leave")
	}
}

func TestAHostThatEndsTakesLeaveAndOneThatDoesNotIsSilent(t *testing.T) {
	t.Parallel()
	hosts := newHosts(t, 3, newServer(t))
	hosts[2].stop()
	hosts[0].reaches(subject("u1"), 2)
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
}

// TestWhatABlindHostSaysOfTheOthers: those that refuse when they are blind may hear each
// other and accept, and all of them may call the upstream.
func TestWhatABlindHostSaysOfTheOthers(t *testing.T) {
	s, _ := quiet(t)
	now := time.Now()
	s.o.Now = func() time.Time { return now }
	long := now.Add(-2 * silentFor)
	for id, one := range map[string]*peer{
		"heard":     {opens: true, at: now},
		"silent":    {opens: true, at: now.Add(-heardWithin)},
		"refuses":   {opens: true, at: now.Add(-time.Minute), words: words{Refuse: 5000}},
		"long ago":  {opens: true, at: long},
		"left":      {opens: true, at: now, words: words{Left: true}},
		"other key": {writes: true, at: long},
		"junk":      {at: long},
	} {
		one.id = id
		s.peers.all[id] = one
	}
	heard := now
	for what, row := range map[string]struct {
		blind  bool
		of     int
		silent []string
	}{
		"connected": {false, 3, []string{"silent"}},
		"blind":     {true, 6, []string{"long ago", "other key", "refuses", "silent"}},
	} {
		s.Fleet.heard.Store(&heard)
		s.online.Store(!row.blind)
		if st := s.Stats(); st.Hosts != row.of || st.Silent != len(row.silent) {
			t.Errorf("%s: %d hosts, %d silent", what, st.Hosts, st.Silent)
		}
		var silent []string
		for _, h := range s.Hosts() {
			if h.Silent {
				silent = append(silent, h.ID)
			}
			if h.Heard != (h.ID == "heard") {
				t.Errorf("%s: %s is heard: %v", what, h.ID, h.Heard)
			}
		}
		if !slices.Equal(silent, row.silent) {
			t.Errorf("%s: %q are silent", what, silent)
		}
		if r := s.reach(position{}, false); r.Of != row.of || r.Silent != len(row.silent) || r.Blind != row.blind {
			t.Errorf("%s: reached %+v", what, r)
		}
		if n := s.peers.known(now); n != 6 {
			t.Errorf("%s: %d hosts share the rate", what, n)
		}
	}
	if r, err := s.Announce(t.Context(), Mark{Name: subject("u"), Revoked: 1, Until: Never}); err != nil || !r.Blind || r.Of != 6 || r.Silent != 4 || r.Reached != 1 {
		t.Errorf("reached %+v, %v", r, err)
	}
}

// TestTwoHostsWithOneIDAreTwo: the state directory of one is a copy of the
// other's.
func TestTwoHostsWithOneIDAreTwo(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	hosts := []*host{newHost(t, options(t, 0, s.url())), newHost(t, options(t, 0, s.url())), newHost(t, options(t, 1, s.url()))}
	awaitAll(t, hosts)
	hosts[0].reaches(subject("u"), 3)
	for i, h := range hosts {
		if !h.inForce(subject("u")) {
			t.Errorf("reached all, and is not in force on host %d", i)
		}
	}
}

func TestWhatIsToldWithoutWaitingIsHeardSoon(t *testing.T) {
	t.Parallel()
	hosts := newHosts(t, 2, newServer(t))
	m := hosts[0].revokeHere(subject("u"))
	hosts[0].Tell([]Mark{m, {}})
	e2e.Until(t, "it is in force on the other host", func() bool { return hosts[1].inForce(m.Name) })
	m.Until += 3600 // a longer life was seen
	_ = hosts[0].journal.Join([]Mark{m})
	hosts[0].Tell([]Mark{m})
	e2e.Until(t, "it reaches as far on the other host", func() bool { return hosts[1].journal.get(m.Name).Until == m.Until })
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
