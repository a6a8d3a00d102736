package keyset

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/neonauthd/neonauthd/internal/strictjson"
)

// secondOpinion asks another implementation of JOSE whether the key signed the
// token, and returns the payload it sees.
func secondOpinion(token []byte, k *Key) ([]byte, error) {
	var known []jose.SignatureAlgorithm
	for _, alg := range k.Algorithms() {
		known = append(known, jose.SignatureAlgorithm(alg))
	}
	parsed, err := jose.ParseSignedCompact(string(token), known)
	if err != nil {
		return nil, err
	}
	return parsed.Verify(k.material)
}

// agree fails if Verify accepts a token that the other implementation does not
// accept, or reads another payload or other claims. It returns whether Verify
// accepts.
func agree(t testing.TB, p *Policy, s *Set, token []byte, now time.Time) bool {
	t.Helper()
	c, reason := Verify(p, s, token, now, nil)
	checkClaims(t, c, reason)
	if again, r := Verify(p, s, token, now, nil); r != reason || !bytes.Equal(again.JSON, c.JSON) {
		t.Errorf("one token has two verdicts: %v and %v", reason, r)
	}
	if reason == unverifiable {
		t.Error("could not be judged")
	}
	if reason != accepted {
		return false
	}
	first, second, _ := segments(token)
	if h, _ := readHeader(first); h.alg == "Ed25519" {
		return true // RFC 9864: a name the other implementation does not know
	}
	if header, _ := base64.RawURLEncoding.DecodeString(string(first)); bytes.Contains(header, []byte("jwk")) || bytes.Contains(header, []byte("x5")) {
		return true // hints about keys, which only the other implementation reads
	}
	payload, err := secondOpinion(token, c.Key)
	if err != nil && strings.Contains(err.Error(), "cannot unmarshal number") {
		return true // a header member nobody reads holds a number beyond float64; RFC 8259 allows it
	}
	if err != nil {
		t.Errorf("accepted, but the other implementation says: %v", err)
		return true
	}
	if b64(payload) != string(second) {
		t.Error("the other implementation reads another payload")
	}
	checkSaid(t, c, payload, now)
	return true
}

// checkSaid compares claims with what encoding/json finds in the payload, which
// most callers of the daemon will use.
func checkSaid(t testing.TB, c Claims, payload []byte, now time.Time) {
	t.Helper()
	var said struct {
		Sub, Iss string
		Exp      float64
	}
	if err := json.Unmarshal(payload, &said); err != nil {
		t.Errorf("encoding/json cannot read it: %v", err)
		return
	}
	if said.Sub != c.Subject || said.Iss != c.Issuer || int64(said.Exp) != c.Expires.Unix() {
		t.Errorf("encoding/json reads other claims: %q %q %v", said.Sub, said.Iss, said.Exp)
	}
	if !now.Before(c.Expires) {
		t.Error("accepted after its expiry")
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, payload); err != nil || string(strictjson.Line(compact.Bytes())) != string(c.JSON) {
		t.Errorf("the JSON is not the payload: %q", c.JSON)
	}
	if bytes.ContainsAny(c.JSON, "\n\r\x00\x7f") {
		t.Error("the JSON is not one line")
	}
}

func TestTheOtherImplementationAcceptsWhatIsAccepted(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	s, p := everyKey(t), testPolicy()
	accepted, tried := 0, 0
	for _, alg := range Algorithms() {
		m := minters()[alg]
		token := m.mint(m.header(), testPayload(map[string]any{"name": "Zoë ÿÿÿ>>>???"}))
		if !agree(t, p, s, []byte(token), testNow) {
			t.Errorf("%s: a good token was refused", alg)
		}
		for range 400 {
			tried++
			if agree(t, p, s, mutate(random, token), testNow) {
				accepted++
			}
		}
		if strings.HasPrefix(string(alg), "ES") {
			signature := signatureOf(token)
			half := len(signature) / 2
			high := new(big.Int).Sub(order(m), new(big.Int).SetBytes(signature[half:]))
			twin := withSignature(token, pair(new(big.Int).SetBytes(signature[:half]), high, half))
			if !agree(t, p, s, []byte(twin), testNow) {
				t.Errorf("%s: the twin was refused", alg)
			}
		}
	}
	if accepted != 0 || tried < 4000 {
		t.Errorf("%d of %d changed tokens were accepted", accepted, tried)
	}
}

// mutate changes a token so that its text differs.
func mutate(random *rand.Rand, token string) []byte {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \n"
	for {
		out := []byte(token)
		for range 1 + random.IntN(3) {
			at := random.IntN(len(out))
			c := alphabet[random.IntN(len(alphabet))]
			switch random.IntN(4) {
			case 0:
				out[at] = c
			case 1:
				out = append(out[:at], append([]byte{c}, out[at:]...)...)
			case 2:
				out = append(out[:at], out[at+1:]...)
			case 3:
				other := random.IntN(len(out))
				out[at], out[other] = out[other], out[at]
			}
		}
		if string(out) != token {
			return out
		}
	}
}

func TestTheOtherImplementationAgreesOnUpstreamTokens(t *testing.T) {
	asked := 0
	for upstream, p := range map[string]*Policy{"stack": stackConfig(t)["anonymous"], "neon": neonConfig(t)} {
		s := fixtureSet(t, upstream+"/jwks.json", p.Algorithms...)
		var tokens []fixtureToken
		read(t, upstream+"/tokens.json", &tokens)
		for _, f := range tokens {
			if agree(t, p, s, []byte(f.Token), fixtureNow) {
				asked++
			}
		}
	}
	if asked < 20 {
		t.Errorf("only %d tokens were accepted", asked)
	}
}

func TestTheOtherImplementationReadsTheSameKeys(t *testing.T) {
	entries := map[string][]byte{}
	for _, alg := range Algorithms() {
		entries[string(alg)] = mustJSON(minters()[alg].jwk(nil))
	}
	for name, entry := range entries {
		k := mustSet(t, []byte(`{"keys":[`+string(entry)+`]}`)).Keys()[0]
		var other jose.JSONWebKey
		if err := json.Unmarshal(entry, &other); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		sum, err := other.Thumbprint(5) // crypto.SHA256
		if err != nil || base64.RawURLEncoding.EncodeToString(sum) != k.Thumbprint() {
			t.Errorf("%s: thumbprint %s there, %s here", name, b64(sum), k.Thumbprint())
		}
	}
}
