package keyset

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/protocol"
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
			expect(t, testPolicy(), s, string(token), malformed)
		})
	}
	// Names that only look alike are different names. Names that differ only in
	// case are refused at the top only, and only if somebody reads them.
	for name, member := range map[string]string{
		"prefix": `"su":1,"subs":2,"ub":3`, "underscore": `"branch_id":"a","branchId":"b"`, "Cyrillic": `"ѕub":1`,
		"nested, cased": `"o":{"id":1,"ID":2}`, "empty name": `"":1`, "cased, nobody reads it": `"Groups":1,"groups":2,"GROUPS":3`,
	} {
		t.Run(name, func(t *testing.T) {
			s, token := signed(t, with(member))
			expect(t, testPolicy(), s, string(token), accepted)
		})
	}
}

func TestExpiryIsANumberInTheFuture(t *testing.T) {
	now := testNow.Unix()
	for _, c := range []struct {
		exp  json.RawMessage
		want protocol.Outcome
	}{
		{nil, missingClaim},
		{raw("null"), missingClaim}, {raw(`"%d"`, now+600), missingClaim}, {raw("true"), missingClaim}, {raw("false"), missingClaim},
		{raw("[%d]", now+600), missingClaim}, {raw(`{"exp":%d}`, now+600), missingClaim}, {raw(`""`), missingClaim},
		{raw(`"2100-01-01T00:00:00Z"`), missingClaim},
		{raw("0"), expired}, {raw("-0"), expired}, {raw("0.0"), expired}, {raw("-1"), expired}, {raw("-1e9"), expired},
		{raw("1"), expired}, {raw("0.5"), expired}, {raw("1e-400"), expired},
		{raw("%d", now-3600), expired}, {raw("%d", now-1), expired}, {raw("%d", now), expired},
		{raw("%d.0", now), expired}, {raw("%d.999", now), expired},
		{raw("%d", now+1), accepted}, {raw("%d.5", now+1), accepted}, {raw("1.800000001e9"), accepted},
		{raw("1800000001E0"), accepted}, {raw("%d", now+600), accepted}, {raw("%d", now+100*365*86400), accepted},
		{raw("1e12"), accepted}, {raw("1000000000000"), accepted}, {raw("31556889864403199"), malformed},
		{raw("%d", int64(1<<53-1)), accepted}, {raw("%d", int64(1<<53)), malformed}, {raw("%d", int64(1<<53+1)), malformed},
		{raw("9.1e15"), malformed}, {raw("9223372036854775807"), malformed}, {raw("9223372036854775808"), malformed},
		{raw("18446744073709551617"), malformed}, {raw("-9223372036854775809"), malformed},
		{raw("1e19"), malformed}, {raw("1e308"), malformed}, {raw("1e400"), malformed}, {raw("-1e400"), malformed},
		{raw("-%d", int64(1<<53)), malformed},
		{raw("4%s", strings.Repeat("0", 400)), malformed},
		{raw("%d.%s", now+1, strings.Repeat("9", 400)), accepted},
	} {
		change := map[string]any{"exp": nil}
		if c.exp != nil {
			change["exp"] = c.exp
		}
		s, token := signed(t, testPayload(change))
		claims, reason := Verify(testPolicy(), s, token, testNow, nil)
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
	for offset, want := range map[time.Duration]protocol.Outcome{
		-time.Second: accepted, -time.Nanosecond: accepted, 0: expired, time.Nanosecond: expired, time.Second: expired,
		20 * 365 * 24 * time.Hour: expired, -20 * 365 * 24 * time.Hour: accepted,
	} {
		if _, reason := Verify(p, s, token, testNow.Add(offset), nil); reason != want {
			t.Errorf("%v from exp: %v, want %v", offset, reason, want)
		}
	}
	// A clock that stands before 1970 makes no token of 1969 valid.
	s, token = signed(t, testPayload(map[string]any{"exp": -100}))
	if _, reason := Verify(p, s, token, time.Unix(-1000, 0), nil); reason != expired {
		t.Errorf("before 1970: %v", reason)
	}
}

func TestStartTimesHaveLeeway(t *testing.T) {
	now := testNow.Unix()
	for _, name := range []string{"nbf", "iat"} {
		for _, c := range []struct {
			value  json.RawMessage
			leeway time.Duration
			want   protocol.Outcome
		}{
			{nil, 0, accepted},
			{raw("%d", now), 0, accepted}, {raw("%d", now+1), 0, notYetValid}, {raw("%d.1", now), 0, notYetValid},
			{raw("%d", now+4), 5 * time.Second, accepted}, {raw("%d", now+5), 5 * time.Second, accepted},
			{raw("%d", now+6), 5 * time.Second, notYetValid}, {raw("%d.5", now+5), 5 * time.Second, notYetValid},
			{raw("%d", now+1), -time.Hour, notYetValid}, {raw("%d", now), -time.Hour, accepted},
			{raw("0"), 0, accepted}, {raw("-1"), 0, accepted}, {raw("%d", now-100*365*86400), 0, accepted},
			{raw("%d", int64(1<<53-1)), time.Minute, notYetValid}, {raw("%d", int64(1<<53)), time.Minute, malformed},
			{raw("1e400"), 0, malformed}, {raw("null"), 0, missingClaim}, {raw(`"%d"`, now), 0, missingClaim},
			{raw("true"), 0, missingClaim}, {raw("[]"), 0, missingClaim}, {raw("{}"), 0, missingClaim},
		} {
			change := map[string]any{}
			if c.value != nil {
				change[name] = c.value
			}
			s, token := signed(t, testPayload(change))
			p := testPolicy()
			p.Leeway = c.leeway
			if _, reason := Verify(p, s, token, testNow, nil); reason != c.want {
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
	c := expect(t, p, s, string(token), accepted)
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
	if c := expect(t, p, s, string(token), accepted); !c.IssuedAt.IsZero() || !c.NotBefore.IsZero() || c.Session != "" {
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
		if c := expect(t, p, s, string(token), accepted); c.Session != want {
			t.Errorf("%s: session %q, want %q", payload, c.Session, want)
		}
	}
	for _, payload := range []string{`"refresh_token_id":"a\r\nb"`, `"refreshTokenId":"\u0000"`, `"refreshTokenId":"a\ud83d"`} {
		s, token := signed(t, with(payload))
		p := testPolicy()
		p.SessionClaims = []string{"refresh_token_id", "refreshTokenId"}
		expect(t, p, s, string(token), malformed)
	}
}

func TestSubjectIsAPlainNonEmptyString(t *testing.T) {
	for sub, want := range map[string]protocol.Outcome{
		`"user"`: accepted, `"user_42"`: accepted, `"auth0|507f"`: accepted, `"Zoë Ł"`: accepted, `" "`: accepted,
		`""`: missingClaim, `null`: missingClaim, `42`: missingClaim, `true`: missingClaim, `["user"]`: missingClaim, `{"id":"user"}`: missingClaim,
		`"user\ud83d"`: malformed, `"\ude00user"`: malformed,
		`"a\r\nX-Auth-User: root"`: malformed, `"a\u0000"`: malformed, `"a\tb"`: malformed, `"a\u001bb"`: malformed,
		`"a\u007f"`: malformed, `"a\u0085"`: malformed, "\"a\u009b\"": malformed,
	} {
		s, token := signed(t, testPayload(map[string]any{"sub": raw("%s", sub)}))
		expect(t, testPolicy(), s, string(token), want)
	}
	s, token := signed(t, testPayload(map[string]any{"sub": nil, "SUB": "user"}))
	expect(t, testPolicy(), s, string(token), missingClaim)
}
