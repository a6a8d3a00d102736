package keyset

import "testing"

// TestATokenThatIsBoundToAKeyIsNoBearerToken: whoever presents it has not shown
// the key, and no policy checks a proof.
func TestATokenThatIsBoundToAKeyIsNoBearerToken(t *testing.T) {
	stack := testPolicy()
	stack.StackFlags = true
	role := testPolicy()
	role.Role = "authenticated"
	oidc := testPolicy()
	oidc.AudienceArray, oidc.KeyIDOptional, oidc.AccessTokenType = true, true, true
	policies := map[string]*Policy{"plain": testPolicy(), "stack": stack, "role": role, "oidc": oidc}
	cnf := []string{
		`{"jkt":"YqKldHIaR4Gp29-rLzCZH9jDLdLr_c-mQ4Aosig6I7U"}`,      // RFC 9449
		`{"x5t#S256":"CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk"}`, // RFC 8705
		`{"x-new":1}`, `{}`, `null`, `""`, `"key"`, `false`, `0`, `[]`,
	}
	for name, p := range policies {
		for _, value := range cnf {
			for _, other := range []map[string]any{nil, {"exp": 1}, {"iss": nil}, {"sub": nil}} { // "cnf" is looked for before these
				payload := testPayload(other)
				payload = payload[:len(payload)-1] + `,"\u0063nf":` + value + "}"
				s, token := signed(t, payload)
				c, reason := Verify(p, s, token, testNow, nil)
				if checkClaims(t, c, reason); reason != senderConstrained {
					t.Errorf("%s: %s: %v", name, payload, reason)
				}
				forged := minters()[ES256].fresh()
				expect(t, p, s, forged.mint(forged.header(), payload), badSignature)
			}
		}
	}
	for _, member := range []string{`"CNF":{}`, `"cnf2":{}`, `"o":{"cnf":{}}`, `"x":"cnf"`} {
		s, token := signed(t, with(member))
		expect(t, testPolicy(), s, string(token), accepted)
	}
}
