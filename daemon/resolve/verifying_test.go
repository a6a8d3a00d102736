package resolve

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/protocol"
)

// TestAnswersFromMemoryWaitForNoVerification: the gate has only one place, and
// another caller's verification has it.
func TestAnswersFromMemoryWaitForNoVerification(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newHarness(t, nil)
		p, ada := k.project("stack"), k.upstream.AddUser(standin.User{Name: "Ada"}).ID
		known := k.token(ada)
		if v, _ := k.askFully(k.profile(p, known)); v.Level != LevelProfile {
			t.Fatal(v.Outcome)
		}
		gate := fair.NewGate(fair.Shares{Total: 1, Each: 1})
		k.resolver.verifications = gate
		greedy := fair.Asker{ID: fair.ID{UID: 9}}
		if err := gate.Enter(t.Context(), greedy); err != nil {
			t.Fatal(err)
		}
		var misses [5]<-chan Verdict
		for i := range misses {
			misses[i] = k.begin(k.claims(p, k.token("bob")))
		}
		synctest.Wait()
		for _, miss := range misses {
			select {
			case v := <-miss:
				t.Fatalf("%s, while the gate is full", v.Outcome)
			default:
			}
		}
		for name, l := range map[string]*Lookup{"claims": k.claims(p, known), "profile": k.profile(p, known), "malformed": k.claims(p, "x")} {
			if v, ok := k.resolver.Recall(l); !ok {
				t.Errorf("%s: %s, and waits", name, v.Outcome)
			}
		}
		// A token that was never seen waits, even if its user's profile is in
		// memory.
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		token := k.token(ada)
		l := k.profile(p, token)
		if v, ok := k.resolver.Recall(l); ok || !k.resolver.Admit(l) {
			t.Fatalf("a token never seen: %s", v.Outcome)
		}
		wantOutcome(t, "a token never seen", k.resolver.Resolve(ctx, l), protocol.Unknown(protocol.CodeDeadline))
		k.resolver.Leave(l)
		if v, ok := k.resolver.Recall(k.claims(p, token)); ok {
			t.Errorf("the token was verified outside of the gate: %s", v.Outcome)
		}
		gate.Leave(greedy.ID)
		for _, miss := range misses {
			wantAccepted(t, "after the gate", <-miss)
		}
	})
}

// TestAVerificationThatWaitsForKeysLeavesTheGate, so that other tokens are judged
// while the upstream takes its time.
func TestAVerificationThatWaitsForKeysLeavesTheGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newHarness(t, nil)
		k.resolver.verifications = fair.NewGate(fair.Shares{Total: 1, Each: 1})
		slow := k.begin(k.claims(k.project("stack"), k.pend()))
		synctest.Wait()
		wantAccepted(t, "meanwhile", k.ask(k.project("stack"), k.token("ada")))
		synctest.Wait()
		if s := k.resolver.State(); s.InFlight != 1 || s.WaitingForUpstream != 1 {
			t.Errorf("%d are in flight, %d of them wait for the upstream", s.InFlight, s.WaitingForUpstream)
		}
		wantOutcome(t, "the one that waits", <-slow, protocol.Unknown(protocol.CodeDeadline))
	})
}

// TestTokensThatNeedNoUpstreamAreJudgedWhileItHangs: lookups of profiles have
// taken all places for waiting for the upstream.
func TestTokensThatNeedNoUpstreamAreJudgedWhileItHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newHarness(t, nil)
		p := k.project("stack")
		pool := func(n int) *fair.Pool { return fair.NewPool(fair.Shares{Total: n, Each: n}) }
		k.resolver.places = places{local: pool(6), upstream: pool(3)}
		answer := make(chan struct{})
		k.upstream.Inject(standin.Me, standin.Fault{Kind: standin.Delay, Until: answer})
		unseen := func() string { return k.token(k.upstream.AddUser(standin.User{}).ID) }
		var hanging [3]<-chan Verdict
		for i := range hanging {
			hanging[i] = k.begin(k.profile(p, unseen()))
		}
		synctest.Wait()
		if n := k.resolver.State().WaitingForUpstream; n != len(hanging) {
			t.Fatalf("%d wait for the upstream", n)
		}
		for range 5 {
			wantAccepted(t, "a token that needs no upstream", k.ask(p, unseen()))
		}
		busy := protocol.Unknown(protocol.CodeBusy)
		v, _ := k.askFully(k.profile(p, unseen()))
		wantOutcome(t, "another profile", v, busy)
		l := k.profile(p, unseen())
		l.Fallback = true
		if v, _ := k.askFully(l); v.Status() != protocol.OK || v.Level != LevelClaims {
			t.Errorf("with a fallback: %s, level %s", v.Outcome, v.Level)
		}
		wantOutcome(t, "a token that needs the upstream", k.ask(p, k.pend()), busy)
		if s := k.resolver.State(); s.InFlight != len(hanging) {
			t.Errorf("%d are in flight", s.InFlight)
		}
		close(answer)
		for _, h := range hanging {
			wantAccepted(t, "when it answers", <-h)
		}
	})
}
