package keyset

import "testing"

func TestExplainNamesTheCheckThatFailed(t *testing.T) {
	m, other := minters()[ES256], *minters()[ES256].fresh()
	other.kid = "other"
	s := mustSet(t, setBody(m.jwk(nil), other.jwk(nil)))
	optional := testPolicy()
	optional.KeyIDOptional = true
	good := m.mint(m.header(), testPayload(nil))
	for failed, c := range map[string]struct {
		p     *Policy
		token string
		named bool // the key is in the set
	}{
		"gate":         {testPolicy(), good + "=", false},
		"header":       {testPolicy(), m.mint(`{"alg":"ES256","kid":"kid-ES256","crit":[]}`, testPayload(nil)), false},
		"algorithm":    {testPolicy(), m.mint(`{"alg":"HS256","kid":"kid-ES256"}`, testPayload(nil)), true},
		"key":          {testPolicy(), m.mint(`{"alg":"ES256","kid":"unknown"}`, testPayload(nil)), false},
		"key, unnamed": {optional, minters()[EdDSA].mint(`{"alg":"EdDSA"}`, testPayload(nil)), false},
		"signature":    {testPolicy(), other.mint(m.header(), testPayload(nil)), true},
		"signature, n": {optional, m.fresh().mint(`{"alg":"ES256"}`, testPayload(nil)), false},
		"algorithm, k": {optional, m.mint(`{"alg":"EdDSA","kid":"kid-ES256"}`, testPayload(nil)), true},
		"claims, unna": {optional, m.mint(`{"alg":"ES256"}`, "[]"), true},
		"claims":       {testPolicy(), m.mint(m.header(), testPayload(map[string]any{"sub": nil})), true},
		"claims, form": {testPolicy(), m.mint(m.header(), "[]"), true},
		"issuer":       {testPolicy(), m.mint(m.header(), testPayload(map[string]any{"iss": "x"})), true},
		"audience":     {testPolicy(), m.mint(m.header(), testPayload(map[string]any{"aud": "x"})), true},
		"class":        {classPolicy(), m.mint(m.header(), testPayload(nil)), true},
		"time":         {testPolicy(), m.mint(m.header(), testPayload(map[string]any{"exp": 1})), true},
		"none":         {testPolicy(), good, true},
	} {
		t.Run(failed, func(t *testing.T) {
			steps, key, reason := Explain(c.p, s, []byte(c.token), testNow)
			if _, verdict := Verify(c.p, s, []byte(c.token), testNow); verdict != reason {
				t.Errorf("explained as %v, judged as %v", reason, verdict)
			}
			if (key != nil) != c.named {
				t.Errorf("key %v", key)
			}
			want := Passed
			for _, step := range steps {
				if len(failed) >= len(step.Name) && failed[:len(step.Name)] == step.Name {
					want = Failed
				}
				if step.Result != want {
					t.Errorf("%s: %v, want %v", step.Name, step.Result, want)
				}
				if want == Failed {
					want = NotReached
				}
			}
		})
	}
}

func TestExplainOfTheUnverifiableClaimsNothing(t *testing.T) {
	s, token := signed(t, testPayload(nil))
	s.Keys()[0].verifiers[0] = broken{}
	for name, keys := range map[string]*Set{"a panic": s, "no set": nil} {
		steps, key, reason := Explain(testPolicy(), keys, token, testNow)
		if reason != Unverifiable || key != nil || len(steps) == 0 {
			t.Errorf("%s: %v, key %v", name, reason, key)
		}
		for _, step := range steps {
			if step.Result != NotReached {
				t.Errorf("%s: %s: %v", name, step.Name, step.Result)
			}
		}
	}
}
