package keyset

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/neonauthd/neonauthd/protocol"
)

// draft is a token before it is signed, and what it is judged by. A fault changes it.
type draft struct {
	header, claims map[string]any
	signer         *minter
	after          string // text behind the token
	withdrawn      bool   // whether its key is
}

// fault is something that is wrong with a token.
type fault struct {
	name string
	make func(*draft)
	want protocol.Outcome
	step string // the check that fails
}

// inHeader and inClaims return what makes a fault: a member with that value; nil: without the member.
func inHeader(name string, value any) func(*draft) {
	return func(d *draft) { d.header[name] = value }
}

func inClaims(name string, value any) func(*draft) {
	return func(d *draft) { d.claims[name] = value }
}

// judgement is the list of the package comment: for each step the faults that it finds.
func judgement() [][]fault {
	future := testNow.Unix() + 3600
	return [][]fault{
		{
			{"four parts", func(d *draft) { d.after = ".AAAA" }, malformed, "gate"},
			{"padding", func(d *draft) { d.after = "=" }, malformed, "gate"},
		},
		{
			{"crit", inHeader("crit", []string{"exp"}), malformed, "header"},
			{"kid is a number", inHeader("kid", 1), malformed, "header"},
		},
		{
			{"no alg", inHeader("alg", nil), wrongAlgorithm, "algorithm"},
			{"HS256", inHeader("alg", "HS256"), wrongAlgorithm, "algorithm"},
		},
		{
			{"no typ", inHeader("typ", nil), wrongType, "header"},
			{"a proof", inHeader("typ", "dpop+jwt"), wrongType, "header"},
		},
		{{"no kid", inHeader("kid", nil), malformed, "header"}},
		{{"withdrawn", func(d *draft) { d.withdrawn = true }, unknownKey, "key"}},
		{{"a key for another algorithm", inHeader("alg", "ES384"), wrongAlgorithm, "algorithm"}},
		{{"forged", func(d *draft) { d.signer = d.signer.fresh() }, badSignature, "signature"}},
		{
			{"a line feed in sid", inClaims("sid", "a\nb"), malformed, "claims"},
			{"exp has no bounds", inClaims("exp", json.RawMessage("1e400")), malformed, "claims"},
		},
		{{"bound to a key", inClaims("cnf", 1), senderConstrained, "claims"}},
		{
			{"an ID token", inClaims("at_hash", "hash"), wrongType, "claims"},
			{"a refresh token", inClaims("typ", "Refresh"), wrongType, "claims"},
		},
		{
			{"no sub", inClaims("sub", nil), missingClaim, "claims"},
			{"no client_id", inClaims("client_id", nil), missingClaim, "claims"},
			{"nbf is a string", inClaims("nbf", "soon"), missingClaim, "claims"},
			{"is_restricted is a string", inClaims("is_restricted", "no"), missingClaim, "claims"},
		},
		{
			{"no iss", inClaims("iss", nil), wrongIssuer, "issuer"},
			{"unknown issuer", inClaims("iss", "elsewhere"), wrongIssuer, "issuer"},
		},
		{
			{"refused audience", inClaims("aud", "refused"), classNotAllowed, "class"},
			{"refused and admitted audience", inClaims("aud", []string{testAudience, "refused"}), classNotAllowed, "class"},
			{"no aud", inClaims("aud", nil), wrongAudience, "audience"},
			{"unknown audience", inClaims("aud", "other"), wrongAudience, "audience"},
			{"audience of another issuer", inClaims("aud", "foreign"), wrongIssuer, "issuer"},
		},
		{
			{"no role", inClaims("role", nil), missingClaim, "claims"},
			{"another role", inClaims("role", "guest"), classNotAllowed, "class"},
		},
		{
			{"flags of an anonymous user", inClaims("is_anonymous", true), classNotAllowed, "class"},
			{"a machine", inClaims("sub", "client"), classNotAllowed, "class"},
		},
		{{"over", inClaims("exp", 1), expired, "time"}},
		{
			{"nbf in the future", inClaims("nbf", future), notYetValid, "time"},
			{"iat in the future", inClaims("iat", future), notYetValid, "time"},
		},
		{
			{"no scope", inClaims("scope", nil), insufficientScope, "scope"},
			{"less scope", inClaims("scope", "write"), insufficientScope, "scope"},
		},
	}
}

// judgedPolicy is a policy that makes every check.
func judgedPolicy() *Policy {
	p := testPolicy()
	p.Algorithms = []Algorithm{ES256, ES384}
	p.Admitted = append(p.Admitted, Audience{ClassNormal, "foreign", []string{"https://other.example"}})
	p.Refused = []Audience{{ClassAnonymous, "refused", []string{testIssuer}}}
	p.Resource, p.AudienceArray, p.StackFlags = true, true, true
	p.Role, p.Scopes, p.SessionClaims = "authenticated", []string{"read"}, []string{"sid"}
	return p
}

// judgeDraft judges a token with the faults. It returns the outcome and the name of the
// check that failed.
func judgeDraft(t *testing.T, faults ...fault) (protocol.Outcome, string) {
	t.Helper()
	m := minters()[ES256]
	d := &draft{
		header: map[string]any{"alg": m.alg, "kid": m.kid, "typ": "at+jwt"},
		claims: map[string]any{"client_id": "client", "iat": testNow.Unix(), "scope": "read", "role": "authenticated"},
		signer: m,
	}
	for _, f := range faults {
		f.make(d)
	}
	for name, value := range d.header {
		if value == nil {
			delete(d.header, name)
		}
	}
	header, err := json.Marshal(d.header)
	if err != nil {
		t.Fatal(err)
	}
	set := mustSet(t, setBody(m.jwk(nil)))
	if d.withdrawn {
		mustSet(t, setBody(minters()[EdDSA].jwk(nil))).Succeed(set)
	}
	var trace Trace
	token := d.signer.mint(string(header), testPayload(d.claims)) + d.after
	_, outcome := Verify(judgedPolicy(), set, []byte(token), testNow, &trace)
	for _, step := range trace.Steps {
		if step.Result == Failed {
			return outcome, step.Stage.String()
		}
	}
	return outcome, ""
}

// TestReasonsComeInAFixedOrder: of two faults the one counts that the package comment
// names first.
func TestReasonsComeInAFixedOrder(t *testing.T) {
	if outcome, step := judgeDraft(t); outcome != accepted {
		t.Fatalf("without a fault: %v at %s", outcome, step)
	}
	steps := judgement()
	check := func(name string, want fault, faults ...fault) {
		t.Helper()
		if outcome, step := judgeDraft(t, faults...); outcome != want.want || step != want.step {
			t.Errorf("%s: %v at %s, want %v at %s", name, outcome, step, want.want, want.step)
		}
	}
	for i, step := range steps {
		for _, first := range step {
			check(first.name, first, first)
			for _, later := range steps[i+1:] {
				for _, second := range later {
					// The first last: where both change the same member, it prevails.
					check(fmt.Sprintf("%s, and %s", first.name, second.name), first, second, first)
				}
			}
		}
	}
}
