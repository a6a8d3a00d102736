package keyset

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"encoding/asn1"
	"fmt"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jws"

	"github.com/neonauthd/neonauthd/protocol"
)

// withSignature replaces the signature of a token.
func withSignature(token string, signature []byte) string {
	return token[:strings.LastIndexByte(token, '.')+1] + b64(signature)
}

// signatureOf returns the decoded signature of a token.
func signatureOf(token string) []byte {
	return decode([]byte(token[strings.LastIndexByte(token, '.')+1:]), MaxToken)
}

// order is that of the curve's group.
func order(m *minter) *big.Int { return m.key.(*ecdsa.PrivateKey).Curve.Params().N }

// pair joins r and s at the given size.
func pair(r, s *big.Int, size int) []byte {
	out := make([]byte, 2*size)
	r.FillBytes(out[:size])
	s.FillBytes(out[size:])
	return out
}

func TestBothTwinsOfACurveSignatureAreOneToken(t *testing.T) {
	for _, alg := range []Algorithm{ES256, ES384, ES512} {
		m := minters()[alg]
		s := mustSet(t, setBody(m.jwk(nil)))
		token := m.mint(m.header(), testPayload(map[string]any{"sid": "session"}))
		p := testPolicy()
		p.SessionClaims = []string{"sid"}
		signature := signatureOf(token)
		size := len(signature) / 2
		r, low := new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:])
		twin := withSignature(token, pair(r, new(big.Int).Sub(order(m), low), size))
		if twin == token {
			t.Fatal("no twin")
		}
		if a, b := expect(t, p, s, token, accepted), expect(t, p, s, twin, accepted); !reflect.DeepEqual(a, b) {
			t.Errorf("%s: the claims of the twins differ", alg)
		}
	}
}

func TestOtherCurveSignaturesAreRefused(t *testing.T) {
	for _, alg := range []Algorithm{ES256, ES384, ES512} {
		m := minters()[alg]
		s := mustSet(t, setBody(m.jwk(nil)))
		token := m.mint(m.header(), testPayload(nil))
		good := signatureOf(token)
		size := len(good) / 2
		r, low := new(big.Int).SetBytes(good[:size]), new(big.Int).SetBytes(good[size:])
		zero, one, n := new(big.Int), big.NewInt(1), order(m)
		all := new(big.Int).SetBytes(slices.Repeat([]byte{0xff}, size))
		der, err := asn1.Marshal(struct{ R, S *big.Int }{r, low})
		if err != nil {
			t.Fatal(err)
		}
		cases := map[string][]byte{
			"r = 0": pair(zero, low, size), "s = 0": pair(r, zero, size), "both 0": pair(zero, zero, size),
			"r = n": pair(n, low, size), "s = n": pair(r, n, size), "both n": pair(n, n, size),
			"r = 1": pair(one, low, size), "s = 1": pair(r, one, size), "both 1": pair(one, one, size),
			"r = n-1": pair(new(big.Int).Sub(n, one), low, size), "r too large": pair(all, low, size), "s too large": pair(r, all, size),
			"swapped": pair(low, r, size), "DER": der, "one byte": {1},
			"a byte short": good[:2*size-1], "a byte long": append(slices.Clone(good), 0),
			"a zero before":         append([]byte{0}, good...),
			"half":                  good[:size],
			"twice":                 append(slices.Clone(good), good...),
			"each half a byte long": slices.Concat([]byte{0}, good[:size], []byte{0}, good[size:]),
		}
		if n.BitLen()%8 == 0 { // P-521 has room above n
			over := new(big.Int).Add(r, n)
			if over.BitLen() <= size*8 {
				cases["r + n"] = pair(over, low, size)
			}
		} else {
			cases["r + n"], cases["s + n"] = pair(new(big.Int).Add(r, n), low, size), pair(r, new(big.Int).Add(low, n), size)
		}
		for name, signature := range cases {
			t.Run(string(alg)+"/"+name, func(t *testing.T) {
				expect(t, testPolicy(), s, withSignature(token, signature), badSignature)
			})
		}
		expect(t, testPolicy(), s, token, accepted)
	}
}

func TestOtherEdwardsSignaturesAreRefused(t *testing.T) {
	m := minters()[EdDSA]
	s := mustSet(t, setBody(m.jwk(nil)))
	token := m.mint(m.header(), testPayload(nil))
	good := signatureOf(token)
	l, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	scalar := new(big.Int).SetBytes(reversed(good[32:]))
	plus := func(k int64) []byte {
		sum := new(big.Int).Add(scalar, new(big.Int).Mul(l, big.NewInt(k)))
		return slices.Concat(good[:32], reversed(sum.FillBytes(make([]byte, 32))))
	}
	identity := append([]byte{1}, make([]byte, 63)...)
	cases := map[string][]byte{
		"S + L": plus(1), "S + 2L": plus(2), "S + 8L": plus(8),
		"all zero": make([]byte, 64), "identity and zero": identity,
		"R + p":        slices.Concat([]byte{0xee}, slices.Repeat([]byte{0xff}, 30), []byte{0x7f}, good[32:]),
		"R of order 2": slices.Concat([]byte{0xec}, slices.Repeat([]byte{0xff}, 30), []byte{0x7f}, good[32:]),
		"sign of R":    flipped(good, 31*8+7), "top bit of S": flipped(good, 63*8+7),
		"63 bytes": good[:63], "65 bytes": append(slices.Clone(good), 0), "32 bytes": good[:32],
		"swapped": slices.Concat(good[32:], good[:32]),
	}
	for name, signature := range cases {
		t.Run(name, func(t *testing.T) {
			expect(t, testPolicy(), s, withSignature(token, signature), badSignature)
		})
	}
	expect(t, testPolicy(), s, token, accepted)
}

func reversed(b []byte) []byte {
	out := slices.Clone(b)
	slices.Reverse(out)
	return out
}

func flipped(b []byte, bit int) []byte {
	out := slices.Clone(b)
	out[bit/8] ^= 1 << (bit % 8)
	return out
}

func TestEveryBitOfEverySignatureCounts(t *testing.T) {
	for _, alg := range Algorithms() {
		m := minters()[alg]
		s := mustSet(t, setBody(m.jwk(nil)))
		token := m.mint(m.header(), testPayload(nil))
		good := signatureOf(token)
		for bit := 0; bit < len(good)*8; bit += 13 {
			expect(t, testPolicy(), s, withSignature(token, flipped(good, bit)), badSignature)
		}
		for _, signature := range [][]byte{good[1:], good[:len(good)-1], append([]byte{0}, good...), append(slices.Clone(good), 0)} {
			expect(t, testPolicy(), s, withSignature(token, signature), badSignature)
		}
		expect(t, testPolicy(), s, withSignature(m.mint(m.header(), testPayload(map[string]any{"sub": "root"})), good), badSignature)
		expect(t, testPolicy(), s, m.fresh().mint(m.header(), testPayload(nil)), badSignature)
		expect(t, testPolicy(), s, token, accepted)
	}
}

func TestSignatureIsJudgedBeforeClaims(t *testing.T) {
	m := minters()[ES256]
	s, forger := mustSet(t, setBody(m.jwk(nil))), m.fresh()
	for name, payload := range map[string]string{
		"expired":        testPayload(map[string]any{"exp": 1}),
		"no exp":         testPayload(map[string]any{"exp": nil}),
		"no sub":         testPayload(map[string]any{"sub": nil}),
		"not yet valid":  testPayload(map[string]any{"nbf": testNow.Unix() + 3600}),
		"wrong issuer":   testPayload(map[string]any{"iss": "elsewhere"}),
		"wrong audience": testPayload(map[string]any{"aud": "other"}),
		"duplicate":      `{"sub":"a","sub":"b"}`,
		"not JSON":       "x",
		"good":           testPayload(nil),
	} {
		t.Run(name, func(t *testing.T) {
			expect(t, testPolicy(), s, forger.mint(m.header(), payload), badSignature)
			// The same payload honestly signed is judged by its claims.
			if _, reason := Verify(testPolicy(), s, []byte(m.mint(m.header(), payload)), testNow, nil); reason == badSignature {
				t.Error("an honest signature was not taken")
			}
		})
	}
}

func TestPublishedVectorsVerify(t *testing.T) {
	const (
		es256 = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ." +
			"DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
		eddsa = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc." +
			"hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
	)
	for name, c := range map[string]struct {
		key, token, thumbprint string
		want                   protocol.Outcome // for a good signature over claims that are refused
	}{
		"RFC 7515 A.3": {
			`{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`,
			es256, "", missingClaim,
		},
		"RFC 8037 A.4": {
			`{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`,
			eddsa, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", malformed,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := mustSet(t, []byte(`{"keys":[`+c.key+`]}`))
			p := testPolicy()
			p.KeyIDOptional = true
			expect(t, p, s, c.token, c.want)
			expect(t, p, s, withSignature(c.token, flipped(signatureOf(c.token), 100)), badSignature)
			if got := s.Keys()[0].Thumbprint(); c.thumbprint != "" && got != c.thumbprint {
				t.Errorf("thumbprint %s, want %s", got, c.thumbprint)
			}
		})
	}
}

func TestSignatureAgreesWithTheLongRouteThroughJWX(t *testing.T) {
	s := everyKey(t)
	checked := 0
	for _, alg := range Algorithms() {
		m := minters()[alg]
		token := m.mint(m.header(), testPayload(nil))
		good := signatureOf(token)
		tokens := []string{token, m.fresh().mint(m.header(), testPayload(nil))}
		for bit := 0; bit < len(good)*8; bit += 37 {
			tokens = append(tokens, withSignature(token, flipped(good, bit)))
		}
		for _, other := range Algorithms() {
			tokens = append(tokens, withSignature(token, signatureOf(minters()[other].mint(m.header(), testPayload(nil)))))
		}
		for _, candidate := range tokens {
			k := s.Find(m.kid)
			_, err := jws.Verify([]byte(candidate), jws.WithCompact(), jws.WithKey(jwa.SignatureAlgorithm(alg), k.material))
			if _, reason := Verify(testPolicy(), s, []byte(candidate), testNow, nil); (reason == accepted) != (err == nil) {
				t.Errorf("%s: %v here, %v there", alg, reason, err)
			}
			checked++
		}
	}
	if checked < 200 {
		t.Fatalf("only %d tokens", checked)
	}
}

// broken is a verifier that fails in the worst way.
type broken struct{}

func (broken) Verify(payload, _ []byte, _ any) error {
	panic(fmt.Sprintf("cannot verify %s", payload))
}

func TestAPanicIsNoVerdict(t *testing.T) {
	s, token := signed(t, testPayload(nil))
	for name, verifier := range map[string]jws.Verifier{"panics": broken{}, "is missing": nil} {
		s.Keys()[0].verifiers[0] = verifier
		c, reason := Verify(testPolicy(), s, token, testNow, nil)
		if reason != unverifiable || !reflect.DeepEqual(c, Claims{}) {
			t.Errorf("verifier %s: %v %+v", name, reason, c)
		}
	}
	if _, reason := Verify(nil, s, token, testNow, nil); reason != unverifiable {
		t.Errorf("no policy: %v", reason)
	}
	if _, reason := Verify(testPolicy(), nil, token, testNow, nil); reason != unverifiable {
		t.Errorf("no set: %v", reason)
	}
	if _, reason := Verify(&Policy{}, s, token, testNow, nil); reason != wrongAlgorithm {
		t.Errorf("an empty policy: %v", reason)
	}
}

func TestClassesHaveWords(t *testing.T) {
	for c, want := range map[Class]string{0: "unknown", ClassNormal: "normal", ClassRestricted: "restricted", ClassAnonymous: "anonymous", 9: "unknown"} {
		if c.String() != want {
			t.Errorf("class %d: %s", uint8(c), c)
		}
	}
}

func TestSmallOrderKeysAreForgeableAndRefused(t *testing.T) {
	// R is the identity and S zero: under a key of small order this signs some
	// message in eight, for whoever wants it.
	forgery := append([]byte{1}, make([]byte, 63)...)
	weak := smallOrderPoints(t)
	for _, point := range weak {
		forged := false
		for i := range 200 {
			forged = forged || ed25519.Verify(point, []byte{byte(i)}, forgery)
		}
		if !forged {
			t.Errorf("%x is not of small order: the list is wrong", point)
		}
		if strongEdwardsPoint(point) {
			t.Errorf("%x was taken", point)
		}
	}
	for range 50 {
		if pub := minters()[EdDSA].fresh().key.Public().(ed25519.PublicKey); !strongEdwardsPoint(pub) {
			t.Errorf("an honest key was refused: %x", []byte(pub))
		}
	}
	base := append([]byte{0x58}, slices.Repeat([]byte{0x66}, 31)...)
	if !strongEdwardsPoint(base) {
		t.Error("the base point was refused")
	}
	off := 0
	for i := range 100 {
		point := append([]byte{byte(i), 7}, make([]byte, 30)...)
		if !strongEdwardsPoint(point) {
			off++
		}
	}
	if off < 30 || off > 70 {
		t.Errorf("%d of 100 y have no x; about half should", off)
	}
}

// smallOrderPoints are the encodings of the eight points of small order, with
// those that are not reduced.
func smallOrderPoints(t *testing.T) []ed25519.PublicKey {
	t.Helper()
	p := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	eighth, ok := new(big.Int).SetString("05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826", 16)
	if !ok {
		t.Fatal("bad constant")
	}
	var out []ed25519.PublicKey
	for _, y := range []*big.Int{
		big.NewInt(0), big.NewInt(1), new(big.Int).Sub(p, big.NewInt(1)), p, new(big.Int).Add(p, big.NewInt(1)),
		eighth, new(big.Int).Sub(p, eighth),
	} {
		encoded := reversed(y.FillBytes(make([]byte, 32)))
		out = append(out, encoded, flipped(encoded, 255))
	}
	return out
}

func TestCurveOfTheTestsIsTheCurveOfTheName(t *testing.T) {
	for alg, curve := range map[Algorithm]elliptic.Curve{ES256: elliptic.P256(), ES384: elliptic.P384(), ES512: elliptic.P521()} {
		if minters()[alg].key.(*ecdsa.PrivateKey).Curve != curve {
			t.Errorf("%s is on another curve", alg)
		}
	}
}
