package keyset

import (
	"encoding/json"
	"testing"

	"github.com/neonauthd/neonauthd/protocol"
)

func TestIssuerAndAudienceAreExact(t *testing.T) {
	for _, c := range []struct {
		name   string
		change map[string]any
		want   protocol.Outcome
	}{
		{"right", nil, accepted},
		{"issuer with slash", map[string]any{"iss": testIssuer + "/"}, wrongIssuer},
		{"issuer over http", map[string]any{"iss": "http://issuer.example"}, wrongIssuer},
		{"issuer in capitals", map[string]any{"iss": "https://ISSUER.example"}, wrongIssuer},
		{"issuer with port", map[string]any{"iss": testIssuer + ":443"}, wrongIssuer},
		{"issuer with blank", map[string]any{"iss": testIssuer + " "}, wrongIssuer},
		{"issuer with NUL", map[string]any{"iss": testIssuer + "\x00"}, wrongIssuer},
		{"issuer's prefix", map[string]any{"iss": testIssuer[:len(testIssuer)-1]}, wrongIssuer},
		{"another issuer", map[string]any{"iss": "https://evil.example"}, wrongIssuer},
		{"no issuer", map[string]any{"iss": nil}, wrongIssuer},
		{"empty issuer", map[string]any{"iss": ""}, wrongIssuer},
		{"issuer null", map[string]any{"iss": json.RawMessage("null")}, wrongIssuer},
		{"issuer array", map[string]any{"iss": []string{testIssuer}}, wrongIssuer},
		{"issuer object", map[string]any{"iss": map[string]any{"iss": testIssuer}}, wrongIssuer},
		{"audience in capitals", map[string]any{"aud": "AUDIENCE"}, wrongAudience},
		{"audience longer", map[string]any{"aud": testAudience + "0"}, wrongAudience},
		{"audience's prefix", map[string]any{"aud": "audienc"}, wrongAudience},
		{"another audience", map[string]any{"aud": "other"}, wrongAudience},
		{"audience with suffix", map[string]any{"aud": testAudience + ":resource:x"}, wrongAudience},
		{"audiences in a string", map[string]any{"aud": testAudience + " other"}, wrongAudience},
		{"no audience", map[string]any{"aud": nil}, wrongAudience},
		{"empty audience", map[string]any{"aud": ""}, wrongAudience},
		{"audience null", map[string]any{"aud": json.RawMessage("null")}, wrongAudience},
		{"audience number", map[string]any{"aud": 1}, wrongAudience},
		{"audience object", map[string]any{"aud": map[string]any{"toString": 1}}, wrongAudience},
		{"audience array", map[string]any{"aud": []string{testAudience}}, wrongAudience},
		{"only azp fits", map[string]any{"aud": "other", "azp": testAudience}, wrongAudience},
		{"both wrong", map[string]any{"aud": "other", "iss": "https://evil.example"}, wrongIssuer},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, token := signed(t, testPayload(c.change))
			expect(t, testPolicy(), s, string(token), c.want)
		})
	}
}

func TestAudienceArraysAreTakenWhereAsked(t *testing.T) {
	for aud, want := range map[string]protocol.Outcome{
		`"audience"`: accepted, `["audience"]`: accepted, `["other","audience"]`: accepted, `["audience","audience"]`: accepted,
		`[]`: wrongAudience, `["other"]`: wrongAudience, `["audience",1]`: wrongAudience, `[["audience"]]`: wrongAudience,
		`{"0":"audience"}`: wrongAudience, `[null]`: wrongAudience, `"other"`: wrongAudience, `["audience",null]`: wrongAudience,
		`["audience","elsewhere:anon"]`: accepted, `["audience","audience:anon"]`: classNotAllowed, `["audience:anon"]`: classNotAllowed,
	} {
		p := testPolicy()
		p.AudienceArray = true
		p.Refused = []Audience{{ClassAnonymous, "audience:anon", []string{testIssuer}}}
		s, token := signed(t, testPayload(map[string]any{"aud": json.RawMessage(aud)}))
		if c := expect(t, p, s, string(token), want); want == accepted && c.Audience != testAudience {
			t.Errorf("%s: audience %q", aud, c.Audience)
		}
	}
}

// classPolicy knows three classes and admits those named.
func classPolicy(admitted ...Class) *Policy {
	p := testPolicy()
	p.Admitted, p.StackFlags = nil, true
	for class, suffix := range map[Class]string{ClassNormal: "", ClassRestricted: ":restricted", ClassAnonymous: ":anon"} {
		a := Audience{class, testAudience + suffix, []string{testIssuer + suffix}}
		list := &p.Refused
		for _, c := range admitted {
			if c == class {
				list = &p.Admitted
			}
		}
		*list = append(*list, a)
	}
	return p
}

func TestClassesOfUsersAreKeptApart(t *testing.T) {
	policies := map[string]*Policy{
		"normal":     classPolicy(ClassNormal),
		"restricted": classPolicy(ClassNormal, ClassRestricted),
		"all":        classPolicy(ClassNormal, ClassRestricted, ClassAnonymous),
		"anonymous":  classPolicy(ClassNormal, ClassAnonymous),
	}
	suffixes := map[string]Class{"": ClassNormal, ":restricted": ClassRestricted, ":anon": ClassAnonymous}
	for name, p := range policies {
		for iss := range suffixes {
			for aud, class := range suffixes {
				want := classNotAllowed
				for _, a := range p.Admitted {
					if a.Class == class {
						want = accepted
					}
				}
				if iss != aud {
					want = wrongIssuer // issuer and audience are of different classes
				}
				s, token := signed(t, testPayload(map[string]any{"iss": testIssuer + iss, "aud": testAudience + aud}))
				c, reason := Verify(p, s, token, testNow, nil)
				if reason != want || reason == accepted && c.Class != class {
					t.Errorf("policy %s, issuer %q, audience %q: %v of class %v, want %v", name, iss, aud, reason, c.Class, want)
				}
			}
		}
	}
}

func TestFlagsMayNotContradictTheAudience(t *testing.T) {
	all := classPolicy(ClassNormal, ClassRestricted, ClassAnonymous)
	values := []any{nil, false, true}
	allowed := map[string]map[[2]any]bool{
		// is_anonymous, is_restricted
		"":            {{nil, nil}: true, {false, nil}: true, {nil, false}: true, {false, false}: true},
		":restricted": {{nil, nil}: true, {false, nil}: true, {nil, true}: true, {false, true}: true},
		":anon":       {{nil, nil}: true, {true, nil}: true, {nil, true}: true, {true, true}: true},
	}
	for suffix, fine := range allowed {
		for _, anonymous := range values {
			for _, restricted := range values {
				s, token := signed(t, testPayload(map[string]any{
					"iss": testIssuer + suffix, "aud": testAudience + suffix, "is_anonymous": anonymous, "is_restricted": restricted,
				}))
				want := classNotAllowed
				if fine[[2]any{anonymous, restricted}] {
					want = accepted
				}
				if _, reason := Verify(all, s, token, testNow, nil); reason != want {
					t.Errorf("audience %q, flags %v %v: %v, want %v", suffix, anonymous, restricted, reason, want)
				}
				unaware := testPolicy()
				if _, reason := Verify(unaware, s, token, testNow, nil); suffix == "" && reason != accepted {
					t.Errorf("a policy without such flags: %v", reason)
				}
			}
		}
	}
	for _, odd := range []string{`"true"`, `1`, `0`, `null`, `[]`, `{}`, `""`} {
		for _, flag := range []string{"is_anonymous", "is_restricted"} {
			s, token := signed(t, testPayload(map[string]any{flag: json.RawMessage(odd)}))
			expect(t, all, s, string(token), missingClaim)
			expect(t, testPolicy(), s, string(token), accepted)
		}
	}
}

// TestFlagsMayNotContradictEachOther tries every combination of the flags, and
// lists those that no release of the upstream writes.
func TestFlagsMayNotContradictEachOther(t *testing.T) {
	all := classPolicy(ClassNormal, ClassRestricted, ClassAnonymous)
	reasons := map[string]any{
		"absent": nil, "null": raw("null"), "anonymous": raw(`{"type":"anonymous"}`), "email": raw(`{"type":"email_not_verified"}`),
		"admin": raw(`{"type":"restricted_by_administrator"}`), "untyped": raw(`{}`),
	}
	fitting := 0
	for suffix, class := range map[string]Class{"": ClassNormal, ":restricted": ClassRestricted, ":anon": ClassAnonymous} {
		for _, anonymous := range []any{nil, false, true} {
			for _, restricted := range []any{nil, false, true} {
				for name, reason := range reasons {
					given := name != "absent" && name != "null"
					odd := anonymous == true && restricted == false || // an anonymous user is restricted
						given && restricted != true || name == "null" && restricted == true || // a reason is given exactly if the user is restricted
						name == "anonymous" && anonymous == false ||
						class == ClassNormal && (anonymous == true || restricted == true) ||
						class == ClassRestricted && (anonymous == true || restricted == false) ||
						class == ClassAnonymous && (anonymous == false || restricted == false)
					want := accepted
					if odd {
						want = classNotAllowed
					} else {
						fitting++
					}
					s, token := signed(t, testPayload(map[string]any{
						"iss": testIssuer + suffix, "aud": testAudience + suffix,
						"is_anonymous": anonymous, "is_restricted": restricted, "restricted_reason": reason,
					}))
					if _, got := Verify(all, s, token, testNow, nil); got != want {
						t.Errorf("%s, anonymous %v, restricted %v, reason %s: %v, want %v", class, anonymous, restricted, name, got, want)
					}
				}
			}
		}
	}
	if fitting < 12 {
		t.Errorf("only %d of them fit", fitting)
	}
	for _, odd := range []string{`"email_not_verified"`, `true`, `1`, `[]`} {
		s, token := signed(t, testPayload(map[string]any{"restricted_reason": raw("%s", odd)}))
		expect(t, all, s, string(token), missingClaim)
		expect(t, testPolicy(), s, string(token), accepted)
	}
}

func TestRoleIsRequiredWhereAsked(t *testing.T) {
	for role, want := range map[string]protocol.Outcome{
		`"authenticated"`: accepted, `"anonymous"`: classNotAllowed, `"Authenticated"`: classNotAllowed, `""`: classNotAllowed,
		`null`: missingClaim, `1`: classNotAllowed, `["authenticated"]`: classNotAllowed, `{}`: classNotAllowed,
	} {
		s, token := signed(t, testPayload(map[string]any{"role": json.RawMessage(role)}))
		p := testPolicy()
		p.Role = "authenticated"
		expect(t, p, s, string(token), want)
		expect(t, testPolicy(), s, string(token), accepted)
	}
	s, token := signed(t, testPayload(nil))
	p := testPolicy()
	p.Role = "authenticated"
	expect(t, p, s, string(token), missingClaim)
}
