package keyset

import (
	"encoding/json"
	"testing"
)

func TestIssuerAndAudienceAreExact(t *testing.T) {
	for _, c := range []struct {
		name   string
		change map[string]any
		want   Reason
	}{
		{"right", nil, ReasonNone},
		{"issuer with slash", map[string]any{"iss": testIssuer + "/"}, WrongIssuer},
		{"issuer over http", map[string]any{"iss": "http://issuer.example"}, WrongIssuer},
		{"issuer in capitals", map[string]any{"iss": "https://ISSUER.example"}, WrongIssuer},
		{"issuer with port", map[string]any{"iss": testIssuer + ":443"}, WrongIssuer},
		{"issuer with blank", map[string]any{"iss": testIssuer + " "}, WrongIssuer},
		{"issuer with NUL", map[string]any{"iss": testIssuer + "\x00"}, WrongIssuer},
		{"issuer's prefix", map[string]any{"iss": testIssuer[:len(testIssuer)-1]}, WrongIssuer},
		{"another issuer", map[string]any{"iss": "https://evil.example"}, WrongIssuer},
		{"no issuer", map[string]any{"iss": nil}, WrongIssuer},
		{"empty issuer", map[string]any{"iss": ""}, WrongIssuer},
		{"issuer null", map[string]any{"iss": json.RawMessage("null")}, WrongIssuer},
		{"issuer array", map[string]any{"iss": []string{testIssuer}}, WrongIssuer},
		{"issuer object", map[string]any{"iss": map[string]any{"iss": testIssuer}}, WrongIssuer},
		{"audience in capitals", map[string]any{"aud": "AUDIENCE"}, WrongAudience},
		{"audience longer", map[string]any{"aud": testAudience + "0"}, WrongAudience},
		{"audience's prefix", map[string]any{"aud": "audienc"}, WrongAudience},
		{"another audience", map[string]any{"aud": "other"}, WrongAudience},
		{"audience with suffix", map[string]any{"aud": testAudience + ":resource:x"}, WrongAudience},
		{"audiences in a string", map[string]any{"aud": testAudience + " other"}, WrongAudience},
		{"no audience", map[string]any{"aud": nil}, WrongAudience},
		{"empty audience", map[string]any{"aud": ""}, WrongAudience},
		{"audience null", map[string]any{"aud": json.RawMessage("null")}, WrongAudience},
		{"audience number", map[string]any{"aud": 1}, WrongAudience},
		{"audience object", map[string]any{"aud": map[string]any{"toString": 1}}, WrongAudience},
		{"audience array", map[string]any{"aud": []string{testAudience}}, WrongAudience},
		{"only azp fits", map[string]any{"aud": "other", "azp": testAudience}, WrongAudience},
		{"both wrong", map[string]any{"aud": "other", "iss": "https://evil.example"}, WrongIssuer},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, token := signed(t, testPayload(c.change))
			expect(t, testPolicy(), s, string(token), c.want)
		})
	}
}

func TestAudienceArraysAreTakenWhereAsked(t *testing.T) {
	for aud, want := range map[string]Reason{
		`"audience"`: ReasonNone, `["audience"]`: ReasonNone, `["other","audience"]`: ReasonNone, `["audience","audience"]`: ReasonNone,
		`[]`: WrongAudience, `["other"]`: WrongAudience, `["audience",1]`: WrongAudience, `[["audience"]]`: WrongAudience,
		`{"0":"audience"}`: WrongAudience, `[null]`: WrongAudience, `"other"`: WrongAudience, `["audience",null]`: WrongAudience,
		`["audience","elsewhere:anon"]`: ReasonNone, `["audience","audience:anon"]`: ClassNotAllowed, `["audience:anon"]`: ClassNotAllowed,
	} {
		p := testPolicy()
		p.AudienceArray = true
		p.Refused = []Audience{{ClassAnonymous, "audience:anon", []string{testIssuer}}}
		s, token := signed(t, testPayload(map[string]any{"aud": json.RawMessage(aud)}))
		if c := expect(t, p, s, string(token), want); want == ReasonNone && c.Audience != testAudience {
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
				want := ClassNotAllowed
				for _, a := range p.Admitted {
					if a.Class == class {
						want = ReasonNone
					}
				}
				if iss != aud {
					want = WrongIssuer // of another class: never mixed
				}
				s, token := signed(t, testPayload(map[string]any{"iss": testIssuer + iss, "aud": testAudience + aud}))
				c, reason := Verify(p, s, token, testNow)
				if reason != want || reason == ReasonNone && c.Class != class {
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
				want := ClassNotAllowed
				if fine[[2]any{anonymous, restricted}] {
					want = ReasonNone
				}
				if _, reason := Verify(all, s, token, testNow); reason != want {
					t.Errorf("audience %q, flags %v %v: %v, want %v", suffix, anonymous, restricted, reason, want)
				}
				unaware := testPolicy()
				if _, reason := Verify(unaware, s, token, testNow); suffix == "" && reason != ReasonNone {
					t.Errorf("a policy without such flags: %v", reason)
				}
			}
		}
	}
	for _, odd := range []string{`"true"`, `1`, `0`, `null`, `[]`, `{}`, `""`} {
		for _, flag := range []string{"is_anonymous", "is_restricted"} {
			s, token := signed(t, testPayload(map[string]any{flag: json.RawMessage(odd)}))
			expect(t, all, s, string(token), MissingClaim)
			expect(t, testPolicy(), s, string(token), ReasonNone)
		}
	}
}

// TestFlagsMayNotContradictEachOther goes through all that a token can say, and
// knows by name what no release of the upstream writes.
func TestFlagsMayNotContradictEachOther(t *testing.T) {
	all := classPolicy(ClassNormal, ClassRestricted, ClassAnonymous)
	reasons := map[string]any{
		"absent": nil, "null": raw("null"), "anonymous": raw(`{"type":"anonymous"}`), "email": raw(`{"type":"email_not_verified"}`),
		"admin": raw(`{"type":"restricted_by_administrator"}`), "untyped": raw(`{}`),
	}
	accepted := 0
	for suffix, class := range map[string]Class{"": ClassNormal, ":restricted": ClassRestricted, ":anon": ClassAnonymous} {
		for _, anonymous := range []any{nil, false, true} {
			for _, restricted := range []any{nil, false, true} {
				for name, reason := range reasons {
					given := name != "absent" && name != "null"
					odd := anonymous == true && restricted == false || // an anonymous user is restricted
						given && restricted != true || name == "null" && restricted == true || // a reason is of a restriction
						name == "anonymous" && anonymous == false ||
						class == ClassNormal && (anonymous == true || restricted == true) ||
						class == ClassRestricted && (anonymous == true || restricted == false) ||
						class == ClassAnonymous && (anonymous == false || restricted == false)
					want := ReasonNone
					if odd {
						want = ClassNotAllowed
					} else {
						accepted++
					}
					s, token := signed(t, testPayload(map[string]any{
						"iss": testIssuer + suffix, "aud": testAudience + suffix,
						"is_anonymous": anonymous, "is_restricted": restricted, "restricted_reason": reason,
					}))
					if _, got := Verify(all, s, token, testNow); got != want {
						t.Errorf("%s, anonymous %v, restricted %v, reason %s: %v, want %v", class, anonymous, restricted, name, got, want)
					}
				}
			}
		}
	}
	if accepted < 12 {
		t.Errorf("only %d of them are accepted", accepted)
	}
	for _, odd := range []string{`"email_not_verified"`, `true`, `1`, `[]`} {
		s, token := signed(t, testPayload(map[string]any{"restricted_reason": raw("%s", odd)}))
		expect(t, all, s, string(token), MissingClaim)
		expect(t, testPolicy(), s, string(token), ReasonNone)
	}
}

func TestRoleIsRequiredWhereAsked(t *testing.T) {
	for role, want := range map[string]Reason{
		`"authenticated"`: ReasonNone, `"anonymous"`: ClassNotAllowed, `"Authenticated"`: ClassNotAllowed, `""`: ClassNotAllowed,
		`null`: MissingClaim, `1`: ClassNotAllowed, `["authenticated"]`: ClassNotAllowed, `{}`: ClassNotAllowed,
	} {
		s, token := signed(t, testPayload(map[string]any{"role": json.RawMessage(role)}))
		p := testPolicy()
		p.Role = "authenticated"
		expect(t, p, s, string(token), want)
		expect(t, testPolicy(), s, string(token), ReasonNone)
	}
	s, token := signed(t, testPayload(nil))
	p := testPolicy()
	p.Role = "authenticated"
	expect(t, p, s, string(token), MissingClaim)
}

func TestReasonsComeInAFixedOrder(t *testing.T) {
	// Each payload has the defect of its line and those of every line below.
	type defect struct {
		name  string
		value any
		want  Reason
	}
	defects := []defect{
		{"refresh_token_id", "a\nb", Malformed},
		{"cnf", 1, SenderConstrained},
		{"sub", nil, MissingClaim},
		{"nbf", "soon", MissingClaim},
		{"iss", "elsewhere", WrongIssuer},
		{"aud", "other", WrongAudience},
		{"role", "guest", ClassNotAllowed},
		{"exp", 1, Expired},
		{"iat", testNow.Unix() + 3600, NotYetValid},
	}
	p := testPolicy()
	p.Role, p.SessionClaims = "authenticated", []string{"refresh_token_id"}
	for i, first := range defects {
		change := map[string]any{"role": "authenticated"}
		for _, d := range defects[i:] {
			change[d.name] = d.value
		}
		s, token := signed(t, testPayload(change))
		if _, reason := Verify(p, s, token, testNow); reason != first.want {
			t.Errorf("defects from %s on: %v, want %v", first.name, reason, first.want)
		}
	}
}
