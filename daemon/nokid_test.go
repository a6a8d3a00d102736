package daemon

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/keyset"
	"github.com/neonauthd/neonauthd/daemon/resolve/resolvetest"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/protocol"
)

// TestRotationIsNoticedByTokensThatNameNoKey: if the only fitting key has not
// made a signature, this proves nothing while a newer key may exist.
func TestRotationIsNoticedByTokensThatNameNoKey(t *testing.T) {
	w := newLiveDaemon(t, func(c *config.Config) {
		oidc := &c.Projects[2]
		oidc.Algorithms = []string{"EdDSA"}
		oidc.JWKSCooldown = config.Duration(100 * time.Millisecond)
	})
	unnamed := standin.TokenSpec{Alg: "EdDSA", RemoveHeader: []string{"kid"}}
	k := w.dial()
	if reply := k.Ask("VERIFY project=oidc %s", w.upstream.OIDCToken(unnamed)); !strings.HasPrefix(reply, "OK ") {
		t.Fatal(reply)
	}
	w.upstream.Rotate(standin.OIDC, false)
	w.makeOIDCKeys()
	if reply := k.Ask("VERIFY project=oidc %s", w.upstream.OIDCToken(unnamed)); !strings.HasPrefix(reply, "OK ") {
		t.Errorf("after the rotation: %s", reply)
	}
	w.clock.advance(time.Second)
	unnamed.Forged = true
	if reply := k.Ask("VERIFY project=oidc %s", w.upstream.OIDCToken(unnamed)); reply != "NO bad-signature" {
		t.Errorf("forged: %s", reply)
	}
}

// TestATokenThatNamesNoKeyIsRefusedOnlyAfterAFetchOfItsOwn: a fetch for another
// token, or for no key id at all, proves nothing about this token.
func TestATokenThatNamesNoKeyIsRefusedOnlyAfterAFetchOfItsOwn(t *testing.T) {
	for name, prepare := range map[string]func(*liveDaemon, *talk, standin.TokenSpec){
		"another one was forged": func(w *liveDaemon, k *talk, spec standin.TokenSpec) {
			spec.Forged = true
			if reply := k.Ask("VERIFY project=oidc %s", w.upstream.OIDCToken(spec)); reply != "NO bad-signature" {
				w.t.Fatal(reply)
			}
		},
		"no key had its algorithm": func(w *liveDaemon, k *talk, _ standin.TokenSpec) {
			for _, key := range w.daemon.projects().ByName["oidc"].State(w.clock.now()).Keys.Set.Keys() {
				if slices.Contains(key.Algorithms(), keyset.EdDSA) {
					w.upstream.WithdrawKey(key.ID())
				}
			}
			w.clock.advance(time.Second)
			k.Ask("VERIFY project=oidc %s", w.upstream.OIDCToken(standin.TokenSpec{Header: map[string]any{"kid": "none"}}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newLiveDaemon(t, func(c *config.Config) {
				oidc := &c.Projects[2]
				oidc.Algorithms = []string{"EdDSA", "ES256"}
				oidc.JWKSCooldown = config.Duration(100 * time.Millisecond)
			})
			spec := standin.TokenSpec{Alg: "EdDSA", RemoveHeader: []string{"kid"}}
			k := w.dial()
			if reply := k.Ask("VERIFY project=oidc %s", w.upstream.OIDCToken(spec)); head(reply) != "OK" {
				t.Fatal(reply)
			}
			prepare(w, k, spec)
			w.upstream.Rotate(standin.OIDC, false)
			w.makeOIDCKeys()
			w.clock.advance(time.Second)
			if reply := k.Ask("VERIFY project=oidc %s", w.upstream.OIDCToken(spec)); head(reply) != "OK" {
				t.Errorf("after the rotation: %.60s", reply)
			}
		})
	}
}

// TestATokenThatNamesNoKeyIsTriedWithEachOfItsAlgorithm, if the preset allows
// tokens that name no key. If there are more keys than are tried, nothing is
// proved.
func TestATokenThatNamesNoKeyIsTriedWithEachOfItsAlgorithm(t *testing.T) {
	k := newIdleDaemon(t, nil)
	unnamed := standin.TokenSpec{RemoveHeader: []string{"kid"}}
	wantOutcome(t, "stack", k.ask(k.project("stack"), k.upstream.StackToken(unnamed)), protocol.Rejected(protocol.ReasonMalformed))
	neon := k.project("neon")
	resolvetest.StopKeys(neon)
	forged := unnamed
	forged.Forged = true
	tokens := []string{k.upstream.NeonToken(unnamed)}
	for n := 1; n <= keyset.MaxTried; n++ {
		for _, token := range tokens {
			wantAccepted(t, "neon", k.ask(neon, token))
		}
		wantOutcome(t, "forged", k.ask(neon, k.upstream.NeonToken(forged)), protocol.Unknown(protocol.CodeKeysPending))
		k.upstream.Rotate(standin.Neon, true)
		k.giveKeys(neon)
		k.daemon.resolver.PurgeAll()
		tokens = append(tokens, k.upstream.NeonToken(unnamed))
	}
	wantAccepted(t, "of one of those tried", k.ask(neon, tokens[0]))
	wantOutcome(t, "of the one too many", k.ask(neon, tokens[keyset.MaxTried]), protocol.Unknown(protocol.CodeMisconfigured))
	wantOutcome(t, "forged", k.ask(neon, k.upstream.NeonToken(forged)), protocol.Unknown(protocol.CodeMisconfigured))
}
