package daemon

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin"
)

// renamed is a daemon whose upstream publishes its keys under an id of the
// test's choice, like issuers that use one id for ever.
type renamed struct {
	*liveDaemon
	t       *testing.T
	preset  standin.Preset
	fetches standin.Endpoint
	k, a    *talk
}

const oneID = "the-only-id"

func newRenamed(t *testing.T, preset standin.Preset, fetches standin.Endpoint) *renamed {
	t.Helper()
	w := &renamed{liveDaemon: newLiveDaemon(t, nil), t: t, preset: preset, fetches: fetches}
	w.k, w.a = w.dial(), w.dialAdmin()
	mint := w.upstream.NeonToken
	if preset == standin.OIDC {
		mint = w.upstream.OIDCToken
	}
	if reply := w.k.Ask("VERIFY project=%s %s", preset, mint(standin.TokenSpec{})); head(reply) != "OK" { // the first fetch is done
		t.Fatal(reply)
	}
	return w
}

// publish sets the key set: only the keys that now sign with these algorithms,
// all under oneID.
func (w *renamed) publish(algorithms ...string) {
	w.t.Helper()
	w.upstream.Clear(w.fetches)
	var set struct {
		Keys []map[string]any `json:"keys"`
	}
	if err := json.Unmarshal(get(w.upstream, w.upstream.KeysURL(w.preset)).Body.Bytes(), &set); err != nil {
		w.t.Fatal(err)
	}
	var kept []map[string]any
	for _, key := range set.Keys {
		for _, alg := range algorithms {
			if key["alg"] == alg {
				key["kid"] = oneID
				kept = append(kept, key)
			}
		}
	}
	body, err := json.Marshal(map[string]any{"keys": kept})
	if err != nil || len(kept) != len(algorithms) {
		w.t.Fatal(err, kept)
	}
	w.upstream.Inject(w.fetches, standin.Fault{Kind: standin.Answer, Body: string(body), Header: map[string][]string{"Content-Type": {"application/json"}}})
}

// token returns a token that is signed with the current key of the algorithm and
// names oneID.
func (w *renamed) token(alg string, forged bool) string {
	spec := standin.TokenSpec{Header: map[string]any{"kid": oneID}, Forged: forged}
	if w.preset == standin.Neon {
		return w.upstream.NeonToken(spec)
	}
	spec.Alg = alg
	return w.upstream.OIDCToken(spec)
}

// want fails unless the token gets the reply after n more fetches, and EXPLAIN
// says before it what VERIFY would say without a fetch.
func (w *renamed) want(what, token, reply string, n int) {
	w.t.Helper()
	var x explanation
	if err := json.Unmarshal([]byte(strings.TrimPrefix(w.a.Ask("EXPLAIN project=%s %s", w.preset, token), "OK ")), &x); err != nil {
		w.t.Fatal(err)
	}
	before := w.upstream.Calls(w.fetches)
	got := head(w.k.Ask("VERIFY project=%s %s", w.preset, token))
	if got != reply {
		w.t.Errorf("%s: %s, want %s", what, got, reply)
	}
	if fetched := w.upstream.Calls(w.fetches) - before; fetched != n {
		w.t.Errorf("%s: %d fetches, want %d", what, fetched, n)
	}
	if n > 0 {
		reply = "ERR keys-pending"
	}
	if word := map[string]string{"accepted": "OK", "rejected": "NO", "unknown": "ERR"}[x.Outcome]; word != strings.Fields(reply)[0] || !strings.HasSuffix(reply, x.Reason) {
		w.t.Errorf("%s: explained as %s %s, want %s", what, x.Outcome, x.Reason, reply)
	}
}

// TestANewKeyUnderAnOldIDIsFound: that the key of that id has not made a
// signature is proof only while the upstream has confirmed this key shortly
// before.
func TestANewKeyUnderAnOldIDIsFound(t *testing.T) {
	w := newRenamed(t, standin.Neon, standin.NeonKeys)
	cooldown := time.Duration(w.config.Projects[1].WithDerived().JWKSCooldown)
	w.publish("EdDSA")
	old := w.token("EdDSA", false)
	w.want("first seen", old, "OK", 1)
	w.upstream.Rotate(standin.Neon, false)
	w.publish("EdDSA")
	fresh := w.token("EdDSA", false)
	w.clock.advance(cooldown - time.Second)
	w.want("new key, right after a fetch", fresh, "NO bad-signature", 0)
	w.want("asked again", fresh, "NO bad-signature", 0)
	w.want("old key, still accepted", old, "OK", 0)
	w.clock.advance(time.Second)
	w.want("new key, when the fetch proves nothing any more", fresh, "OK", 1)
	w.want("old key", old, "NO bad-signature", 0)
}

// TestForgedTokensCostOneFetchPerCooldown: while the upstream cannot confirm the
// key, the tokens are neither rejected as forged nor accepted.
func TestForgedTokensCostOneFetchPerCooldown(t *testing.T) {
	w := newRenamed(t, standin.Neon, standin.NeonKeys)
	cooldown := time.Duration(w.config.Projects[1].WithDerived().JWKSCooldown)
	w.publish("EdDSA")
	good := w.token("EdDSA", false)
	w.want("good", good, "OK", 1)
	for round := range 3 {
		w.clock.advance(cooldown)
		w.want("first of a round", w.token("EdDSA", true), "NO bad-signature", 1)
		for range 20 {
			w.want(fmt.Sprint("round ", round), w.token("EdDSA", true), "NO bad-signature", 0)
		}
	}
	w.clock.advance(cooldown)
	w.upstream.Clear(standin.NeonKeys)
	w.upstream.Inject(standin.NeonKeys, standin.Fault{Kind: standin.Status, RetryAfter: "600"})
	forged := w.token("EdDSA", true)
	w.want("while the upstream is down", forged, "ERR keys-pending", 1)
	for range 20 {
		w.want("another one", w.token("EdDSA", true), "ERR keys-pending", 0)
	}
	w.want("good, while the upstream is down", good, "OK", 0)
	w.upstream.Clear(standin.NeonKeys)
	w.publish("EdDSA")
	w.clock.advance(10 * time.Minute)
	w.want("when it is back", forged, "NO bad-signature", 1)
}

// TestAKeyOfAnotherAlgorithmUnderAnOldIDIsFound: a key is named by its id and
// its algorithm together, and the set may not have that key yet.
func TestAKeyOfAnotherAlgorithmUnderAnOldIDIsFound(t *testing.T) {
	w := newRenamed(t, standin.OIDC, standin.OIDCKeys)
	cooldown := time.Duration(w.config.Projects[2].WithDerived().JWKSCooldown)
	w.publish("ES256")
	ecdsa, edwards := w.token("ES256", false), w.token("EdDSA", false)
	w.want("of the one algorithm", ecdsa, "OK", 1)
	w.want("of another one", edwards, "NO wrong-algorithm", 0)
	w.publish("ES256", "EdDSA")
	w.want("published, right after a fetch", edwards, "NO wrong-algorithm", 0)
	w.clock.advance(cooldown)
	w.want("published", edwards, "OK", 1)
	w.want("the other one", ecdsa, "OK", 0)
	w.want("forged", w.token("EdDSA", true), "NO bad-signature", 0)
	w.clock.advance(cooldown)
	w.want("no algorithm of the project", w.upstream.OIDCToken(standin.TokenSpec{Header: map[string]any{"kid": oneID, "alg": "HS256"}}), "NO wrong-algorithm", 0)
}
