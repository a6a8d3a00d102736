package resolve

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/resolve/cachekey"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/protocol"
)

// TestADenialOfOneTokenIsNoneOfAnother: two tokens of one user wait for one
// call, and the upstream denies the token that the call sent.
func TestADenialOfOneTokenIsNoneOfAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newHarness(t, nil)
		ada := k.upstream.AddUser(standin.User{Name: "Ada"}).ID
		answer := make(chan struct{})
		k.upstream.Inject(standin.Me, standin.Fault{Kind: standin.KnownError, Code: "UNPARSABLE_ACCESS_TOKEN", Times: 1, Until: answer})
		shown := k.begin(k.profile(k.project("stack"), k.token(ada)))
		synctest.Wait()
		other := k.begin(k.profile(k.project("stack"), k.upstream.StackToken(standin.TokenSpec{Subject: ada, Session: "another"})))
		synctest.Wait()
		if len(other) > 0 {
			t.Fatal("the other token did not wait for the call")
		}
		close(answer)
		wantOutcome(t, "the token that was shown", <-shown, protocol.Rejected(protocol.ReasonRejectedUpstream))
		if v := <-other; v.Status() != protocol.OK || v.Level != LevelProfile {
			t.Errorf("the other token: %s, level %s", v.Outcome, v.Level)
		}
	})
}

// begin answers a lookup in the background, and returns where its verdict will
// come.
func (h *harness) begin(l *Lookup) <-chan Verdict {
	answer := make(chan Verdict, 1)
	go func() {
		v, _ := h.askFully(l)
		answer <- v
	}()
	return answer
}

// TestAProfileOfAFlightThatHasEndedIsFromMemory: the lookup did not find the profile in
// memory, and by the time of its own flight another one has fetched the profile.
func TestAProfileOfAFlightThatHasEndedIsFromMemory(t *testing.T) {
	k := newHarness(t, nil)
	p, token := k.project("stack"), k.token(k.upstream.AddUser(standin.User{Name: "Ada"}).ID)
	v, _ := k.askFully(k.profile(p, token))
	if v.Level != LevelProfile || v.Source != SourceUpstream || v.Age != 0 {
		t.Fatalf("%s, source %s, age %s", v.Outcome, v.Source, v.Age)
	}
	const age = 20 * time.Second
	k.clock.Advance(age)
	l := k.profile(p, token)
	l.classify()
	v = k.resolver.profiles.resolve(t.Context(), l, v.entry)
	if v.Level != LevelProfile || v.Source != SourceCache || v.Age != age {
		t.Errorf("%s, source %s, age %s", v.Outcome, v.Source, v.Age)
	}
}

// TestALookupIsNotRefusedForAnothersShare: the lookup joins a fetch that
// another caller began, and that caller has used up its share of the budget.
func TestALookupIsNotRefusedForAnothersShare(t *testing.T) {
	refused := unknown(protocol.CodeUnavailable, 7*time.Second)
	self, another := fair.Asker{ID: fair.ID{UID: 1}}, fair.Asker{ID: fair.ID{UID: 2}}
	for name, c := range map[string]struct {
		unsent unsent
		asker  fair.Asker
		want   protocol.Outcome
	}{
		"another caller's fetch":   {forItsAsker, another, protocol.Accepted()},
		"a fetch of its own":       {forItsAsker, self, refused.Outcome},
		"one in the background":    {asBackground, self, protocol.Accepted()},
		"one that failed upstream": {wasSent, another, refused.Outcome},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newHarness(t, nil)
				p, ada := k.project("stack"), k.upstream.AddUser(standin.User{Name: "Ada"}).ID
				refuse := make(chan struct{})
				go func() {
					_, _, _ = k.resolver.profiles.flights.Do(t.Context(), p.flight(cachekey.User(p.name, keyset.ClassNormal, ada)), func(context.Context) fetched {
						<-refuse
						return fetched{asker: c.asker, unsent: c.unsent, failure: refused}
					})
				}()
				synctest.Wait()
				l := k.profile(p, k.token(ada))
				l.Asker = self
				answer := k.begin(l)
				synctest.Wait()
				if len(answer) > 0 {
					t.Error("the lookup did not wait for the call")
				}
				close(refuse)
				v := <-answer
				wantOutcome(t, name, v, c.want)
				if v.Status() == protocol.ERR && v.RetryAfter != refused.RetryAfter {
					t.Errorf("asking again helps after %s", v.RetryAfter)
				}
			})
		})
	}
}
