package fleet

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/internal/e2e"
)

func askFor(subject string) Ask {
	return Ask{
		Project: "main", Subject: subject, Class: "normal", MaxAge: time.Minute, Keep: 16 * time.Minute, Timeout: 3 * time.Second, Rate: 10000,
		Purges: []Name{{Kind: "purge-all"}, {"purge-subject", "main", subject}},
	}
}

// claim claims once, and reports whether the engine has decided: on a busy machine it
// may answer too late, and the host then decides alone.
func (h *host) claim(ask Ask) (a Answer, decided bool) {
	before := h.Stats().Claims
	a = h.Claim(h.t.Context(), ask)
	after := h.Stats().Claims
	alone := a.Decision == Go && a.Flight.Alone()
	return a, !alone && !before.Open && !after.Open && after.Failed == before.Failed
}

// claimed claims until the engine decides, and expects the decision want.
func (h *host) claimed(ask Ask, want Decision) (a Answer) {
	h.t.Helper()
	e2e.Until(h.t, "the engine decides", func() bool {
		var decided bool
		a, decided = h.claim(ask)
		return decided
	})
	if a.Decision != want {
		h.t.Fatalf("decision %d, want %d: %+v", a.Decision, want, a)
	}
	return a
}

func (h *host) finish(a Answer, r Result) { h.Finish(h.t.Context(), a.Flight, r) }

// share fetches a profile and shares it.
func (h *host) share(ask Ask, profile string) {
	h.t.Helper()
	live := ask
	live.MaxAge = 0
	e2e.Until(h.t, "the profile is shared", func() bool {
		h.finish(h.claimed(live, Go), Result{Profile: []byte(profile)})
		there, _, ok := h.Shared(h.t.Context(), ask, time.Hour)
		return ok && string(there) == profile
	})
}

func TestOneHostFetchesForAll(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	var hosts []*host
	for i := range 4 {
		o := options(t, i, s.url())
		o.Wait = testTimeout // the machine may be busy
		hosts = append(hosts, newHost(t, o))
	}
	awaitAll(t, hosts)
	const users = 50
	var fetched, alone [users]atomic.Int64
	var all sync.WaitGroup
	for _, h := range hosts {
		for u := range users {
			all.Go(func() {
				a := h.Claim(t.Context(), askFor(fmt.Sprint(u)))
				switch a.Decision {
				case Go:
					if a.Flight.Alone() { // the machine is busy, and the engine did not answer in time
						alone[u].Add(1)
						return
					}
					fetched[u].Add(1)
					h.finish(a, Result{Profile: fmt.Append(nil, "profile of ", u)})
				case Have:
					if string(a.Profile) != fmt.Sprint("profile of ", u) {
						t.Errorf("user %d got %q", u, a.Profile)
					}
				default:
					t.Errorf("decision %d", a.Decision)
				}
			})
		}
	}
	all.Wait()
	for u := range fetched {
		if n := fetched[u].Load(); n != 1 && alone[u].Load() < int64(len(hosts)) {
			t.Errorf("user %d was fetched %d times", u, n)
		}
	}
}

func TestASharedProfileCountsOnlyWhileItMay(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	hosts := newHosts(t, 2, s)
	ask := askFor("u")
	hosts[0].share(ask, "first")
	if a := hosts[1].claimed(ask, Have); string(a.Profile) != "first" || a.Age < 0 || a.Age > testTimeout {
		t.Errorf("%+v", a)
	}
	hosts[1].share(ask, "second") // although the first profile is there
	if a := hosts[0].claimed(ask, Have); string(a.Profile) != "second" {
		t.Errorf("%q", a.Profile)
	}
	for what, change := range map[string]func(*Ask){
		"another subject": func(a *Ask) { a.Subject = "v" },
		"another class":   func(a *Ask) { a.Class = "anonymous" },
		"another project": func(a *Ask) { a.Project = "other" },
		"another origin":  func(a *Ask) { a.Origin = "other" },
		"a purged token":  func(a *Ask) { a.Private = true },
	} {
		other := ask
		t.Log(what)
		change(&other)
		hosts[0].claimed(other, Go)
	}
	purge := Mark{Name: ask.Purges[1], Until: time.Now().Add(24 * time.Hour).Unix()}
	purge.Revoked = hosts[1].Stamp(purge, 0)
	if _, err := hosts[1].Announce(t.Context(), purge); err != nil {
		t.Fatal(err)
	}
	e2e.Until(t, "the purge is known", func() bool { return hosts[0].table.get(purge.Name).Revoked > 0 })
	hosts[0].claimed(ask, Go)
	hosts[0].share(ask, "third")
	if a := hosts[1].claimed(ask, Have); string(a.Profile) != "third" {
		t.Errorf("after the purge %q", a.Profile)
	}
	profile, _, ok := hosts[1].Shared(t.Context(), ask, time.Hour)
	if !ok || string(profile) != "third" {
		t.Errorf("looked at %q, %v", profile, ok)
	}
}

func TestADeniedProfileIsGoneForAll(t *testing.T) {
	t.Parallel()
	hosts := newHosts(t, 2, newServer(t))
	ask := askFor("u")
	hosts[0].share(ask, "x")
	live := ask
	live.MaxAge = 0
	e2e.Until(t, "the denial is known", func() bool {
		hosts[1].finish(hosts[1].claimed(live, Go), Result{Denied: true, Profile: []byte("x")})
		_, _, ok := hosts[0].Shared(t.Context(), ask, time.Hour)
		return !ok
	})
	hosts[0].claimed(ask, Go)
}

func TestAnEarlierFetchDoesNotReplaceALaterOne(t *testing.T) {
	t.Parallel()
	h := newHosts(t, 1, newServer(t))[0]
	live := askFor("u")
	live.MaxAge = 0
	slow := h.claimed(live, Go)
	e2e.Until(t, "the engine's clock has moved", func() bool {
		quick := h.claimed(live, Go)
		h.finish(quick, Result{Profile: []byte("quick")})
		return quick.Flight.began > slow.Flight.began
	})
	h.finish(slow, Result{Profile: []byte("slow")})
	if a := h.claimed(askFor("u"), Have); string(a.Profile) != "quick" {
		t.Errorf("%q", a.Profile)
	}
}

func TestALeaseIsReleasedByItsOwnerOnly(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	o := options(t, 0, s.url())
	o.Wait = time.Nanosecond
	h := newHost(t, o)
	awaitAll(t, []*host{h})
	first := h.claimed(askFor("u"), Go)
	second := h.claimed(askFor("u"), Go) // took over, because it would not wait
	h.finish(first, Result{})
	lease := h.claimKeys(askFor("u"))[1]
	if n, _ := s.do("EXISTS", lease).AsInt64(); n != 1 {
		t.Error("the first has released the second's lease")
	}
	h.finish(second, Result{})
	if n, _ := s.do("EXISTS", lease).AsInt64(); n != 0 {
		t.Error("the lease is still there")
	}
}

func TestTheBudgetCountsForAllHosts(t *testing.T) {
	t.Parallel()
	hosts := newHosts(t, 2, newServer(t))
	began := time.Now()
	const rate, burst = 0.5, 1
	granted, alone := 0, 0
	for i := range 20 {
		ask := askFor(fmt.Sprint(i))
		ask.Rate = rate
		a, decided := hosts[i%2].claim(ask)
		switch {
		case a.Decision == Go && !a.Flight.Alone():
			granted++
		case a.Decision == Go:
			alone++
		case a.Decision != Budget:
			t.Errorf("%+v", a)
		case decided && (a.After <= 0 || a.After > 2*time.Second):
			t.Errorf("wait %s", a.After)
		}
	}
	if most := burst + int(math.Ceil(time.Since(began).Seconds()*rate)); granted > most {
		t.Errorf("%d calls, at most %d may be", granted, most)
	}
	if most := len(hosts) * (burst + int(time.Since(began).Seconds()*rate)); alone > most {
		t.Errorf("%d calls of hosts that do not hear the engine, at most %d may be", alone, most)
	}
	if granted+alone == 0 {
		t.Error("no call was granted")
	}
	for i := range 10 {
		ask := askFor(fmt.Sprint("b", i))
		ask.Project, ask.Rate, ask.Background = "slow", 0.0001, true
		if i == 0 {
			hosts[0].claimed(ask, Go)
		} else {
			hosts[0].claimed(ask, Budget)
		}
	}
}

func TestBudgetsInNumbers(t *testing.T) {
	for rate, want := range map[float64][2]int64{1: {1e6, 1}, 20: {50000, 20}, 0.5: {2e6, 1}, 2.5: {400000, 3}, 1e-12: {86400e6, 1}, 10000: {100, 10000}} {
		if each, burst := budget(rate, 0); each != want[0] || burst != want[1] {
			t.Errorf("%v: %d, %d; want %v", rate, each, burst, want)
		}
	}
}

// TestAPauseHoldsForAllHosts: also for those that share no budget.
func TestAPauseHoldsForAllHosts(t *testing.T) {
	for _, shared := range []bool{true, false} {
		t.Run(fmt.Sprint("budget ", shared), func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			var hosts []*host
			for i := range 2 {
				o := options(t, i, s.url())
				o.Budget = shared
				hosts = append(hosts, newHost(t, o))
			}
			awaitAll(t, hosts)
			hosts[0].finish(hosts[0].claimed(askFor("u"), Go), Result{RetryAfter: time.Hour})
			e2e.Until(t, "the pause is known", func() bool { return hosts[0].Claim(t.Context(), askFor("w")).Decision == Pause })
			if a := hosts[1].claimed(askFor("v"), Pause); a.After <= 0 || a.After > MaxPause {
				t.Errorf("paused for %s", a.After)
			}
			other := askFor("u")
			other.Project = "other"
			hosts[1].claimed(other, Go)
		})
	}
}

// TestWhatSomebodyElseWritesUnderTheNamesOfClaimsIsClamped: budgets far ahead,
// pauses and leases for ever, values that are none.
func TestWhatSomebodyElseWritesUnderTheNamesOfClaimsIsClamped(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	o := options(t, 0, s.url())
	o.Wait = 50 * time.Millisecond
	h := newHost(t, o)
	awaitAll(t, []*host{h})
	ask := askFor("u")
	ask.Rate = 1000
	keys := h.claimKeys(ask)
	big := strings.Repeat("x", maxSealed+1)
	for what, values := range map[string][4]string{
		"junk":          {"junk", "", "junk", ""},
		"too large":     {big, "", big, ""},
		"far ahead":     {strings.Repeat("9", 15) + "sealed", "", "99999999999999999999", ""},
		"a lease":       {"", "somebody", "", ""},
		"not a number":  {"", "", "nan", ""},
		"infinite":      {"", "", "inf", ""},
		"below nothing": {"", "", "-1e300", ""},
	} {
		for i, value := range values {
			s.must("DEL", keys[i])
			if value != "" {
				s.must("SET", keys[i], value)
			}
		}
		e2e.Until(t, "after "+what+" the host may fetch", func() bool {
			a := h.Claim(t.Context(), ask)
			if a.Decision == Go {
				h.finish(a, Result{})
			}
			if a.Decision == Have || a.After > time.Second {
				t.Fatalf("%s: %+v", what, a)
			}
			return a.Decision == Go && !a.Flight.Alone()
		})
	}
	s.must("SET", keys[3], "for ever")
	if a := h.claimed(ask, Pause); a.After > MaxPause {
		t.Errorf("paused for %s", a.After)
	}
}

func TestWithoutTheEngineAHostHasItsPartOfTheBudget(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	o := options(t, 0, s.url())
	o.Timeout = 50 * time.Millisecond
	hosts := []*host{newHost(t, o), newHost(t, options(t, 1, s.url()))}
	awaitAll(t, hosts)
	s.signal(syscall.SIGSTOP)
	defer s.signal(syscall.SIGCONT)
	ask := askFor("u")
	ask.Rate = 0.001 // each of the two hosts may make one call in 2000 s
	if a := hosts[0].Claim(t.Context(), ask); a.Decision != Go || !a.Flight.Alone() {
		t.Errorf("a stopped engine has answered: %+v", a)
	}
	for range failuresToOpen {
		if a := hosts[0].Claim(t.Context(), ask); a.Decision != Budget || a.After < 1900*time.Second || a.After > 2000*time.Second {
			t.Errorf("%+v", a)
		}
	}
	if st := hosts[0].Stats().Claims; !st.Open || st.Failed < failuresToOpen || st.Alone != 1 {
		t.Errorf("%+v", st)
	}
}
