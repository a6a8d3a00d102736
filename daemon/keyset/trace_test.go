package keyset

import (
	"reflect"
	"strings"
	"testing"
)

func TestATraceNamesTheCheckThatFailed(t *testing.T) {
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
			var x Trace
			claims, outcome := Verify(c.p, s, []byte(c.token), testNow, &x)
			if again, verdict := Verify(c.p, s, []byte(c.token), testNow, nil); verdict != outcome || !reflect.DeepEqual(again, claims) {
				t.Errorf("with a trace %v, without %v", outcome, verdict)
			}
			if (x.Key != nil) != c.named {
				t.Errorf("key %v", x.Key)
			}
			want := Passed
			for _, step := range x.Steps {
				if strings.HasPrefix(failed, step.Stage.String()) {
					want = Failed
				}
				if step.Result != want {
					t.Errorf("%s: %v, want %v", step.Stage, step.Result, want)
				}
				if want == Failed {
					want = NotReached
				}
			}
		})
	}
}

func TestATraceOfTheUnverifiableClaimsNothing(t *testing.T) {
	s, token := signed(t, testPayload(nil))
	s.Keys()[0].verifiers[0] = broken{}
	for name, keys := range map[string]*Set{"a panic": s, "no set": nil} {
		var x Trace
		if _, outcome := Verify(testPolicy(), keys, token, testNow, &x); outcome != unverifiable || x.Key != nil || len(x.Steps) == 0 || x.Detail != "" {
			t.Errorf("%s: %+v", name, x)
		}
		for _, step := range x.Steps {
			if step.Result != NotReached {
				t.Errorf("%s: %s: %v", name, step.Stage, step.Result)
			}
		}
	}
}

// TestATraceNamesTheMemberAndWhatIsWrongWithIt, and repeats no value.
func TestATraceNamesTheMemberAndWhatIsWrongWithIt(t *testing.T) {
	m := minters()[ES256]
	s := mustSet(t, setBody(m.jwk(nil)))
	p := testPolicy()
	p.StackFlags, p.Role, p.SessionClaims = true, "authenticated", []string{"sid"}
	head := `{"alg":"ES256","kid":"kid-ES256"`
	role := func(change map[string]any) string {
		all := map[string]any{"role": "authenticated"}
		for name, value := range change {
			all[name] = value
		}
		return testPayload(all)
	}
	for _, c := range []struct{ header, payload, want string }{
		{head + `,"crit":["CANARY"]}`, role(nil), `"crit" asks for what is refused`},
		{head + `,"typ":"CANARY"}`, role(nil), `"typ" names another kind of token`},
		{head + `,"typ":1}`, role(nil), `"typ" names another kind of token`},
		{`{"alg":"ES256"}`, role(nil), `"kid" is absent`},
		{`{"alg":"ES256","kid":1}`, role(nil), `"kid" is not a string`},
		{head + `,"alg":"CANARY"}`, role(nil), `a name given twice, at "alg"`},
		{head + `,"x":"CANARY}`, role(nil), `not valid JSON, at "x"`},
		{head + `}`, `["CANARY"]`, `not an object`},
		{head + `}`, role(map[string]any{"exp": "CANARY"}), `"exp" is a string and has to be a number`},
		{head + `}`, role(map[string]any{"exp": nil}), `"exp" is absent`},
		{head + `}`, role(map[string]any{"exp": raw("1e400")}), `"exp" is not between -2^53 and 2^53`},
		{head + `}`, role(map[string]any{"nbf": raw("null")}), `"nbf" is null and has to be a number`},
		{head + `}`, role(map[string]any{"iat": []string{"CANARY"}}), `"iat" is an array and has to be a number`},
		{head + `}`, role(map[string]any{"sub": 42}), `"sub" is a number and has to be a string`},
		{head + `}`, role(map[string]any{"sub": map[string]any{"CANARY": 1}}), `"sub" is an object and has to be a string`},
		{head + `}`, role(map[string]any{"sub": ""}), `"sub" is empty`},
		{head + `}`, role(map[string]any{"sub": "CANARY\n"}), `"sub" has a control character or half a surrogate pair`},
		{head + `}`, role(map[string]any{"sid": raw(`"CANARY\ud83d"`)}), `"sid" has a control character or half a surrogate pair`},
		{head + `}`, role(map[string]any{"is_anonymous": "CANARY"}), `"is_anonymous" is a string and has to be true or false`},
		{head + `}`, role(map[string]any{"role": nil}), `"role" is absent`},
		{head + `}`, `{"x":{"a":"CANARY","a":1}}`, `a name given twice, at "x"`},
		{head + `}`, `{"email":"CANARY","Email":1}`, `two names that differ only in case, at "Email"`},
		{head + `}`, `{"` + strings.Repeat("x", 100) + "\u2028" + `":1,` + "\xff}", `not valid UTF-8`},
		{head + `}`, `{"` + strings.Repeat("x", 100) + `":{"\n":1}}`, `a name with a control character or half a surrogate pair, at "` + strings.Repeat("x", 64) + `..."`},
		{head + `}`, "{\"\u202e\":CANARY}", `not valid JSON, at "\u202e"`},
		{head + `}`, role(nil), ``},
		{head + `}`, role(map[string]any{"iss": "CANARY"}), ``},
	} {
		var x Trace
		_, outcome := Verify(p, s, []byte(m.mint(c.header, c.payload)), testNow, &x)
		if x.Detail != c.want {
			t.Errorf("%s %s: %v: %s, want %s", c.header, c.payload, outcome, x.Detail, c.want)
		}
		if strings.Contains(x.Detail, "CANARY") {
			t.Errorf("%s: a value is repeated", x.Detail)
		}
	}
	good := m.mint(head+"}", role(nil))
	for token, want := range map[string]string{
		"CANARY":                            "6 bytes, and a token has 20 to 8192",
		"CANARY" + good[:100]:               "dots: 1, and a token has two",
		good + ".CANARY":                    "dots: 3, and a token has two",
		good + "=":                          "the third part is not base64url, or has unused bits that are set",
		strings.Replace(good, ".", "+.", 1): "the first part is not base64url, or has unused bits that are set",
		"eyJhbGciOiJ9..CANARYCANARY":        "the second part is not base64url, or has unused bits that are set",
	} {
		var x Trace
		if _, outcome := Verify(p, s, []byte(token), testNow, &x); x.Detail != want || outcome != malformed {
			t.Errorf("%.40s: %v: %s, want %s", token, outcome, x.Detail, want)
		}
	}
}
