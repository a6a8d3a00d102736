package keyset

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/protocol"
)

func TestHeaderExtensionsAreRefused(t *testing.T) {
	s, m := everyKey(t), minters()[ES256]
	for _, member := range []string{
		`"crit":["exp"],"exp":1`, `"crit":[]`, `"crit":null`, `"crit":"exp"`, `"crit":{"exp":1}`, `"crit":["b64"],"b64":true`,
		`"crit":["alg"]`, `"crit":["x","x"],"x":1`, `"crit":[1]`, `"crit":["urn:example:policy"],"urn:example:policy":true`,
		`"\u0063rit":["x"],"x":1`, `"b64":false`, `"b64":true`, `"b64":null`, `"crit":["b64"],"b64":false`,
		`"zip":"DEF"`, `"enc":"A256GCM"`, `"epk":{}`, `"p2c":1`, `"iv":"AAAA"`, `"tag":"AAAA"`,
		`"crit":["x"],"crit":["x"]`,
	} {
		token := m.mint(`{"alg":"ES256","kid":"kid-ES256",`+member+`}`, testPayload(nil))
		if _, reason := Verify(testPolicy(), s, []byte(token), testNow, nil); reason != malformed {
			t.Errorf("%s: %v", member, reason)
		}
	}
}

func TestUnencodedPayloadsAreRefused(t *testing.T) {
	// RFC 7797 section 4: signed over the raw payload.
	s, m := everyKey(t), minters()[ES256]
	header := b64([]byte(`{"alg":"ES256","kid":"kid-ES256","b64":false,"crit":["b64"]}`))
	payload := testPayload(nil)
	signature := b64(m.sign(header + "." + payload))
	expect(t, testPolicy(), s, header+"."+b64([]byte(payload))+"."+signature, malformed)
	expect(t, testPolicy(), s, header+"."+payload+"."+signature, malformed)
	expect(t, testPolicy(), s, header+".."+signature, malformed)
	// RFC 7797 section 4.2: the example itself, attached and detached.
	expect(t, testPolicy(), s, "eyJhbGciOiJIUzI1NiIsImI2NCI6ZmFsc2UsImNyaXQiOlsiYjY0Il19.$.02."+
		"A5dxf2s96_n5FLueVuW1Z_vh161FwXZC4YLPff6dmDY", malformed)
	expect(t, testPolicy(), s, "eyJhbGciOiJIUzI1NiIsImI2NCI6ZmFsc2UsImNyaXQiOlsiYjY0Il19.."+
		"A5dxf2s96_n5FLueVuW1Z_vh161FwXZC4YLPff6dmDY", malformed)
}

func TestUnknownHeaderMembersAreIgnored(t *testing.T) {
	s, m := everyKey(t), minters()[ES256]
	for _, member := range []string{
		`"x-trace":"abc"`, `"iss":"elsewhere"`, `"CRIT":["x"]`, `"nested":{"crit":["x"],"jwk":{}}`, `"list":[[[1]]]`,
		`"pad":"` + strings.Repeat("p", 900) + `"`, `"x5c":["` + strings.Repeat("A", 4000) + `"]`,
		`"cty":"application/json"`, `"cty":"json"`, `"cty":"JWT"`, `"cty":""`, `"cty":null`, `"cty":1`,
	} {
		token := m.mint(`{"alg":"ES256","kid":"kid-ES256",`+member+`}`, testPayload(nil))
		expect(t, testPolicy(), s, token, accepted)
	}
}

func TestHeaderIsStrict(t *testing.T) {
	s, m := everyKey(t), minters()[ES256]
	plain := `"alg":"ES256","kid":"kid-ES256"`
	for name, header := range map[string]string{
		"too deep":             `{` + plain + `,"x":` + strings.Repeat("[", 16) + strings.Repeat("]", 16) + `}`,
		"duplicate alg":        `{` + plain + `,"alg":"ES256"}`,
		"duplicate kid":        `{` + plain + `,"kid":"kid-ES256"}`,
		"alg in two cases":     `{` + plain + `,"ALG":"none"}`,
		"kid with Kelvin sign": `{` + plain + `,"\u212aid":"x"}`,
		"escaped duplicate":    `{` + plain + `,"\u0061lg":"ES256"}`,
		"nested duplicate":     `{` + plain + `,"x":{"a":1,"a":2}}`,
		"array":                `[{` + plain + `}]`,
		"string":               `"{}"`,
		"trailing":             `{` + plain + `}{}`,
		"not JSON":             `{` + plain,
		"comma":                `{` + plain + `,}`,
		"invalid UTF-8":        `{` + plain + ",\"x\":\"\xff\"}",
		"surrogate in a name":  `{` + plain + `,"\ud800":"x"}`,
		"surrogate in a kid":   `{"alg":"ES256","kid":"kid-ES256\ud83d"}`,
		"surrogate in a typ":   `{` + plain + `,"typ":"JWT\udc00"}`,
		"byte order mark":      "\ufeff{" + plain + `}`,
	} {
		t.Run(name, func(t *testing.T) {
			expect(t, testPolicy(), s, m.mint(header, testPayload(nil)), malformed)
		})
	}
	expect(t, testPolicy(), s, m.mint(" {\n\t"+plain+" } ", testPayload(nil)), accepted)
}

func TestOnlyAccessTokenTypesAreTaken(t *testing.T) {
	s, m := everyKey(t), minters()[ES256]
	for _, c := range []struct {
		typ             string
		strict, generic protocol.Outcome
	}{
		{`"JWT"`, accepted, accepted},
		{`"jwt"`, wrongType, accepted},
		{`"at+jwt"`, wrongType, accepted},
		{`"AT+JWT"`, wrongType, accepted},
		{`"application/at+jwt"`, wrongType, accepted},
		{`"application/jwt"`, wrongType, accepted},
		{`"logout+jwt"`, wrongType, wrongType},
		{`"dpop+jwt"`, wrongType, wrongType},
		{`"id_token"`, wrongType, wrongType},
		{`"JOSE"`, wrongType, wrongType},
		{`"text/jwt"`, wrongType, wrongType},
		{`""`, wrongType, wrongType},
		{`null`, wrongType, wrongType},
		{`["JWT"]`, wrongType, wrongType},
		{`1`, wrongType, wrongType},
	} {
		token := m.mint(fmt.Sprintf(`{"typ":%s,"alg":"ES256","kid":"kid-ES256"}`, c.typ), testPayload(nil))
		generic := testPolicy()
		generic.AccessTokenType = true
		if _, reason := Verify(testPolicy(), s, []byte(token), testNow, nil); reason != c.strict {
			t.Errorf("typ %s: %v, want %v", c.typ, reason, c.strict)
		}
		if _, reason := Verify(generic, s, []byte(token), testNow, nil); reason != c.generic {
			t.Errorf("typ %s for any issuer: %v, want %v", c.typ, reason, c.generic)
		}
	}
}

func TestDecodeAgreesWithTheGate(t *testing.T) {
	for _, segment := range []string{"AA", "AAA", "AAAA", "-_-_"} {
		want, err := base64.RawURLEncoding.DecodeString(segment)
		if err != nil {
			t.Fatal(err)
		}
		if got := decode([]byte(segment), 3); string(got) != string(want) {
			t.Errorf("%s: %x", segment, got)
		}
	}
	if decode([]byte("AAAA"), 2) != nil {
		t.Error("the limit does not hold")
	}
}
