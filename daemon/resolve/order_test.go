package resolve

import (
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/protocol"
)

// TestAPurgeCoversWhatIsBeingEstablished: the revision of purges is read before anything else. A purge comes at each
// moment of a lookup in which the clock is read; what was established before the purge is void after it.
func TestAPurgeCoversWhatIsBeingEstablished(t *testing.T) {
	for _, level := range []Level{LevelClaims, LevelProfile} {
		k := newHarness(t, nil)
		var reads, at int
		var purged time.Time
		now := func() time.Time {
			read := k.clock.Read()
			if reads++; reads == at {
				purged = read
				k.resolver.PurgeAll()
				k.clock.Advance(time.Second)
			}
			return read
		}
		k.resolver.now, k.resolver.profiles.now = now, now
		for at = 1; at == 1 || reads >= at; at++ {
			l := k.claims(k.project("stack"), k.token(k.upstream.AddUser(standin.User{}).ID))
			l.Level, reads = level, 0
			v, _ := k.askFully(l)
			if v.Status() != protocol.OK {
				t.Fatalf("read %d: %s", at, v.Outcome)
			}
			void := func(established time.Time, revision uint64) bool {
				return established.After(purged) || k.resolver.purges.Covers(revision, l.purged(), v.entry.user())
			}
			if reads >= at && (!void(v.entry.established, v.entry.revision) || v.profile != nil && !void(v.profile.asked, v.profile.revision)) {
				t.Errorf("what was established before the purge at read %d of the clock is valid after it", at)
			}
		}
		if at < 5 {
			t.Errorf("only %d reads of the clock: nothing is shown", at)
		}
	}
}

// TestAnIssuerThatIsProvedDuringACheckEndsItsVerdict: the verdict is by the rules from before.
func TestAnIssuerThatIsProvedDuringACheckEndsItsVerdict(t *testing.T) {
	for _, proved := range []bool{false, true} {
		k := newHarness(t, nil)
		l := k.claims(k.project("stack"), k.token("ada"))
		l.classify()
		w := walk{Resolver: k.resolver, l: l, ctx: t.Context()}
		j := w.judge()
		if proved {
			l.Project.pins.Add(1)
		}
		v := w.conclude(&j, k.resolver.purges.Current())
		if wantAccepted(t, "the token", v); v.entry.alive(l.Project, k.clock.Read()) == proved {
			t.Errorf("the issuer is proved meanwhile: %t, and the verdict is valid: %t", proved, proved)
		}
	}
}
