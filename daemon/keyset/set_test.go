package keyset

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// odd is the minter's key with members changed, under the kid "odd" if the
// change names no other.
func odd(m *minter, extra map[string]any) any {
	if _, named := extra["kid"]; !named {
		extra["kid"] = "odd"
	}
	return m.jwk(extra)
}

// oddMembers are entries that cannot be used because of their names, algorithm
// or use.
func oddMembers() map[string]any {
	good, p384, rsaKey := minters()[ES256], minters()[ES384], minters()[RS256]
	return map[string]any{
		"null": nil, "string": "x", "number": 1, "array": []any{good.jwk(nil)}, "empty": map[string]any{},
		"oct":                 map[string]any{"kty": "oct", "k": "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc", "alg": "HS256", "kid": "odd"},
		"ML-DSA":              map[string]any{"kty": "AKP", "alg": "ML-DSA-44", "pub": "AQEB", "kid": "odd"},
		"made-up type":        odd(good, map[string]any{"kty": "XYZ"}),
		"no type":             odd(good, map[string]any{"kty": nil}),
		"type number":         odd(good, map[string]any{"kty": 2}),
		"curve of Bitcoin":    odd(good, map[string]any{"crv": "secp256k1", "alg": "ES256K"}),
		"curve of other alg":  odd(good, map[string]any{"alg": "ES384"}),
		"other curve":         odd(p384, map[string]any{"alg": "ES256"}),
		"RSA alg on EC":       odd(good, map[string]any{"alg": "RS256"}),
		"none alg":            odd(good, map[string]any{"alg": "none"}),
		"unknown alg":         odd(good, map[string]any{"alg": "ES521"}),
		"empty alg":           odd(good, map[string]any{"alg": ""}),
		"alg number":          odd(good, map[string]any{"alg": 1}),
		"key agreement alg":   odd(good, map[string]any{"alg": "ECDH-ES"}),
		"for encryption":      odd(good, map[string]any{"use": "enc"}),
		"use empty":           odd(good, map[string]any{"use": ""}),
		"use array":           odd(good, map[string]any{"use": []string{"sig"}}),
		"ops without verify":  odd(good, map[string]any{"key_ops": []string{"encrypt"}}),
		"ops sign":            odd(good, map[string]any{"key_ops": []string{"sign"}}),
		"ops empty":           odd(good, map[string]any{"key_ops": []string{}}),
		"ops string":          odd(good, map[string]any{"key_ops": "verify"}),
		"private member null": odd(good, map[string]any{"d": json.RawMessage("null")}),
		"kid number":          odd(good, map[string]any{"kid": 42}),
		"kid empty":           odd(good, map[string]any{"kid": ""}),
		"kid too long":        odd(good, map[string]any{"kid": strings.Repeat("k", 129)}),
		"kid with line feed":  odd(good, map[string]any{"kid": "a\nb"}),
		"kid not ASCII":       odd(good, map[string]any{"kid": "ключ"}),
		"member twice":        json.RawMessage(`{"kty":"EC","kty":"EC"}`),
		"member in two cases": json.RawMessage(`{"kid":"odd","KID":"odd"}`),
		"too deep":            odd(good, map[string]any{"x5c": raw("%s%s", strings.Repeat("[", 40), strings.Repeat("]", 40))}),
		"HS alg on RSA":       odd(rsaKey, map[string]any{"alg": "HS256"}),
		"encryption alg":      odd(rsaKey, map[string]any{"alg": "RSA-OAEP"}),
	}
}

// oddPoints are entries that cannot be used because of their curve or
// coordinates.
func oddPoints() map[string]any {
	good, ed := minters()[ES256], minters()[EdDSA]
	padded := b64(append([]byte{0}, decode([]byte(good.jwk(nil)["x"].(string)), 32)...))
	return map[string]any{
		"type of other key":  odd(good, map[string]any{"kty": "RSA"}),
		"curve unknown":      odd(good, map[string]any{"crv": "P-255"}),
		"off the curve":      odd(good, map[string]any{"y": good.jwk(nil)["x"]}),
		"point zero":         odd(good, map[string]any{"x": b64(make([]byte, 32)), "y": b64(make([]byte, 32))}),
		"x too long":         odd(good, map[string]any{"x": padded}),
		"x beyond the field": odd(good, map[string]any{"x": b64(slices.Repeat([]byte{0xff}, 32))}),
		"x empty":            odd(good, map[string]any{"x": ""}),
		"x number":           odd(good, map[string]any{"x": 1}),
		"x null":             odd(good, map[string]any{"x": json.RawMessage("null")}),
		"crv null":           odd(good, map[string]any{"crv": json.RawMessage("null")}),
		"x in an array":      odd(good, map[string]any{"x": []any{good.jwk(nil)["x"]}}),
		"X for x":            odd(good, map[string]any{"x": nil, "X": good.jwk(nil)["x"]}),
		"x not base64":       odd(good, map[string]any{"x": "!!!!"}),
		"no x":               odd(good, map[string]any{"x": nil}),
		"no y":               odd(good, map[string]any{"y": nil}),
		"private EC":         odd(good, map[string]any{"d": "AQAB"}),
		"private OKP":        odd(ed, map[string]any{"d": b64(make([]byte, 32))}),
		"Ed25519 short":      odd(ed, map[string]any{"x": b64(make([]byte, 31))}),
		"Ed25519 long":       odd(ed, map[string]any{"x": b64(make([]byte, 33))}),
		"Ed25519 weak":       odd(ed, map[string]any{"x": b64(append([]byte{1}, make([]byte, 31)...))}),
		"Ed25519 off curve":  odd(ed, map[string]any{"x": b64(append([]byte{2}, make([]byte, 31)...))}),
		"X25519":             odd(ed, map[string]any{"crv": "X25519"}),
		"Ed448":              odd(ed, map[string]any{"crv": "Ed448"}),
	}
}

// oddModuli are RSA entries that cannot be used.
func oddModuli(t *testing.T) map[string]any {
	rsaKey := minters()[RS256]
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	modulus := rsaKey.key.Public().(*rsa.PublicKey).N
	huge := new(big.Int).SetBit(modulus, 16384, 1)
	return map[string]any{
		"private RSA":  odd(rsaKey, map[string]any{"d": "AQAB"}),
		"RSA primes":   odd(rsaKey, map[string]any{"p": "AQAB", "q": "AQAB"}),
		"RSA 1024":     odd(rsaKey, map[string]any{"n": b64(weak.N.Bytes())}),
		"RSA 2047":     odd(rsaKey, map[string]any{"n": b64(new(big.Int).Rsh(modulus, 1).Bytes())}),
		"RSA 16384":    odd(rsaKey, map[string]any{"n": b64(huge.Bytes())}),
		"RSA even":     odd(rsaKey, map[string]any{"n": b64(new(big.Int).Add(modulus, big.NewInt(1)).Bytes())}),
		"e = 1":        odd(rsaKey, map[string]any{"e": "AQ"}),
		"e = 3":        odd(rsaKey, map[string]any{"e": "Aw"}),
		"e = 0":        odd(rsaKey, map[string]any{"e": "AA"}),
		"e even":       odd(rsaKey, map[string]any{"e": "AQAC"}),
		"e of 33 bits": odd(rsaKey, map[string]any{"e": "AQAAAAE"}),
		"e of 65 bits": odd(rsaKey, map[string]any{"e": "AQAAAAAAAQAB"}),
		"no e":         odd(rsaKey, map[string]any{"e": nil}),
		"no n":         odd(rsaKey, map[string]any{"n": nil}),
	}
}

func TestOddKeysAreSkippedOneByOne(t *testing.T) {
	good := minters()[ES256]
	all := oddMembers()
	maps.Copy(all, oddPoints())
	maps.Copy(all, oddModuli(t))
	for name, entry := range all {
		t.Run(name, func(t *testing.T) {
			text, err := json.Marshal(entry)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := ParseSet([]byte(`{"keys":[`+string(text)+`]}`), Algorithms()); err == nil {
				t.Fatal("the key was taken")
			} else if strings.Contains(err.Error(), "odd") {
				t.Errorf("the error quotes the key: %v", err)
			}
			s := mustSet(t, []byte(`{"keys":[`+string(text)+`,`+string(mustJSON(good.jwk(nil)))+`,`+string(text)+`]}`))
			if len(s.Keys()) != 1 || len(s.Skipped()) != 2 || s.Skipped()[0].Index != 0 || s.Skipped()[1].Index != 2 || s.Skipped()[0].Why == "" {
				t.Fatalf("%d keys, skipped %v", len(s.Keys()), s.Skipped())
			}
			expect(t, testPolicy(), s, good.mint(good.header(), testPayload(nil)), accepted)
		})
	}
}

func mustJSON(v any) []byte {
	out, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return out
}

func TestOddFixtureKeysAreSkippedWithAReason(t *testing.T) {
	s := fixtureSet(t, "stack/jwks-odd-keys.json", ES256)
	if len(s.Keys()) != 6 || len(s.Skipped()) < 10 {
		t.Fatalf("%d keys, %d skipped", len(s.Keys()), len(s.Skipped()))
	}
	for _, skipped := range s.Skipped() {
		if skipped.Why == "" || strings.Contains(skipped.Why, "odd-") {
			t.Errorf("entry %d: %q", skipped.Index, skipped.Why)
		}
	}
	plain := fixtureSet(t, "stack/jwks.json", ES256)
	for i, k := range plain.Keys() {
		if !k.same(s.Keys()[i]) {
			t.Errorf("key %d differs from that of the plain set", i)
		}
	}
}

func TestUsableKeysAreTaken(t *testing.T) {
	for name, extra := range map[string]map[string]any{
		"plain": {}, "for signatures": {"use": "sig"}, "ops verify": {"key_ops": []string{"sign", "verify"}}, "no alg": {"alg": nil},
		"unknown members": {"nbf": 1, "ext": true, "x5t": "AAAA"},
	} {
		for _, alg := range Algorithms() {
			m := minters()[alg]
			s, err := ParseSet(setBody(m.jwk(extra)), []Algorithm{alg})
			if err != nil {
				t.Errorf("%s %s: %v", name, alg, err)
				continue
			}
			if k := s.Find(m.kid); k == nil || !slices.Equal(k.Algorithms(), []Algorithm{alg}) || k.ID() != m.kid || len(k.Thumbprint()) != 43 || k.Withdrawn() {
				t.Errorf("%s %s: %+v", name, alg, s.Keys())
			}
			expect(t, testPolicy(), s, m.mint(m.header(), testPayload(nil)), accepted)
		}
	}
}

// TestWhatNobodyReadsOfAKeyDoesNotMatter: hints and unknown members may have any value,
// and null is as good as nothing.
func TestWhatNobodyReadsOfAKeyDoesNotMatter(t *testing.T) {
	values := []string{`null`, `true`, `5`, `1e999`, `"AAAA"`, `"\ud83d"`, `"!!"`, `[]`, `["AAAA"]`, `["!!"]`, `[5]`, `{}`, `{"x":1}`}
	for _, alg := range Algorithms() {
		m := minters()[alg]
		want := mustSet(t, setBody(m.jwk(nil))).Keys()[0].Thumbprint()
		taken := func(name, value string) *Key {
			t.Helper()
			s, err := ParseSet(setBody(m.jwk(map[string]any{name: raw("%s", value)})), []Algorithm{alg})
			if err != nil || s.Keys()[0].Thumbprint() != want {
				t.Errorf("%s: %s %s: %v", alg, name, value, err)
				return &Key{}
			}
			return s.Keys()[0]
		}
		for _, name := range []string{"x5c", "x5t", "x5t#S256", "x5u", "exp", "nbf", "iat", "ext", "revoked", "Note", "unknown"} {
			for _, value := range values {
				if k := taken(name, value); k.ID() != m.kid {
					t.Errorf("%s: %s %s: kid %q", alg, name, value, k.ID())
				}
			}
		}
		for _, name := range []string{"alg", "use", "key_ops"} {
			if k := taken(name, "null"); k.ID() != m.kid || !slices.Contains(k.Algorithms(), alg) {
				t.Errorf("%s: %s null: %+v", alg, name, k)
			}
		}
		if k := taken("kid", "null"); k.ID() != "" {
			t.Errorf("%s: kid null is the kid %q", alg, k.ID())
		}
		for _, ops := range []string{`["verify","verify"]`, `["verify","made-up"]`} {
			taken("key_ops", ops)
		}
	}
}

// TestAMemberOfAnotherTypeOfKeyDoesNotMatter, because the key does not consist of it.
func TestAMemberOfAnotherTypeOfKeyDoesNotMatter(t *testing.T) {
	for alg, names := range map[Algorithm][]string{ES256: {"n", "e"}, EdDSA: {"n", "e", "y"}, RS256: {"crv", "x", "y"}} {
		for _, name := range names {
			m := minters()[alg]
			if _, err := ParseSet(setBody(m.jwk(map[string]any{name: 5})), []Algorithm{alg}); err != nil {
				t.Errorf("%s with %s: %v", alg, name, err)
			}
		}
	}
}

func TestAnUnnamedAlgorithmFollowsFromTypeCurveAndPolicy(t *testing.T) {
	rsaAlgorithms := []Algorithm{RS256, RS384, RS512, PS256, PS384, PS512}
	for _, c := range []struct {
		key           Algorithm
		allowed, want []Algorithm // want empty: skipped
	}{
		{ES256, Algorithms(), []Algorithm{ES256}}, {ES384, Algorithms(), []Algorithm{ES384}}, {ES512, Algorithms(), []Algorithm{ES512}},
		{EdDSA, Algorithms(), []Algorithm{EdDSA}}, {RS256, Algorithms(), rsaAlgorithms}, {RS256, []Algorithm{PS256, RS256}, []Algorithm{RS256, PS256}},
		{RS256, []Algorithm{PS256}, []Algorithm{PS256}}, {RS256, []Algorithm{RS512}, []Algorithm{RS512}},
		{RS256, []Algorithm{RS512, ES256, PS256, "HS256"}, []Algorithm{RS512, PS256}}, {RS256, []Algorithm{ES256, EdDSA}, nil},
		{ES256, []Algorithm{ES384}, nil}, {EdDSA, []Algorithm{ES256}, nil}, {ES256, nil, nil}, {ES256, []Algorithm{"none", "HS256"}, nil},
	} {
		s, err := ParseSet(setBody(minters()[c.key].jwk(map[string]any{"alg": nil})), c.allowed)
		var got []Algorithm
		if err == nil {
			got = s.Keys()[0].Algorithms()
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s under %v: bound to %v, want %v", c.key, c.allowed, got, c.want)
		}
	}
	s := mustSet(t, setBody(minters()[EdDSA].jwk(map[string]any{"alg": "Ed25519"})))
	if !slices.Equal(s.Keys()[0].Algorithms(), []Algorithm{EdDSA}) {
		t.Errorf("Ed25519 is bound to %s", s.Keys()[0].Algorithms())
	}
}

// TestDifferentKeysUnderOneIDAreBothUnusable: a token that names them is unknown, because the
// set has its key.
func TestDifferentKeysUnderOneIDAreBothUnusable(t *testing.T) {
	m := minters()[ES256]
	twin, third := m.fresh(), m.fresh()
	other := minters()[EdDSA]
	s := mustSet(t, setBody(m.jwk(nil), other.jwk(nil), twin.jwk(nil), third.jwk(nil), m.jwk(nil)))
	if len(s.Keys()) != 1 || len(s.Skipped()) != 4 {
		t.Fatalf("%d keys, skipped %v", len(s.Keys()), s.Skipped())
	}
	for _, signer := range []*minter{m, twin, third} {
		expect(t, testPolicy(), s, signer.mint(m.header(), testPayload(nil)), unusableKey)
	}
	// The same key twice is one key.
	s = mustSet(t, setBody(m.jwk(nil), m.jwk(nil)))
	if len(s.Keys()) != 1 || len(s.Skipped()) != 1 || s.Skipped()[0].Index != 1 {
		t.Errorf("%d keys, skipped %v", len(s.Keys()), s.Skipped())
	}
	expect(t, testPolicy(), s, m.mint(m.header(), testPayload(nil)), accepted)
	// An unusable one does not count.
	s = mustSet(t, setBody(m.jwk(nil), twin.jwk(map[string]any{"use": "enc"})))
	expect(t, testPolicy(), s, m.mint(m.header(), testPayload(nil)), accepted)
	expect(t, testPolicy(), s, twin.mint(m.header(), testPayload(nil)), unusableKey)
	// Keys without an id have none in common.
	s = mustSet(t, setBody(m.jwk(map[string]any{"kid": nil}), twin.jwk(map[string]any{"kid": nil})))
	if len(s.Keys()) != 2 || s.Find("") != nil {
		t.Errorf("%d keys without id", len(s.Keys()))
	}
}

func TestABodyThatIsNoKeySetIsRefused(t *testing.T) {
	key := string(mustJSON(minters()[ES256].jwk(nil)))
	many := strings.TrimSuffix(strings.Repeat(key+",", MaxKeys), ",")
	for name, body := range map[string]string{
		"empty": ``, "null": `null`, "array": `[` + key + `]`, "a key": key, "HTML": `<html>canary</html>`, "text": `Project not found`,
		"no keys": `{}`, "keys null": `{"keys":null}`, "keys object": `{"keys":{}}`, "keys empty": `{"keys":[]}`, "other case": `{"Keys":[` + key + `]}`,
		"cut": `{"keys":[` + key, "cut behind": `{"keys":[` + key + `]`, "two values": `{"keys":[` + key + `]}{}`, "junk behind": `{"keys":[` + key + `]}x`,
		"keys twice": `{"keys":[` + key + `],"keys":[` + key + `]}`, "comma": `{"keys":[` + key + `,]}`, "too many": `{"keys":[` + many + `,` + key + `]}`,
		"deep": `{"x":` + strings.Repeat("[", 100000) + `}`, "deep keys": `{"keys":` + strings.Repeat("[", 100000) + `}`,
	} {
		if s, err := ParseSet([]byte(body), Algorithms()); err == nil || s != nil {
			t.Errorf("%s was taken", name)
		} else if strings.Contains(err.Error(), "canary") || len(err.Error()) > 200 {
			t.Errorf("%s: the error quotes the body: %v", name, err)
		}
	}
	if _, err := ParseSet([]byte(`{"keys":[`+many+`,`+key+`]}`), Algorithms()); !errors.Is(err, ErrTooManyKeys) || err.Error() != "the key set has more than 64 keys" {
		t.Errorf("too many keys: %v", err)
	}
	for name, body := range map[string]string{
		"plain": `{"keys":[` + key + `]}`, "others beside": `{"a":1,"keys":[` + key + `],"b":{"keys":[]},"a":2}`, "blanks": " {\n\"keys\" : [ " + key + " ] }\n",
		"most": `{"keys":[` + many + `]}`, "escaped": `{"\u006beys":[` + key + `]}`,
	} {
		if _, err := ParseSet([]byte(body), Algorithms()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestASuccessorKeepsRecordsAndWithdrawsTheRest(t *testing.T) {
	es, ed, rs := minters()[ES256], minters()[EdDSA], minters()[RS256]
	old := mustSet(t, setBody(es.jwk(nil), ed.jwk(nil), rs.jwk(nil)))
	kept, gone, changed := old.Find(es.kid), old.Find(ed.kid), old.Find(rs.kid)
	rebound := rs.jwk(map[string]any{"alg": "PS256"})
	next := mustSet(t, setBody(rebound, es.jwk(nil)))
	next.Succeed(old)
	if next.Find(es.kid) != kept || !slices.Contains(next.Keys(), kept) || kept.Withdrawn() {
		t.Error("an unchanged key lost its record")
	}
	if !gone.Withdrawn() || !changed.Withdrawn() || next.Find(rs.kid) == changed || next.Find(rs.kid).Withdrawn() {
		t.Error("a key that is gone or changed lives on")
	}
	token := ed.mint(ed.header(), testPayload(nil))
	expect(t, testPolicy(), next, token, unknownKey)
	expect(t, testPolicy(), old, token, unknownKey) // also in the old set, which somebody may still hold
	expect(t, testPolicy(), old, es.mint(es.header(), testPayload(nil)), accepted)

	// A key that comes back is a new record.
	again := mustSet(t, setBody(es.jwk(nil), ed.jwk(nil)))
	again.Succeed(next)
	if again.Find(ed.kid) == gone || again.Find(ed.kid).Withdrawn() || again.Find(es.kid) != kept {
		t.Error("a returned key has the withdrawn record")
	}
	stale := mustSet(t, setBody(ed.jwk(nil)))
	stale.Succeed(old)
	if stale.Find(ed.kid).Withdrawn() {
		t.Error("a withdrawn record was adopted")
	}
	first := mustSet(t, setBody(es.jwk(nil)))
	before := slices.Clone(first.Keys())
	first.Succeed(nil)
	first.Succeed(first)
	if !reflect.DeepEqual(before, first.Keys()) || first.Keys()[0].Withdrawn() {
		t.Error("succeeding nothing or itself changed something")
	}
	nameless := mustSet(t, setBody(es.jwk(map[string]any{"kid": nil})))
	heir := mustSet(t, setBody(es.jwk(map[string]any{"kid": nil})))
	heir.Succeed(nameless)
	if heir.Keys()[0] != nameless.Keys()[0] || heir.Find("") != nil {
		t.Error("a key without id lost its record")
	}
}

func TestThumbprintIsOfTheKeyNotOfItsSpelling(t *testing.T) {
	const rfc7638 = `{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}`
	s := mustSet(t, fmt.Appendf(nil, `{"keys":[%s]}`, rfc7638))
	if got := s.Keys()[0].Thumbprint(); got != "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs" {
		t.Errorf("RFC 7638 section 3.1: %s", got)
	}
	short := `{"kty":"EC","crv":"P-256","kid":"a","x":"_3wLvzxVSMeD_m91beChaX3IS0Qg_YNxeGj6bxyZZDA","y":"_X7_E4SSa1jhAu_bZ3Eq01LWQz0anxXOQ0cGFUwdGQ"}`
	full := strings.Replace(strings.Replace(short, `"a"`, `"b"`, 1), `"_X7_E4SSa1jhAu_bZ3Eq01LWQz0anxXOQ0cGFUwdGQ"`, `"AP1-_xOEkmtY4QLv22dxKtNS1kM9Gp8VzkNHBhVMHRk"`, 1)
	s = mustSet(t, fmt.Appendf(nil, `{"keys":[%s,%s]}`, short, full))
	if len(s.Keys()) != 2 || s.Keys()[0].Thumbprint() != s.Keys()[1].Thumbprint() {
		t.Errorf("short and full coordinates differ: %v", s.Skipped())
	}
}
