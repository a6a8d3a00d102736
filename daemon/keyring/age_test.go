package keyring

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/neonauthd/neonauthd/daemon/fair"
	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/daemon/upstream"
	"github.com/neonauthd/neonauthd/protocol"
)

// cached is a cache that answers every fetch with a copy that it has kept for age.
func cached(text string, age time.Duration) func() (upstream.KeySetResponse, error) {
	return func() (upstream.KeySetResponse, error) {
		return upstream.KeySetResponse{Body: []byte(text), MaxAge: -1, Age: age}, nil
	}
}

// copyOf is a cache that keeps one copy, which was made now. Its Age grows.
func copyOf(text string) func() (upstream.KeySetResponse, error) {
	made := time.Now()
	return func() (upstream.KeySetResponse, error) { return cached(text, time.Since(made).Truncate(time.Second))() }
}

// text returns the key set that the upstream publishes now.
func (b *rig) text() string { return b.call(upstream.Validators{}).Body.String() }

// withdraw has the upstream publish another key in place of the present one, and returns
// the id of the old one and the set before.
func (b *rig) withdraw() (gone, before string) {
	gone, before = b.signer(), b.text()
	b.upstream.Rotate(standin.Stack, false)
	b.upstream.WithdrawKey(gone)
	return gone, before
}

// TestAnOlderCopyBringsNoWithdrawnKeyBack, whatever causes the fetch.
func TestAnOlderCopyBringsNoWithdrawnKeyBack(t *testing.T) {
	for name, next := range map[string]func(*rig){
		"a fetch for an unknown key": func(b *rig) { b.sleep(b.config().Cooldown); b.wantLook("made up", bogus(2), Pending) },
		"a regular fetch":            func(b *rig) { b.sleep(10 * time.Minute) },
		"regular fetches for hours":  func(b *rig) { b.sleep(5 * time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			bench(t, func(b *rig) {
				b.sleep(time.Minute)
				gone, before := b.withdraw()
				copied := copyOf(before)
				b.sleep(time.Minute)
				b.wantLook("made up", bogus(1), Absent)
				current := b.current.Load()
				b.behave(0, copied)
				fetched := b.fetched()
				next(b)
				if b.fetched() == fetched {
					t.Fatal("nothing was fetched")
				}
				if b.current.Load() != current || current.set.Find(gone) != nil {
					t.Error("an older copy has replaced the set")
				}
				if s := b.State(b.clock.Now()); s.FailuresInARow != 0 || s.Problem != errOlder.Error() {
					t.Errorf("%d failures, problem %q", s.FailuresInARow, s.Problem)
				}
				if n := strings.Count(b.log.String(), "key set not taken"); n != 1 {
					t.Errorf("%d lines in the log, want 1", n)
				}
				b.behave(0, nil)
				b.upstream.Rotate(standin.Stack, false)
				b.sleep(10 * time.Minute)
				if b.current.Load().set.Find(b.signer()) == nil || b.State(b.clock.Now()).Problem != "" {
					t.Error("the next answer of the upstream is not taken")
				}
			})
		})
	}
}

// TestAfterARestartAnOlderCopyBringsNoWithdrawnKeyBack: the saved set has its time. A copy
// with the same content confirms it.
func TestAfterARestartAnOlderCopyBringsNoWithdrawnKeyBack(t *testing.T) {
	for name, same := range map[string]bool{"another content": false, "the same content": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := NewStore(openStateDir(t), "main", keysOrigin)
				b := newRig(t, store)
				gone, text := b.withdraw()
				if same {
					text = b.text()
				}
				copied := copyOf(text)
				b.sleep(time.Minute)
				b.start()
				b.sleep(time.Second)
				b.stop()
				again := newRig(t, store)
				again.behave(0, copied)
				again.start()
				defer again.stop()
				again.sleep(time.Minute)
				current := again.current.Load()
				if current.set.Find(gone) != nil {
					t.Error("the withdrawn key is back")
				}
				if current.saved == same || current.made.Sub(b.current.Load().made).Abs() > time.Millisecond {
					t.Errorf("saved %v, made %s, want %s", current.saved, current.made, b.current.Load().made)
				}
				if !again.history()[0].latest {
					t.Error("caches were not asked to ask the upstream")
				}
			})
		})
	}
}

func TestASetThatWasMadeLaterIsTakenFromACacheToo(t *testing.T) {
	bench(t, func(b *rig) {
		gone, _ := b.withdraw()
		b.sleep(time.Minute)
		b.behave(0, cached(b.text(), 50*time.Second))
		b.wantLook("rotated", b.signer(), Changed)
		if b.current.Load().set.Find(gone) != nil {
			t.Error("the withdrawn key is still there")
		}
	})
}

// TestOnlyFetchesThatNeedItAskCachesNotToAnswer: caches spare the upstream the others.
func TestOnlyFetchesThatNeedItAskCachesNotToAnswer(t *testing.T) {
	bench(t, func(b *rig) {
		want := []bool{false}
		check := func(what string, latest bool) {
			t.Helper()
			want = append(want, latest)
			b.wantFetched(what, len(want))
			for i, call := range b.history() {
				if i < len(want) && call.latest != want[i] {
					t.Errorf("%s: fetch %d asks the upstream itself: %v", what, i, call.latest)
				}
			}
		}
		b.sleep(10 * time.Minute)
		check("regular", false)
		b.look(bogus(1))
		check("for an unknown key", true)
		_, before := b.withdraw()
		copied := copyOf(before)
		b.sleep(time.Minute)
		b.look(bogus(2))
		check("for another one", true)
		b.behave(0, copied)
		b.sleep(10 * time.Minute)
		check("regular again, and a copy comes", false)
		b.sleep(10 * time.Minute)
		check("after an older copy", true)
	})
}

// TestAKeyIDIsAbsentOnlyFromASetThatWasMadeAfterItWasMet: a key that was published since
// the copy was made is not in the copy.
func TestAKeyIDIsAbsentOnlyFromASetThatWasMadeAfterItWasMet(t *testing.T) {
	for _, c := range []struct {
		name string
		age  time.Duration
		most time.Duration // until it is absent
	}{
		{"from the upstream", 0, 0},
		{"a second", time.Second, time.Minute},
		{"half an hour", 30 * time.Minute, 31 * time.Minute},
		{"an hour", time.Hour, 61 * time.Minute},
		{"a cache that says a wrong Age", 1<<31 - 1, 61 * time.Minute},
		{"one that says it in nanoseconds", 1<<63 - 1, 61 * time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			bench(t, func(b *rig) {
				b.sleep(time.Minute)
				b.behave(0, cached(b.text(), c.age))
				began, before := time.Now(), b.fetched()
				f, _ := b.look(bogus(1))
				for ; f == Pending && time.Since(began) < 2*time.Hour; f, _ = b.look(bogus(1)) {
					if b.hit(); b.current.Load().set.Find(b.signer()) == nil {
						t.Fatal("a key that is in every set is not there")
					}
					b.sleep(5 * time.Second)
				}
				took := time.Since(began)
				if f != Absent || took < min(c.age, b.config().MaxAge) || took > c.most {
					t.Errorf("finding %d after %s, want absent after %s to %s", f, took, min(c.age, b.config().MaxAge), c.most)
				}
				// One fetch per cooldown, and the regular ones.
				if n := b.fetched() - before; n > 1+int(took/b.config().Cooldown)+int(took/minRefresh) {
					t.Errorf("%d fetches in %s", n, took)
				}
				b.sleep(time.Minute)
				b.wantLook("known for long", bogus(1), Absent)
				b.sleep(time.Minute)
				b.behave(0, nil)
				b.wantLook("another one, from the upstream", bogus(2), Absent)
			})
		})
	}
}

func TestAKeyThatACacheLacksIsFoundWhenTheUpstreamAnswers(t *testing.T) {
	bench(t, func(b *rig) {
		copied := copyOf(b.text())
		b.sleep(time.Minute)
		b.upstream.Rotate(standin.Stack, false)
		kid := b.signer()
		b.behave(0, copied)
		for range 10 {
			b.wantLook("not in the copy", kid, Pending)
			b.sleep(time.Minute)
		}
		b.behave(0, nil)
		b.wantLook("from the upstream", kid, Changed)
		b.locked(func() {
			if len(b.met) != 0 {
				t.Errorf("%d key ids are still remembered", len(b.met))
			}
		})
	})
}

// TestAForgedSignatureIsBadWhenASetWasMadeAfterTheToken: also if a cache answers every
// fetch. Until then another key may have the same id.
func TestAForgedSignatureIsBadWhenASetWasMadeAfterTheToken(t *testing.T) {
	bench(t, func(b *rig) {
		policy := &keyset.Policy{Algorithms: b.config().Algorithms}
		forged := []byte(b.upstream.StackToken(standin.TokenSpec{Forged: true}))
		open := func() (protocol.Outcome, time.Duration) {
			return b.Open(b.t.Context(), fair.ID{}, policy, forged, func(set *keyset.Set, now time.Time) protocol.Outcome {
				_, outcome := keyset.Verify(policy, set, forged, now, nil)
				return outcome
			})
		}
		b.sleep(time.Minute)
		b.behave(0, cached(b.text(), 10*time.Minute))
		for range 19 {
			if got, wait := open(); got != protocol.Unknown(protocol.CodeKeysPending) || wait <= 0 {
				t.Fatalf("%s, ask again after %s", got, wait)
			}
			b.sleep(b.config().Cooldown)
		}
		b.sleep(2 * b.config().Cooldown)
		if got, _ := open(); got != protocol.Rejected(protocol.ReasonBadSignature) {
			t.Errorf("in the end: %s", got)
		}
		b.behave(0, nil)
		b.sleep(b.config().Cooldown)
		forged = []byte(b.upstream.StackToken(standin.TokenSpec{Forged: true}))
		if got, _ := open(); got != protocol.Rejected(protocol.ReasonBadSignature) {
			t.Errorf("from the upstream: %s", got)
		}
	})
}

// TestAWrongAgeEndsNoVerification: whatever a cache says for days, keys that are in every
// set stay in use, and a rotation is followed within a day.
func TestAWrongAgeEndsNoVerification(t *testing.T) {
	for name, age := range map[string]time.Duration{
		"a minute": time.Minute, "an hour": time.Hour, "a day": Lifetime, "a month": 30 * Lifetime, "for ever": 1<<63 - 1,
	} {
		t.Run(name, func(t *testing.T) {
			bench(t, func(b *rig) {
				first := b.signer()
				b.sleep(time.Minute)
				b.upstream.Rotate(standin.Stack, true) // both keys are published
				b.behave(0, cached(b.text(), age))
				before, followed := b.fetched(), time.Duration(0)
				for range 3 * 24 * 12 {
					if !b.hit() || b.current.Load().set.Find(first) == nil {
						t.Fatalf("after %s nothing is verified", time.Since(b.began))
					}
					if f, _ := b.look(b.signer()); f == Changed && followed == 0 {
						followed = time.Since(b.began)
					} else if f == Absent {
						t.Fatal("a published key is said to be absent")
					}
					b.sleep(5 * time.Minute)
				}
				if followed == 0 || followed > min(age, Lifetime)+6*time.Minute {
					t.Errorf("the rotation was followed after %s", followed)
				}
				if n := b.fetched() - before; n > 2*3*24*60 {
					t.Errorf("%d fetches in three days", n)
				}
			})
		})
	}
}

// TestACopyThatStaysForDaysReplacesASetThatIsTooOld: no verification ends, although the
// upstream is out of reach behind the cache.
func TestACopyThatStaysForDaysReplacesASetThatIsTooOld(t *testing.T) {
	bench(t, func(b *rig) {
		copied := copyOf(b.text())
		b.sleep(time.Minute)
		b.upstream.Rotate(standin.Stack, false)
		b.wantLook("rotated", b.signer(), Changed)
		newer := b.current.Load()
		b.behave(0, copied)
		for range 3 * 24 * 12 {
			if !b.hit() {
				t.Fatalf("after %s nothing is verified", time.Since(b.began))
			}
			if b.current.Load() != newer && newer.Usable(b.clock.Now()) {
				t.Fatalf("after %s an older copy has replaced the set", time.Since(b.began))
			}
			b.sleep(5 * time.Minute)
		}
		if b.current.Load() == newer {
			t.Error("a set of three days is in use")
		}
	})
}

func TestWhatIsRememberedForCopiesIsBounded(t *testing.T) {
	bench(t, func(b *rig) {
		b.behave(0, cached(b.text(), 1<<31-1))
		for i := range 40 {
			b.all(500, func(n int) string { return bogus(500*i + n) })
			b.sleep(b.config().Cooldown)
			b.locked(func() {
				if len(b.met) > MaxWanted {
					t.Errorf("%d key ids", len(b.met))
				}
			})
		}
		b.locked(func() {
			if len(b.met) < MaxWanted {
				t.Errorf("only %d: the bound is not put to the test", len(b.met))
			}
		})
		b.sleep(3 * time.Hour)
		b.locked(func() {
			if len(b.met) > 0 {
				t.Errorf("%d key ids are remembered for ever", len(b.met))
			}
		})
	})
}
