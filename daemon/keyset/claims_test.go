package keyset

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// raw is a JSON value that stands as it is.
func raw(format string, args ...any) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(format, args...))
}

// with is an acceptable payload with text inserted before its end.
func with(member string) string {
	payload := testPayload(nil)
	return payload[:len(payload)-1] + "," + member + "}"
}

func TestNamesGivenTwiceAreRefused(t *testing.T) {
	plain := `"iss":"https://issuer.example","aud":"audience","exp":1800000600`
	for name, payload := range map[string]string{
		"twice":             `{"sub":"a","sub":"b",` + plain + `}`,
		"twice the same":    `{"sub":"a","sub":"a",` + plain + `}`,
		"other case":        `{"sub":"a","SUB":"b",` + plain + `}`,
		"mixed case":        `{"sUb":"a","sub":"b",` + plain + `}`,
		"escaped":           `{"sub":"a","\u0073ub":"b",` + plain + `}`,
		"escaped and cased": `{"sub":"a","\u0053UB":"b",` + plain + `}`,
		"long s":            `{"sub":"a","ſub":"b",` + plain + `}`,
		"long s escaped":    `{"\u017fub":"a","sub":"b",` + plain + `}`,
		"exp":               `{"sub":"a",` + plain + `,"exp":9999999999}`,
		"EXP":               `{"sub":"a",` + plain + `,"EXP":9999999999}`,
		"unknown claim":     `{"sub":"a",` + plain + `,"x":1,"x":2}`,
		"read by callers":   `{"sub":"a",` + plain + `,"Email":1,"email":2}`,
		"escaped, cased":    `{"sub":"a",` + plain + `,"primary_email":1,"Primary\u005fEmail":2}`,
		"long s, callers":   `{"sub":"a",` + plain + `,"is_restricted":true,"i\u017f_restricted":false}`,
		"NUL":               `{"sub":"a",` + plain + `,"a\u0000b":1}`,
		"line feed":         `{"sub":"a",` + plain + `,"x":[{"\n":1}]}`,
		"nested":            `{"sub":"a",` + plain + `,"o":{"id":1,"id":2}}`,
		"nested in a list":  `{"sub":"a",` + plain + `,"o":[[{"id":1,"\u0069d":2}]]}`,
	} {
		t.Run(name, func(t *testing.T) {
			s, token := signed(t, payload)
			expect(t, testPolicy(), s, string(token), Malformed)
		})
	}
	// Names that merely look alike are two, and below the top nobody reads by folded names.
	for name, member := range map[string]string{
		"prefix": `"su":1,"subs":2,"ub":3`, "underscore": `"branch_id":"a","branchId":"b"`, "Cyrillic": `"ѕub":1`,
		"nested, cased": `"o":{"id":1,"ID":2}`, "empty name": `"":1`, "cased, nobody reads it": `"Groups":1,"groups":2,"GROUPS":3`,
	} {
		t.Run(name, func(t *testing.T) {
			s, token := signed(t, with(member))
			expect(t, testPolicy(), s, string(token), ReasonNone)
		})
	}
}

func TestExpiryIsANumberInTheFuture(t *testing.T) {
	now := testNow.Unix()
	for _, c := range []struct {
		exp  json.RawMessage
		want Reason
	}{
		{nil, MissingClaim},
		{raw("null"), MissingClaim}, {raw(`"%d"`, now+600), MissingClaim}, {raw("true"), MissingClaim}, {raw("false"), MissingClaim},
		{raw("[%d]", now+600), MissingClaim}, {raw(`{"exp":%d}`, now+600), MissingClaim}, {raw(`""`), MissingClaim},
		{raw(`"2100-01-01T00:00:00Z"`), MissingClaim},
		{raw("0"), Expired}, {raw("-0"), Expired}, {raw("0.0"), Expired}, {raw("-1"), Expired}, {raw("-1e9"), Expired},
		{raw("1"), Expired}, {raw("0.5"), Expired}, {raw("1e-400"), Expired},
		{raw("%d", now-3600), Expired}, {raw("%d", now-1), Expired}, {raw("%d", now), Expired},
		{raw("%d.0", now), Expired}, {raw("%d.999", now), Expired},
		{raw("%d", now+1), ReasonNone}, {raw("%d.5", now+1), ReasonNone}, {raw("1.800000001e9"), ReasonNone},
		{raw("1800000001E0"), ReasonNone}, {raw("%d", now+600), ReasonNone}, {raw("%d", now+100*365*86400), ReasonNone},
		{raw("1e12"), ReasonNone}, {raw("1000000000000"), ReasonNone}, {raw("31556889864403199"), Malformed},
		{raw("%d", int64(1<<53-1)), ReasonNone}, {raw("%d", int64(1<<53)), Malformed}, {raw("%d", int64(1<<53+1)), Malformed},
		{raw("9.1e15"), Malformed}, {raw("9223372036854775807"), Malformed}, {raw("9223372036854775808"), Malformed},
		{raw("18446744073709551617"), Malformed}, {raw("-9223372036854775809"), Malformed},
		{raw("1e19"), Malformed}, {raw("1e308"), Malformed}, {raw("1e400"), Malformed}, {raw("-1e400"), Malformed},
		{raw("-%d", int64(1<<53)), Malformed},
		{raw("4%s", strings.Repeat("0", 400)), Malformed},
		{raw("%d.%s", now+1, strings.Repeat("9", 400)), ReasonNone},
	} {
		change := map[string]any{"exp": nil}
		if c.exp != nil {
			change["exp"] = c.exp
		}
		s, token := signed(t, testPayload(change))
		claims, reason := Verify(testPolicy(), s, token, testNow)
		if checkClaims(t, claims, reason); reason != c.want {
			t.Errorf("exp %.40s: %v, want %v", c.exp, reason, c.want)
		}
	}
}

func TestExpiryHasNoLeewayAndNoRounding(t *testing.T) {
	exp := testNow.Unix()
	s, token := signed(t, testPayload(map[string]any{"exp": exp}))
	p := testPolicy()
	p.Leeway = time.Hour
	for offset, want := range map[time.Duration]Reason{
		-time.Second: ReasonNone, -time.Nanosecond: ReasonNone, 0: Expired, time.Nanosecond: Expired, time.Second: Expired,
		20 * 365 * 24 * time.Hour: Expired, -20 * 365 * 24 * time.Hour: ReasonNone,
	} {
		if _, reason := Verify(p, s, token, testNow.Add(offset)); reason != want {
			t.Errorf("%v from exp: %v, want %v", offset, reason, want)
		}
	}
	// A clock that stands before 1970 makes no token of 1969 valid.
	s, token = signed(t, testPayload(map[string]any{"exp": -100}))
	if _, reason := Verify(p, s, token, time.Unix(-1000, 0)); reason != Expired {
		t.Errorf("before 1970: %v", reason)
	}
}

func TestStartTimesHaveLeeway(t *testing.T) {
	now := testNow.Unix()
	for _, name := range []string{"nbf", "iat"} {
		for _, c := range []struct {
			value  json.RawMessage
			leeway time.Duration
			want   Reason
		}{
			{nil, 0, ReasonNone},
			{raw("%d", now), 0, ReasonNone}, {raw("%d", now+1), 0, NotYetValid}, {raw("%d.1", now), 0, NotYetValid},
			{raw("%d", now+4), 5 * time.Second, ReasonNone}, {raw("%d", now+5), 5 * time.Second, ReasonNone},
			{raw("%d", now+6), 5 * time.Second, NotYetValid}, {raw("%d.5", now+5), 5 * time.Second, NotYetValid},
			{raw("%d", now+1), -time.Hour, NotYetValid}, {raw("%d", now), -time.Hour, ReasonNone},
			{raw("0"), 0, ReasonNone}, {raw("-1"), 0, ReasonNone}, {raw("%d", now-100*365*86400), 0, ReasonNone},
			{raw("%d", int64(1<<53-1)), time.Minute, NotYetValid}, {raw("%d", int64(1<<53)), time.Minute, Malformed},
			{raw("1e400"), 0, Malformed}, {raw("null"), 0, MissingClaim}, {raw(`"%d"`, now), 0, MissingClaim},
			{raw("true"), 0, MissingClaim}, {raw("[]"), 0, MissingClaim}, {raw("{}"), 0, MissingClaim},
		} {
			change := map[string]any{}
			if c.value != nil {
				change[name] = c.value
			}
			s, token := signed(t, testPayload(change))
			p := testPolicy()
			p.Leeway = c.leeway
			if _, reason := Verify(p, s, token, testNow); reason != c.want {
				t.Errorf("%s %s with leeway %v: %v, want %v", name, c.value, c.leeway, reason, c.want)
			}
		}
	}
}

func TestClaimsTellWhatTheTokenSays(t *testing.T) {
	s, token := signed(t, testPayload(map[string]any{
		"iat": raw("1799999999.5"), "nbf": 1_799_999_000, "exp": raw("1800000600.9"), "sid": "s-1", "big": raw("12345678901234567890.10"),
	}))
	p := testPolicy()
	p.SessionClaims = []string{"sid"}
	original := slices.Clone(token)
	c := expect(t, p, s, string(token), ReasonNone)
	if !slices.Equal(token, original) {
		t.Error("the token was changed")
	}
	if c.Subject != "user" || c.Issuer != testIssuer || c.Audience != testAudience || c.Session != "s-1" || c.Class != ClassNormal {
		t.Errorf("%+v", c)
	}
	if c.IssuedAt.Unix() != 1_799_999_999 || c.NotBefore.Unix() != 1_799_999_000 || c.Expires.Unix() != 1_800_000_600 {
		t.Errorf("times %v %v %v", c.IssuedAt, c.NotBefore, c.Expires)
	}
	if c.Key != s.Find("kid-ES256") || !strings.Contains(string(c.JSON), `"big":12345678901234567890.10`) {
		t.Errorf("key %v, JSON %s", c.Key, c.JSON)
	}
	s, token = signed(t, testPayload(nil))
	if c := expect(t, p, s, string(token), ReasonNone); !c.IssuedAt.IsZero() || !c.NotBefore.IsZero() || c.Session != "" {
		t.Errorf("absent claims are not zero: %+v", c)
	}
}

func TestSessionIsTheFirstClaimThatHasOne(t *testing.T) {
	for payload, want := range map[string]string{
		`"refresh_token_id":"new","refreshTokenId":"old"`: "new",
		`"refreshTokenId":"old","refresh_token_id":"new"`: "new",
		`"refreshTokenId":"old"`:                          "old",
		`"refresh_token_id":null,"refreshTokenId":"old"`:  "old",
		`"refresh_token_id":"","refreshTokenId":"old"`:    "old",
		`"refreshTokenId":"old","refresh_token_id":""`:    "old",
		`"refresh_token_id":1,"refreshTokenId":"old"`:     "old",
		`"refresh_token_id":["a"]`:                        "",
		`"refresh_token_id":{"id":"a\u0000"}`:             "",
		`"sid":"other"`:                                   "",
	} {
		s, token := signed(t, with(payload))
		p := testPolicy()
		p.SessionClaims = []string{"refresh_token_id", "refreshTokenId"}
		if c := expect(t, p, s, string(token), ReasonNone); c.Session != want {
			t.Errorf("%s: session %q, want %q", payload, c.Session, want)
		}
	}
	for _, payload := range []string{`"refresh_token_id":"a\r\nb"`, `"refreshTokenId":"\u0000"`, `"refreshTokenId":"a\ud83d"`} {
		s, token := signed(t, with(payload))
		p := testPolicy()
		p.SessionClaims = []string{"refresh_token_id", "refreshTokenId"}
		expect(t, p, s, string(token), Malformed)
	}
}

func TestSubjectIsAPlainNonEmptyString(t *testing.T) {
	for sub, want := range map[string]Reason{
		`"user"`: ReasonNone, `"user_42"`: ReasonNone, `"auth0|507f"`: ReasonNone, `"Zoë Ł"`: ReasonNone, `" "`: ReasonNone,
		`""`: MissingClaim, `null`: MissingClaim, `42`: MissingClaim, `true`: MissingClaim, `["user"]`: MissingClaim, `{"id":"user"}`: MissingClaim,
		`"user\ud83d"`: Malformed, `"\ude00user"`: Malformed,
		`"a\r\nX-Auth-User: root"`: Malformed, `"a\u0000"`: Malformed, `"a\tb"`: Malformed, `"a\u001bb"`: Malformed,
		`"a\u007f"`: Malformed, `"a\u0085"`: Malformed, "\"a\u009b\"": Malformed,
	} {
		s, token := signed(t, testPayload(map[string]any{"sub": raw("%s", sub)}))
		expect(t, testPolicy(), s, string(token), want)
	}
	s, token := signed(t, testPayload(map[string]any{"sub": nil, "SUB": "user"}))
	expect(t, testPolicy(), s, string(token), MissingClaim)
}
