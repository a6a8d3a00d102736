package keyset

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
)

// slowGate is the gate's rule written for clarity.
func slowGate(token string) bool {
	parts := strings.Split(token, ".")
	if len(token) < minToken || len(token) > MaxToken || len(parts) != 3 {
		return false
	}
	for _, part := range parts {
		decoded, err := base64.RawURLEncoding.DecodeString(part)
		if err != nil || part == "" || base64.RawURLEncoding.EncodeToString(decoded) != part {
			return false
		}
	}
	return true
}

func TestGateTakesOnlyCanonicalCompactTokens(t *testing.T) {
	_, good := signed(t, testPayload(nil))
	token := string(good)
	long := strings.Repeat("A", MaxToken-10)
	for name, c := range map[string]struct {
		token string
		want  bool
	}{
		"a token":             {token, true},
		"shortest":            {"AAAAAA.AAAAAA.AAAAAA", true},
		"too short":           {"AAAAAA.AAAAAA.AAAAA", false},
		"longest":             {"AAAA.AAAA." + long, true},
		"too long":            {"AAAA.AAAA." + long + "AAAA", false},
		"a mebibyte":          {"AAAA.AAAA." + strings.Repeat("A", 1<<20), false},
		"empty":               {"", false},
		"dots":                {strings.Repeat(".", 8192), false},
		"no dot":              {strings.Repeat("A", 100), false},
		"one dot":             {token[:strings.LastIndex(token, ".")], false},
		"three dots":          {token + ".AAAA", false},
		"four dots":           {token + ".AAAA.AAAA", false},
		"a dot behind":        {token + ".", false},
		"a dot before":        {"." + token, false},
		"no header":           {token[strings.Index(token, "."):], false},
		"no payload":          {"AAAAAAAA..AAAAAAAAAA", false},
		"no signature":        {token[:strings.LastIndex(token, ".")+1], false},
		"blank before":        {" " + token, false},
		"blank behind":        {token + " ", false},
		"tab":                 {"\t" + token, false},
		"line feed":           {token + "\n", false},
		"CR LF":               {token + "\r\n", false},
		"NUL":                 {token + "\x00", false},
		"byte order mark":     {"\ufeff" + token, false},
		"padding":             {token + "=", false},
		"double padding":      {token + "==", false},
		"one digit too many":  {"AAAAA.AAAAAAAA.AAAAAAAA", false},
		"dirty two digits":    {"AAAAAB.AAAAAAAA.AAAAAAAA", false},
		"dirty three digits":  {"AAAAAAB.AAAAAAAA.AAAAAAAA", false},
		"clean two digits":    {"AAAAAQ.AAAAAAAA.AAAAAAAA", true},
		"clean three digits":  {"AAAAAAE.AAAAAAAA.AAAAAAAA", true},
		"scheme":              {"Bearer " + token, false},
		"non-ASCII":           {"é" + token, false},
		"JWS JSON, flattened": {`{"payload":"AAAA","protected":"AAAA","signature":"AAAA"}`, false},
		"JWS JSON, general":   {`{"payload":"AAAA","signatures":[{"protected":"AAAA","signature":"AAAA"}]}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Gate([]byte(c.token)); got != c.want || got != slowGate(c.token) {
				t.Errorf("got %v, want %v, by the plain rule %v", got, c.want, slowGate(c.token))
			}
		})
	}
}

func TestGateKnowsExactlyTheAlphabet(t *testing.T) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for b := range 256 {
		// At every place of a group of eight and of the rest behind it.
		for at := range 20 {
			token := []byte("AAAA.AAAAAAAAAAAAAAAAAAAA.AAAA")
			token[5+at] = byte(b)
			want := strings.IndexByte(alphabet, byte(b)) >= 0
			if Gate(token) != want {
				t.Fatalf("byte %#x at %d: got %v", b, at, !want)
			}
		}
	}
}

func TestEverySpellingOfATokenButOneIsRefused(t *testing.T) {
	m := minters()[EdDSA]
	s, p := mustSet(t, setBody(m.jwk(nil))), testPolicy()
	good := 0
	for i := range 1000 {
		token := m.mint(m.header(), testPayload(map[string]any{"n": strings.Repeat("x", i%7), "i": i}))
		at := (i * 7919) % len(token)
		for _, insert := range []string{"=", "+", "/", "\r", "\n", " ", "\t", "\x00", ".", "%3D"} {
			if Gate([]byte(token[:at] + insert + token[at:])) {
				// An inserted dot is a third one, and is refused too.
				t.Fatalf("%q inserted at %d was taken", insert, at)
			}
		}
		for _, segment := range dirty(token) {
			if Gate([]byte(segment)) {
				t.Fatal("unused bits were taken")
			}
		}
		std := strings.NewReplacer("-", "+", "_", "/").Replace(token)
		if std != token && Gate([]byte(std)) {
			t.Fatal("the standard alphabet was taken")
		}
		if _, reason := Verify(p, s, []byte(token), testNow, nil); reason == accepted {
			good++
		}
	}
	if good != 1000 {
		t.Errorf("%d of 1000 tokens accepted in their own spelling", good)
	}
}

// dirty returns the token with unused bits set, in each segment that has some.
func dirty(token string) []string {
	var out []string
	parts := strings.Split(token, ".")
	for i, part := range parts {
		if len(part)%4 == 0 {
			continue
		}
		value := sextets[part[len(part)-1]] &^ known
		other := bytes.IndexByte(sextets[:], known|value|1)
		changed := append([]string(nil), parts...)
		changed[i] = part[:len(part)-1] + string(rune(other))
		out = append(out, strings.Join(changed, "."))
	}
	return out
}

func TestForeignFormsAreMalformed(t *testing.T) {
	s, good := signed(t, testPayload(nil))
	nested := minters()[ES256].mint(`{"alg":"ES256","kid":"kid-ES256","cty":"JWT"}`, string(good))
	for name, token := range map[string]string{
		"JWE":             "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA",
		"JWE with a key":  "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.AAAA.AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA",
		"nested":          nested,
		"a thousand dots": strings.Repeat("AAAA.", 1000),
		"detached":        strings.Replace(string(good), string(good[bytes.IndexByte(good, '.'):bytes.LastIndexByte(good, '.')]), ".", 1),
	} {
		t.Run(name, func(t *testing.T) { expect(t, testPolicy(), s, token, malformed) })
	}
}

func TestGateAllocatesNothing(t *testing.T) {
	_, token := signed(t, testPayload(nil))
	dots := bytes.Repeat([]byte("."), MaxToken)
	huge := bytes.Repeat([]byte("A"), 64<<20)
	for name, text := range map[string][]byte{"token": token, "dots": dots, "64 MiB": huge} {
		if n := testing.AllocsPerRun(100, func() { Gate(text) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func TestJunkCostsNoMemoryToRefuse(t *testing.T) {
	s, _ := signed(t, testPayload(nil))
	p := testPolicy()
	for name, text := range map[string][]byte{
		"dots": bytes.Repeat([]byte("."), MaxToken), "64 MiB": bytes.Repeat([]byte("A"), 64<<20),
	} {
		if n := testing.AllocsPerRun(100, func() { Verify(p, s, text, testNow, nil) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
