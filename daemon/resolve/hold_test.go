package resolve

import (
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/resolve/purge"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/protocol"
)

// unfitAnswers are faults after which something answers, but with nothing that could be used.
func unfitAnswers() map[string]struct {
	fault standin.Fault
	code  protocol.Code
} {
	return map[string]struct {
		fault standin.Fault
		code  protocol.Code
	}{
		"bare 403":    {standin.Fault{Kind: standin.Status, Status: 403}, protocol.CodeMisconfigured},
		"408":         {standin.Fault{Kind: standin.Status, Status: 408}, protocol.CodeUnavailable},
		"another one": {standin.Fault{Kind: standin.OtherUser}, protocol.CodeUnavailable},
	}
}

// TestACredentialWithoutAUsableAnswerIsAskedAboutAfterGrowingPauses, and lookups are answered as before meanwhile.
func TestACredentialWithoutAUsableAnswerIsAskedAboutAfterGrowingPauses(t *testing.T) {
	for name, test := range unfitAnswers() {
		t.Run(name, func(t *testing.T) {
			k := newHarness(t, nil)
			p := k.project("stack")
			k.upstream.Inject(standin.Me, test.fault)
			token := k.token(k.upstream.AddUser(standin.User{}).ID)
			var asked []time.Duration
			for began := k.clock.Read(); k.clock.Read().Sub(began) < 2*time.Minute; k.clock.Advance(time.Second / 4) {
				before := k.upstream.Calls(standin.Me)
				l := k.profile(p, token)
				if len(asked)%2 == 0 {
					l.MaxAge = 0
				}
				v, _ := k.askFully(l)
				wantOutcome(t, "held", v, protocol.Unknown(test.code))
				if (v.RetryAfter > 0) != (test.code == protocol.CodeUnavailable) {
					t.Errorf("retry after %v", v.RetryAfter)
				}
				if k.upstream.Calls(standin.Me) > before {
					asked = append(asked, k.clock.Read().Sub(began))
					if wait := min(firstHold<<(len(asked)-1), longestHold); v.RetryAfter != wait && test.code == protocol.CodeUnavailable {
						t.Errorf("retry after %v, and the upstream is asked again after %v", v.RetryAfter, wait)
					}
				}
			}
			want := []time.Duration{0, 1, 3, 7, 15, 31, 61, 91}
			if len(asked) != len(want) {
				t.Fatalf("asked after %v", asked)
			}
			for i, at := range want {
				if asked[i] != at*time.Second {
					t.Errorf("asked after %v, want %v", asked[i], at*time.Second)
				}
			}
			k.upstream.ClearAll()
			k.clock.Advance(longestHold)
			v, _ := k.askFully(k.profile(p, token))
			wantAccepted(t, "after the fault", v)
			k.upstream.Inject(standin.Me, test.fault)
			l := k.profile(p, token)
			l.MaxAge = 0
			_, _ = k.askFully(l)
			k.upstream.ClearAll()
			k.clock.Advance(firstHold)
			v, _ = k.askFully(l)
			wantAccepted(t, "a second after the next fault", v)
		})
	}
}

// TestWhatAHoldLeavesAlone: another token of the user, another user, and whoever is served with an older profile. A purge
// ends it.
func TestWhatAHoldLeavesAlone(t *testing.T) {
	for name, test := range unfitAnswers() {
		for _, c := range []struct {
			what  string
			other func(k *harness, token, subject string) string // returns the token to ask about
		}{
			{"another token", func(k *harness, _, subject string) string {
				return k.upstream.StackToken(standin.TokenSpec{Subject: subject, Session: "another"})
			}},
			{"another user", func(k *harness, _, _ string) string { return k.token(k.upstream.AddUser(standin.User{}).ID) }},
			{"a purge of all", func(k *harness, token, _ string) string { k.resolver.purges.All(); return token }},
			{"a purge of the token", func(k *harness, token, _ string) string {
				k.resolver.purges.Purge(DigestOf([]byte(token)))
				return token
			}},
			{"a purge of the user", func(k *harness, token, subject string) string {
				k.resolver.purges.Purge(purge.Subject{Project: "stack", ID: subject})
				return token
			}},
		} {
			t.Run(name+", "+c.what, func(t *testing.T) {
				k := newHarness(t, nil)
				p := k.project("stack")
				k.upstream.Inject(standin.Me, test.fault)
				subject := k.upstream.AddUser(standin.User{}).ID
				token := k.token(subject)
				for range 2 {
					v, _ := k.askFully(k.profile(p, token))
					wantOutcome(t, "held", v, protocol.Unknown(test.code))
				}
				if n := k.upstream.Calls(standin.Me); n != 1 {
					t.Fatalf("%d calls", n)
				}
				k.upstream.ClearAll()
				v, _ := k.askFully(k.profile(p, c.other(k, token, subject)))
				wantAccepted(t, c.what, v)
			})
		}
	}
}

// TestAHeldCredentialIsServedStale, and costs no background refreshes.
func TestAHeldCredentialIsServedStale(t *testing.T) {
	k := newHarness(t, nil)
	p := k.project("stack")
	token := k.token(k.upstream.AddUser(standin.User{}).ID)
	v, _ := k.askFully(k.profile(p, token))
	wantAccepted(t, "at first", v)
	k.clock.Advance(2 * time.Minute)
	k.upstream.Inject(standin.Me, standin.Fault{Kind: standin.Status, Status: 403})
	before := k.upstream.Calls(standin.Me)
	for range 8 {
		v, _ := k.askFully(k.profile(p, token))
		wantAccepted(t, "held", v)
		if v.Source != SourceStale {
			t.Errorf("from %v", v.Source)
		}
		k.clock.Advance(firstHold / 10)
	}
	if n := k.upstream.Calls(standin.Me) - before; n != 1 {
		t.Errorf("%d calls", n)
	}
}
