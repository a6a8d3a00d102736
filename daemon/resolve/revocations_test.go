package resolve

import (
	"encoding/base64"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/revoke"
	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/protocol"
)

// TestEachKindOfRevocationCoversItsTokensOnly asks for each token while it is
// remembered and while it is not.
func TestEachKindOfRevocationCoversItsTokensOnly(t *testing.T) {
	k := newHarness(t, nil)
	p := k.project("stack")
	tokens := map[string]string{
		"the one":     k.upstream.StackToken(standin.TokenSpec{Subject: "ada", Session: "s1"}),
		"her other":   k.upstream.StackToken(standin.TokenSpec{Subject: "ada", Session: "s2"}),
		"his, hers":   k.upstream.StackToken(standin.TokenSpec{Subject: "bob", Session: "s1"}),
		"next key's":  k.upstream.StackToken(standin.TokenSpec{Subject: "cyd", Session: "s3", NextKey: true}),
		"her earlier": k.upstream.StackToken(standin.TokenSpec{Subject: "ada", Session: "s4", IssuedAt: k.clock.Read().Add(-time.Minute)}),
	}
	key := k.ask(p, tokens["the one"]).entry.key
	for _, c := range []struct{ kind, value, covered string }{
		{"token", revoke.SignedDigest([]byte(tokens["the one"])), "the one"},
		{"session", "s1", "the one; his, hers"},
		{"subject", "ada", "the one; her other; her earlier"},
		{"key", key.ID(), "the one; her other; his, hers; her earlier"},
		{"key", key.Thumbprint(), "the one; her other; his, hers; her earlier"},
		{"subject", "nobody", ""},
		{"session", "ada", ""},
		{"key", "s1", ""},
	} {
		t.Run(c.kind+" "+c.value, func(t *testing.T) {
			for _, token := range tokens {
				k.ask(p, token) // remembered
			}
			k.revoke(c.kind, c.value, true)
			k.revoke(c.kind, c.value, false)
			for range 2 {
				for name, token := range tokens {
					if v := k.ask(p, token); strings.Contains("; "+c.covered+"; ", "; "+name+"; ") {
						wantOutcome(t, name, v, protocol.Rejected(protocol.ReasonRevoked))
					} else {
						wantAccepted(t, name, v)
					}
				}
				k.resolver.PurgeAll() // again, with an empty memory
			}
			k.unrevoke(c.kind, c.value, true)
			k.unrevoke(c.kind, c.value, false)
			for name, token := range tokens {
				wantAccepted(t, name+", taken back", k.ask(p, token))
			}
		})
	}
}

func TestARevocationHoldsForItsProjectOnly(t *testing.T) {
	k := newHarness(t, nil)
	token := k.upstream.NeonToken(standin.TokenSpec{Subject: "ada"})
	k.revoke("subject", "ada", true)
	wantAccepted(t, "in another project", k.ask(k.project("neon"), token))
}

func TestASubjectsLaterTokensAreGoodUntilItIsRevokedAgain(t *testing.T) {
	k := newHarness(t, nil)
	p := k.project("stack")
	early := k.token("ada")
	k.revoke("subject", "ada", true)
	wantOutcome(t, "early", k.ask(p, early), protocol.Rejected(protocol.ReasonRevoked))
	wantOutcome(t, "of the same second", k.ask(p, k.token("ada")), protocol.Rejected(protocol.ReasonRevoked))
	k.clock.Advance(testLeeway)
	wantOutcome(t, "within the leeway", k.ask(p, k.token("ada")), protocol.Rejected(protocol.ReasonRevoked))
	k.clock.Advance(time.Second)
	later := k.token("ada")
	wantAccepted(t, "later", k.ask(p, later))
	k.revoke("subject", "ada", true)
	wantOutcome(t, "later, revoked again", k.ask(p, later), protocol.Rejected(protocol.ReasonRevoked))
	silent := k.upstream.StackToken(standin.TokenSpec{Subject: "ada", Remove: []string{"iat"}})
	wantOutcome(t, "does not say when it was issued", k.ask(p, silent), protocol.Rejected(protocol.ReasonRevoked))
}

// TestTheOtherSignatureOfARevokedTokenIsRevokedWithIt: for every ECDSA
// signature (r, s) there is a second one, (r, n-s), which is valid too.
func TestTheOtherSignatureOfARevokedTokenIsRevokedWithIt(t *testing.T) {
	k := newHarness(t, nil)
	p := k.project("stack")
	token := k.token("ada")
	other := twin(t, token)
	if other == token {
		t.Fatal("the twin is the token itself")
	}
	wantAccepted(t, "token", k.ask(p, token))
	wantAccepted(t, "twin", k.ask(p, other))
	k.revoke("token", revoke.SignedDigest([]byte(token)), true)
	wantOutcome(t, "token", k.ask(p, token), protocol.Rejected(protocol.ReasonRevoked))
	wantOutcome(t, "twin", k.ask(p, other), protocol.Rejected(protocol.ReasonRevoked))
}

// twin returns the ES256 token with the second signature of the same text.
func twin(t *testing.T, token string) string {
	cut := strings.LastIndexByte(token, '.')
	signature, err := base64.RawURLEncoding.DecodeString(token[cut+1:])
	if err != nil || len(signature) != 64 {
		t.Fatal("not an ES256 signature")
	}
	n, _ := new(big.Int).SetString("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", 16) // order of P-256
	s := new(big.Int).SetBytes(signature[32:])
	n.Sub(n, s).FillBytes(signature[32:])
	return token[:cut+1] + base64.RawURLEncoding.EncodeToString(signature)
}

func TestRevocationsAtTheSameTimeAsLookups(t *testing.T) {
	k := newHarness(t, nil)
	p := k.project("stack")
	token := k.upstream.StackToken(standin.TokenSpec{Subject: "ada", Session: "s"})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 20 {
				if i%2 == 0 {
					k.revoke("session", fmt.Sprint(i, " ", n), true)
					if i == 0 && n == 10 {
						k.revoke("session", "s", true)
						wantOutcome(t, "as soon as it is revoked", k.ask(p, token), protocol.Rejected(protocol.ReasonRevoked))
					}
					continue
				}
				if v := k.ask(p, token); v.Status() != protocol.OK && v.Reason() != protocol.ReasonRevoked {
					t.Error(v.Outcome)
				}
			}
		})
	}
	wg.Wait()
	r := k.revocations
	if n := r.Len(); n != 81 || r.Count(revoke.KindSession) != n {
		t.Errorf("%d are counted, want 81", n)
	}
}
