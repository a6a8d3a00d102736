package resolve

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/cache"
	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/resolve/cachekey"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/protocol"
)

// keeper is a harness with a user whose profile clients keep.
type keeper struct {
	*harness
	t     *testing.T
	user  string
	ended int // how often an end of this profile was told
}

func newKeeper(t *testing.T) *keeper {
	k := &keeper{harness: newHarness(t, nil), t: t}
	k.user = k.upstream.AddUser(standin.User{Name: "Ada"}).ID
	k.resolver.profiles.ended = func(grounds ...Ground) {
		if slices.ContainsFunc(grounds, func(g Ground) bool { return g.Kind == kindProfile }) {
			k.ended++
		}
	}
	return k
}

// asks asks for the profile, with a live check.
func (k *keeper) asks() (*Lookup, Verdict) {
	k.t.Helper()
	l := k.profile(k.project("stack"), k.token(k.user))
	l.MaxAge = 0
	v, _ := k.askFully(l)
	if v.Status() != protocol.OK || v.profile == nil {
		k.t.Fatalf("%s", v.Outcome)
	}
	return l, v
}

// keeps fails unless a client may keep the verdict, or may not.
func (k *keeper) keeps(l *Lookup, v Verdict, may bool) {
	k.t.Helper()
	if grounds := k.resolver.Grounds(nil, l, &v); (len(grounds) > 0) != may {
		k.t.Errorf("grounds %v; may be kept: %v", grounds, may)
	}
}

func (k *keeper) toldTimes(n int) {
	k.t.Helper()
	if k.ended != n {
		k.t.Errorf("the end of the profile is told %d times, want %d", k.ended, n)
	}
	k.ended = 0
}

// TestAnAnswerOlderThanTheProfileIsToldAfterIt: another profile comes between the
// decision of an answer and its reply. Its handle is told once more, so that the client
// refuses it.
func TestAnAnswerOlderThanTheProfileIsToldAfterIt(t *testing.T) {
	k := newKeeper(t)
	l, v := k.asks()
	k.toldTimes(0)
	k.upstream.SetProfile(k.user, "display_name", "Countess of Lovelace")
	newer, now := k.asks()
	k.toldTimes(1)
	k.keeps(l, v, true)
	k.toldTimes(1)
	k.keeps(newer, now, true)
	k.toldTimes(1)
	k.keeps(newer, now, true)
	k.asks()
	k.toldTimes(0)
}

// TestAProfileWithoutANoteIsNotKept: there is no room to remember which profile clients
// keep. Where it may have been kept before, its end is told.
func TestAProfileWithoutANoteIsNotKept(t *testing.T) {
	k := newKeeper(t)
	const places = 8 // a power of two, so that the table has no more
	k.resolver.profiles.kept = cache.NewRecent[version](places, k.clock.Read)
	for i := range places {
		k.resolver.profiles.kept.Set(cache.Key{31: byte(i)}, version{}, time.Minute)
	}
	l, v := k.asks()
	k.toldTimes(1)
	k.keeps(l, v, false)
	k.clock.Advance(time.Minute)
	l, v = k.asks()
	k.keeps(l, v, true)
	k.asks()
	k.toldTimes(0)
}

// falls asks for the profile while the upstream fails, and accepts the claims instead.
func (k *keeper) falls() (*Lookup, Verdict) {
	k.t.Helper()
	k.upstream.Inject(standin.Me, standin.Fault{Kind: standin.Reset})
	defer k.upstream.Clear(standin.Me)
	l := k.profile(k.project("stack"), k.token(k.user))
	l.Fallback, l.MaxAge = true, 0
	v, _ := k.askFully(l)
	if v.Status() != protocol.OK || v.Level != LevelClaims {
		k.t.Fatalf("%s at level %s", v.Outcome, v.Level)
	}
	return l, v
}

// TestTheClaimsAreForgottenWhenTheProfileComes: a client that keeps them would not see the
// profile before their time is over.
func TestTheClaimsAreForgottenWhenTheProfileComes(t *testing.T) {
	k := newKeeper(t)
	l, v := k.falls()
	k.keeps(l, v, true)
	k.keeps(l, v, true)
	k.toldTimes(0)
	k.asks()
	k.toldTimes(1)
}

// TestClaimsDoNotEndAKeptProfile: some lookups accept an older profile than others.
func TestClaimsDoNotEndAKeptProfile(t *testing.T) {
	k := newKeeper(t)
	with, profile := k.asks()
	k.keeps(with, profile, true)
	l, v := k.falls()
	k.keeps(l, v, false)
	k.keeps(with, profile, true)
	k.toldTimes(0)
}

// TestNothingIsStillAcceptedThatHasEnded: it ends between the verdict and its reply.
func TestNothingIsStillAcceptedThatHasEnded(t *testing.T) {
	for name, end := range map[string]func(k *keeper, l *Lookup){
		"nothing": func(*keeper, *Lookup) {},
		"the user is revoked": func(k *keeper, _ *Lookup) {
			k.revoke("subject", k.user, true)
		},
		"the token is purged":  func(k *keeper, l *Lookup) { k.resolver.PurgeToken(l.Token, []*Project{l.Project}) },
		"the user is purged":   func(k *keeper, _ *Lookup) { k.resolver.PurgeSubject("stack", k.user) },
		"everything is purged": func(k *keeper, _ *Lookup) { k.resolver.PurgeAll() },
		"the profile changes": func(k *keeper, _ *Lookup) {
			k.upstream.SetProfile(k.user, "display_name", "Countess of Lovelace")
			k.asks()
		},
		"the upstream denies the user": func(k *keeper, l *Lookup) {
			k.upstream.DeleteUser(k.user)
			live := *l
			live.MaxAge = 0
			if v, _ := k.askFully(&live); v.Status() != protocol.NO {
				k.t.Fatalf("a deleted user: %s", v.Outcome)
			}
		},
		"the upstream denies this token of the user": func(k *keeper, l *Lookup) { // and another token brings the profile
			key := l.profileKey(k.ask(l.Project, string(l.Token)).entry)
			no := denial{l.Project, k.resolver.purges.Current(), protocol.ReasonRejectedUpstream, k.clock.Read()}
			k.resolver.profiles.denials.Set(cachekey.Denied(key, l.digest), no, time.Minute)
		},
		"the keys are withdrawn": func(k *keeper, l *Lookup) {
			k.upstream.Rotate(standin.Stack, false)
			k.giveKeys(l.Project)
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKeeper(t)
			l, v := k.asks()
			end(k, l)
			claims := k.claims(l.Project, string(l.Token))
			claims.digest, claims.kind = l.digest, l.kind
			still := map[string]bool{"profile": k.resolver.StillAccepted(l, &v), "claims": k.resolver.StillAccepted(claims, &Verdict{entry: v.entry})}
			ofProfile := name == "the profile changes" || strings.HasPrefix(name, "the upstream denies")
			if want := name == "nothing"; still["profile"] != want || still["claims"] != (want || ofProfile) {
				t.Errorf("still accepted: %v", still)
			}
		})
	}
	k := newKeeper(t)
	l := k.claims(k.project("stack"), "nonsense")
	if v, _ := k.askFully(l); k.resolver.StillAccepted(l, &v) {
		t.Error("a rejection is still accepted")
	}
}

// TestClaimsInPlaceOfAProfileTakeNoNewerRevision: nothing in memory says that the upstream has denied
// the user since, if the denial rests on this host's clock or its time is over.
func TestClaimsInPlaceOfAProfileTakeNoNewerRevision(t *testing.T) {
	k := newKeeper(t)
	l, v := k.falls()
	if k.resolver.StillAccepted(l, &v) {
		t.Error("they may take a newer revision")
	}
}

// TestAReloadedProjectLetsClientsKeepClaims: what clients may keep of the project before is
// told in any case, by the reload.
func TestAReloadedProjectLetsClientsKeepClaims(t *testing.T) {
	k := newKeeper(t)
	l, v := k.asks()
	k.keeps(l, v, true)
	next := k.newProject(*l.Project.config())
	next.Inherit(l.Project)
	k.projects["stack"] = next
	l, v = k.falls()
	k.keeps(l, v, true)
}

// TestAnswersThatNobodyKeepsNoteNothing: stale answers have ttl 0.
func TestAnswersThatNobodyKeepsNoteNothing(t *testing.T) {
	k := newKeeper(t)
	k.asks()
	k.clock.Advance(time.Duration(k.project("stack").config().ProfileFresh))
	k.giveKeys(k.project("stack"))
	for range 6 { // a note lasts for a minute
		k.upstream.Inject(standin.Me, standin.Fault{Kind: standin.Reset})
		l := k.profile(k.project("stack"), k.token(k.user))
		v, _ := k.askFully(l)
		k.upstream.Clear(standin.Me)
		if v.Source != SourceStale || v.TTL != 0 {
			t.Fatalf("%s from %s, ttl %s", v.Outcome, v.Source, v.TTL)
		}
		k.keeps(l, v, true) // no client does, but each has handles
		k.clock.Advance(20 * time.Second)
	}
	l, v := k.falls()
	k.keeps(l, v, true)
}

// TestMachinesTakeNoNote: no profile of them will come.
func TestMachinesTakeNoNote(t *testing.T) {
	k := newKeeper(t)
	k.resolver.profiles.kept = cache.NewRecent[version](8, k.clock.Read)
	for i := range 8 { // there is no room
		k.resolver.profiles.kept.Set(cache.Key{31: byte(i)}, version{}, time.Minute)
	}
	l, v := k.falls()
	k.keeps(l, v, false)
	machine := *v.entry
	machine.class = keyset.ClassMachine
	v.entry = &machine
	k.keeps(l, v, true)
}
