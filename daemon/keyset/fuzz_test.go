package keyset

import (
	"crypto/ed25519"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func FuzzGate(f *testing.F) {
	f.Add("AAAAAA.AAAAAA.AAAAAA")
	f.Fuzz(func(t *testing.T, token string) {
		if got, want := Gate([]byte(token)), slowGate(token); got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

// FuzzVerify presents whole tokens to the keys of both upstreams.
func FuzzVerify(f *testing.F) {
	stack, neon := stackConfig(f)["anonymous"], neonConfig(f)
	stackKeys, neonKeys := fixtureSet(f, "stack/jwks.json", ES256), fixtureSet(f, "neon/jwks.json", EdDSA)
	for _, upstream := range []string{"stack", "neon"} {
		var tokens []fixtureToken
		read(f, upstream+"/tokens.json", &tokens)
		for _, token := range tokens {
			f.Add(token.Token)
		}
	}
	f.Fuzz(func(t *testing.T, token string) {
		agree(t, stack, stackKeys, []byte(token), fixtureNow)
		agree(t, neon, neonKeys, []byte(token), fixtureNow)
		if kid, doubtful := stack.Doubt(&Set{}, []byte(token), unknownKey); doubtful != plausibleKeyID(kid) {
			t.Errorf("Doubt: %q, %v", kid, doubtful)
		}
	})
}

// FuzzSigned signs any header and payload, so that the judgement of both is
// reached.
func FuzzSigned(f *testing.F) {
	m := &minter{alg: EdDSA, kid: "kid-EdDSA", key: ed25519.NewKeyFromSeed(make([]byte, 32))}
	s := mustSet(f, setBody(m.jwk(nil)))
	strict, generic, logouts := testPolicy(), testPolicy(), testPolicy()
	logouts.Logout, logouts.AudienceArray, logouts.KeyIDOptional, logouts.SessionClaims = true, true, true, []string{"sid"}
	strict.StackFlags, strict.SessionClaims = true, []string{"refresh_token_id", "refreshTokenId"}
	generic.AudienceArray, generic.KeyIDOptional, generic.AccessTokenType = true, true, true
	generic.SessionClaims = []string{"sid"}
	f.Add(m.header(), testPayload(nil))
	f.Add(`{"typ":"logout+jwt","alg":"EdDSA"}`, ending(nil))
	f.Add(m.header(), ending(nil))
	for _, bad := range badValues() {
		f.Add(`{"alg":"EdDSA","kid":"kid-EdDSA","x":`+bad+`}`, with(`"x":`+bad))
	}
	for _, good := range goodValues() {
		f.Add(`{"alg":"EdDSA","x":`+good+`}`, with(`"x":`+good))
	}
	f.Fuzz(func(t *testing.T, header, payload string) {
		token := []byte(m.mint(header, payload))
		agree(t, strict, s, token, testNow)
		agree(t, generic, s, token, testNow)
		agree(t, logouts, s, token, testNow)
		_, lets := Verify(generic, s, token, testNow, nil)
		if c, ends := Verify(logouts, s, token, testNow, nil); ends == accepted && (lets == accepted || c.Session == "" && c.Subject == "" || max(len(c.Session), len(c.Subject)) > MaxEnded) {
			t.Errorf("ends %q of %q, and lets in: %v", c.Session, c.Subject, lets)
		}
	})
}

// FuzzParseSet reads any body, and checks that each set it takes keeps what
// ParseSet promises.
func FuzzParseSet(f *testing.F) {
	for _, path := range []string{"stack/jwks.json", "stack/jwks-no-alg.json", "stack/jwks-odd-keys.json", "neon/jwks.json"} {
		body, err := os.ReadFile(filepath.Join(fixtures, path))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	token := []byte(minters()[ES256].mint(`{"alg":"ES256"}`, testPayload(nil)))
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := ParseSet(body, Algorithms())
		if err != nil {
			if s != nil {
				t.Error("a set beside an error")
			}
			return
		}
		if n := len(s.Keys()) + len(s.Skipped()); len(s.Keys()) == 0 || n > MaxKeys || !json.Valid(body) {
			t.Errorf("%d keys, %d skipped", len(s.Keys()), len(s.Skipped()))
		}
		for _, k := range s.Keys() {
			if len(k.Thumbprint()) != 43 || k.Withdrawn() || (k.ID() != "" && (s.Find(k.ID()) == nil || !plausibleKeyID(k.ID()))) {
				t.Errorf("key %+v", k)
			}
			for _, alg := range k.Algorithms() {
				if k.ID() != "" && s.byUse[use{k.ID(), alg}] != k {
					t.Errorf("kid %q and %s name two keys", k.ID(), alg)
				}
			}
			if k.verify(k.Algorithms()[0], []byte("input"), make([]byte, k.signature)) {
				t.Error("a signature of zeros was taken")
			}
		}
		p := testPolicy()
		p.KeyIDOptional = true
		if _, reason := Verify(p, s, token, testNow, nil); reason == accepted || reason == unverifiable {
			t.Errorf("a stranger's token: %v", reason)
		}
	})
}

func TestFuzzSeedsAreThere(t *testing.T) {
	for _, target := range []string{"FuzzGate", "FuzzVerify", "FuzzSigned", "FuzzParseSet"} {
		seeds, err := os.ReadDir(filepath.Join("testdata", "fuzz", target))
		if err != nil || len(seeds) == 0 {
			t.Errorf("%s has no committed seeds: %v", target, err)
		}
		for _, seed := range seeds {
			text, err := os.ReadFile(filepath.Join("testdata", "fuzz", target, seed.Name()))
			if err != nil || !strings.HasPrefix(string(text), "go test fuzz v1\n") {
				t.Errorf("%s/%s is not a seed: %v", target, seed.Name(), err)
			}
		}
	}
}
