package keyset

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"hash"
	"net"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/protocol"
)

// everyKey is a set with the keys of all minters.
func everyKey(t testing.TB) *Set {
	t.Helper()
	var entries []any
	for _, alg := range Algorithms() {
		entries = append(entries, minters()[alg].jwk(nil))
	}
	return mustSet(t, setBody(entries...))
}

func TestUnsignedTokensAreRefusedInEverySpelling(t *testing.T) {
	s, payload := everyKey(t), b64([]byte(testPayload(nil)))
	spellings := []string{"none", "None", "NONE", "nOne", "noNe", "nonE", "NOne", "noNE", "NonE", "nONe", "NONe", "none "}
	for _, alg := range spellings {
		header := b64(fmt.Appendf(nil, `{"alg":%q,"kid":"kid-ES256"}`, alg))
		expect(t, testPolicy(), s, header+"."+payload+".", malformed)
		expect(t, testPolicy(), s, header+"."+payload+"."+b64(make([]byte, 64)), wrongAlgorithm)
		expect(t, testPolicy(), s, header+"."+payload, malformed)
	}
}

func TestPublicKeysAreNotSecrets(t *testing.T) {
	hashes := map[string]func() hash.Hash{"HS256": sha256.New, "HS384": sha512.New384, "HS512": sha512.New}
	tried := 0
	for _, alg := range []Algorithm{RS256, ES256, EdDSA} {
		m := minters()[alg]
		for _, member := range []any{string(alg), nil} {
			s := mustSet(t, setBody(m.jwk(map[string]any{"alg": member})))
			for form, secret := range secretsOf(m) {
				for name, h := range hashes {
					input := b64(fmt.Appendf(nil, `{"alg":%q,"kid":%q}`, name, m.kid)) + "." + b64([]byte(testPayload(nil)))
					mac := hmac.New(h, secret)
					mac.Write([]byte(input))
					token := input + "." + b64(mac.Sum(nil))
					c, reason := Verify(testPolicy(), s, []byte(token), testNow, nil)
					if checkClaims(t, c, reason); reason != wrongAlgorithm {
						t.Errorf("%s of a %s key as %s secret: %v", form, alg, name, reason)
					}
					// The token is also refused if the policy lists the name.
					p := testPolicy()
					p.Algorithms = append(p.Algorithms, Algorithm(name))
					expect(t, p, s, token, wrongAlgorithm)
					tried++
				}
			}
		}
	}
	if tried < 2*3*3*5 {
		t.Fatalf("only %d tokens tried", tried)
	}
}

// secretsOf returns the forms in which the public key might serve as a secret.
func secretsOf(m *minter) map[string][]byte {
	pub := m.key.Public()
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		panic(err)
	}
	text, err := json.Marshal(m.jwk(nil))
	if err != nil {
		panic(err)
	}
	encoded := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	out := map[string][]byte{
		"DER": der, "PEM": encoded, "PEM without line end": []byte(strings.TrimSpace(string(encoded))), "JWK": text,
	}
	switch pub := pub.(type) {
	case *rsa.PublicKey:
		out["modulus"] = pub.N.Bytes()
	case *ecdsa.PublicKey:
		point, err := pub.Bytes()
		if err != nil {
			panic(err)
		}
		out["x and y"], out["point"] = point[1:], point
	case ed25519.PublicKey:
		out["x"] = pub
	}
	return out
}

func TestOneKeyWorksWithOneAlgorithmOnly(t *testing.T) {
	s := everyKey(t)
	for _, key := range Algorithms() {
		for _, said := range Algorithms() {
			m := *minters()[key]
			if other := minters()[said]; fmt.Sprintf("%T", m.key) == fmt.Sprintf("%T", other.key) {
				// The strongest forgery: signed with this key by the algorithm
				// that the header names.
				m.alg, m.hash = said, other.hash
			}
			want := wrongAlgorithm
			if key == said {
				want = accepted
			}
			token := m.mint(fmt.Sprintf(`{"alg":%q,"kid":%q}`, said, m.kid), testPayload(nil))
			if _, reason := Verify(testPolicy(), s, []byte(token), testNow, nil); reason != want {
				t.Errorf("key %s, token %s: %v, want %v", key, said, reason, want)
			}
		}
	}
}

func TestAlgorithmIsComparedExactly(t *testing.T) {
	s, m := everyKey(t), minters()[ES256]
	for alg, want := range map[string]protocol.Outcome{
		`"ES256"`: accepted, `"es256"`: wrongAlgorithm, `"ES256 "`: wrongAlgorithm, `"Es256"`: wrongAlgorithm,
		`""`: wrongAlgorithm, `null`: wrongAlgorithm, `["ES256"]`: wrongAlgorithm, `256`: wrongAlgorithm,
		`{"ES256":1}`: wrongAlgorithm, `"ES256K"`: wrongAlgorithm, `"\u0045S256"`: accepted, `"ES256\u0000"`: wrongAlgorithm,
	} {
		token := m.mint(fmt.Sprintf(`{"alg":%s,"kid":"kid-ES256"}`, alg), testPayload(nil))
		if _, reason := Verify(testPolicy(), s, []byte(token), testNow, nil); reason != want {
			t.Errorf("alg %s: %v, want %v", alg, reason, want)
		}
	}
	expect(t, testPolicy(), s, m.mint(`{"kid":"kid-ES256"}`, testPayload(nil)), wrongAlgorithm)
	expect(t, testPolicy(), s, m.mint(`{"Alg":"ES256","kid":"kid-ES256"}`, testPayload(nil)), wrongAlgorithm)

	p := testPolicy()
	p.Algorithms = []Algorithm{RS256, EdDSA}
	expect(t, p, s, m.mint(m.header(), testPayload(nil)), wrongAlgorithm)

	e := minters()[EdDSA]
	expect(t, testPolicy(), s, e.mint(`{"alg":"Ed25519","kid":"kid-EdDSA"}`, testPayload(nil)), accepted)
	expect(t, testPolicy(), s, e.mint(`{"alg":"Ed448","kid":"kid-EdDSA"}`, testPayload(nil)), wrongAlgorithm)
	expect(t, testPolicy(), s, m.mint(`{"alg":"Ed25519","kid":"kid-ES256"}`, testPayload(nil)), wrongAlgorithm)
}

func TestKeysInTheTokenAreNeverUsed(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	connected := make(chan int)
	go func() {
		n := 0
		for {
			conn, err := listener.Accept()
			if err != nil {
				connected <- n
				return
			}
			n++
			conn.Close()
		}
	}()
	url := "http://" + listener.Addr().String() + "/keys"
	attacker := minters()[ES256].fresh()
	key, err := json.Marshal(attacker.jwk(nil))
	if err != nil {
		t.Fatal(err)
	}
	s, optional := everyKey(t), testPolicy()
	optional.KeyIDOptional = true
	for _, member := range []string{
		`"jwk":` + string(key), `"jku":"` + url + `"`, `"x5u":"` + url + `"`, `"x5c":["AAAA"]`, `"x5t":"AAAA"`,
		`"x5t#S256":"AAAA"`, `"jwk":null`, `"jku":""`, `"x5c":[]`, `"x5c":{"x":[1]}`, `"\u006aku":"` + url + `"`,
		`"jku":"` + url + `","x5u":"` + url + `","jwk":` + string(key), `"cty":"JWT","jwk":` + string(key),
	} {
		for _, c := range []struct {
			header          string
			genuine, forged protocol.Outcome
		}{
			{`{"alg":"ES256","kid":"kid-ES256",` + member + `}`, accepted, badSignature},
			{`{` + member + `,"alg":"ES256","kid":"attacker"}`, unknownKey, unknownKey},
			{`{"alg":"ES256",` + member + `}`, accepted, badSignature},
		} {
			expect(t, optional, s, minters()[ES256].mint(c.header, testPayload(nil)), c.genuine)
			expect(t, optional, s, attacker.mint(c.header, testPayload(nil)), c.forged)
		}
	}
	listener.Close()
	if n := <-connected; n != 0 {
		t.Errorf("%d connections were made", n)
	}
}

func TestKeyIDIsAStringComparedExactly(t *testing.T) {
	s, m := everyKey(t), minters()[ES256]
	long := strings.Repeat("k", maxKeyID)
	for _, c := range []struct {
		kid       string // as JSON
		want      protocol.Outcome
		plausible bool
	}{
		{`"kid-ES256"`, accepted, true},
		{`"\u006bid-ES256"`, accepted, true},
		{`"kid-es256"`, unknownKey, true},
		{`"kid-ES256 "`, unknownKey, true},
		{`"../../../../etc/passwd"`, unknownKey, true},
		{`"/dev/null"`, unknownKey, true},
		{`"x' UNION SELECT 'secret'-- -"`, unknownKey, true},
		{`"$(id)|;id"`, unknownKey, true},
		{`"http://127.0.0.1/keys"`, unknownKey, true},
		{`"%s%n%x"`, unknownKey, true},
		{`"` + long + `"`, unknownKey, true},
		{`"` + long + `k"`, unknownKey, false},
		{`"` + strings.Repeat("k", 900) + `"`, unknownKey, false},
		{`"` + strings.Repeat("k", 4000) + `"`, unknownKey, false},
		{`"kid-ES256\u0000"`, unknownKey, false},
		{`"kid-ES256\r\n"`, unknownKey, false},
		{`"ｋid-ES256"`, unknownKey, false},
		{`"` + "\x7f" + `"`, unknownKey, false},
		{`""`, unknownKey, false},
		{`null`, malformed, false},
		{`0`, malformed, false},
		{`false`, malformed, false},
		{`["kid-ES256"]`, malformed, false},
		{`{"kid":"kid-ES256"}`, malformed, false},
	} {
		token := m.mint(fmt.Sprintf(`{"alg":"ES256","kid":%s}`, c.kid), testPayload(nil))
		for _, optional := range []bool{false, true} {
			p := testPolicy()
			p.KeyIDOptional = optional // a kid of the wrong type is not an absent one
			if _, reason := Verify(p, s, []byte(token), testNow, nil); reason != c.want {
				t.Errorf("kid %.40s: %v, want %v", c.kid, reason, c.want)
			}
		}
		var want string
		if c.want != malformed {
			if err := json.Unmarshal([]byte(c.kid), &want); err != nil {
				t.Fatal(err)
			}
		}
		if kid, doubtful := testPolicy().Doubt(&Set{}, []byte(token), unknownKey); kid != want || doubtful != c.plausible {
			t.Errorf("doubt of %.40s: %q, %v", c.kid, kid, doubtful)
		}
	}
	for _, junk := range []string{"", "x", "...", ".AAAA.AAAA", "AAAA.AAAA.AAAA"} {
		if kid, doubtful := testPolicy().Doubt(&Set{}, []byte(junk), unknownKey); kid != "" || doubtful {
			t.Errorf("doubt of %q: %q", junk, kid)
		}
	}
}

func TestKeyIDMayBeAbsentWhereThePolicySaysSo(t *testing.T) {
	m, other := minters()[ES256], *minters()[ES256].fresh()
	other.kid = "other"
	token := m.mint(`{"alg":"ES256"}`, testPayload(nil))
	one := mustSet(t, setBody(m.jwk(nil), minters()[EdDSA].jwk(nil)))
	nameless := mustSet(t, setBody(m.jwk(map[string]any{"kid": nil})))
	two := mustSet(t, setBody(m.jwk(nil), other.jwk(nil)))
	none := mustSet(t, setBody(minters()[EdDSA].jwk(nil)))

	strict, optional := testPolicy(), testPolicy()
	optional.KeyIDOptional = true
	for name, c := range map[string]struct {
		s    *Set
		p    *Policy
		want protocol.Outcome
	}{
		"one key fits":             {one, optional, accepted},
		"the only key has no kid":  {nameless, optional, accepted},
		"two keys fit":             {two, optional, accepted},
		"no key fits":              {none, optional, unknownKey},
		"one key, kid required":    {one, strict, malformed},
		"no kid at all, required":  {nameless, strict, malformed},
		"two keys, kid required":   {two, strict, malformed},
		"no key fits, kid requird": {none, strict, malformed},
	} {
		t.Run(name, func(t *testing.T) { expect(t, c.p, c.s, token, c.want) })
	}
	// A key without kid answers to no kid, not even the empty one.
	expect(t, optional, nameless, m.mint(`{"alg":"ES256","kid":""}`, testPayload(nil)), unknownKey)
	expect(t, optional, nameless, m.mint(m.header(), testPayload(nil)), unknownKey)
	// A key that fits must also have signed the token.
	expect(t, optional, two, other.fresh().mint(`{"alg":"ES256"}`, testPayload(nil)), badSignature)
	expect(t, optional, one, other.mint(`{"alg":"ES256"}`, testPayload(nil)), badSignature)
}
