package standin

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"errors"
	"io"
	"math/big"
	"net/http"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/daemon/standin/mint"
	"github.com/neonauthd/neonauthd/daemon/standin/stackauth"
)

// publicOnly is a key whose private half is not known.
type publicOnly struct{ *ecdsa.PublicKey }

func (p publicOnly) Public() crypto.PublicKey { return p.PublicKey }
func (p publicOnly) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("no private key")
}

type fixtureKeys struct {
	Keys []struct{ Kid, Alg, X, Y string }
}

func (f fixtureKeys) keys(t *testing.T) []*mint.Key {
	t.Helper()
	var keys []*mint.Key
	for _, k := range f.Keys {
		x, errX := base64.RawURLEncoding.DecodeString(k.X)
		y, errY := base64.RawURLEncoding.DecodeString(k.Y)
		if errX != nil || errY != nil {
			t.Fatal(errX, errY)
		}
		point := make([]byte, 65)
		point[0] = 4
		new(big.Int).SetBytes(x).FillBytes(point[1:33])
		new(big.Int).SetBytes(y).FillBytes(point[33:])
		public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, &mint.Key{Kid: k.Kid, Alg: k.Alg, Private: publicOnly{public}})
	}
	return keys
}

// TestDecoderJudgesAsTheGenuineOne compares with what the upstream's own decoder said of each token when
// all classes are admitted.
func TestDecoderJudgesAsTheGenuineOne(t *testing.T) {
	var set fixtureKeys
	load(t, "stack/jwks.json", &set)
	keys := set.keys(t)
	if len(keys) != 6 {
		t.Fatalf("%d keys", len(keys))
	}
	d := stackauth.Decoder{
		Bases: []string{"https://api.stack-auth.com", "https://api.hexclave.com"},
		Now:   fixtureNow.AddDate(1, 0, 0),
		Keys: func(audience string) []*mint.Key {
			switch audience {
			case fixtureProject:
				return keys[:2]
			case fixtureProject + ":restricted":
				return keys[2:4]
			case fixtureProject + ":anon":
				return keys[4:]
			}
			return nil
		},
	}
	var tokens []struct{ Name, Token, Upstream, Sub string }
	load(t, "stack/tokens.json", &tokens)
	compared := 0
	for _, c := range tokens {
		if c.Upstream == "" || c.Name == "aud-other-project" { // that one needs a key we do not have; see TestMeRefusals
			continue
		}
		compared++
		t.Run(c.Name, func(t *testing.T) {
			a, refusal := d.Decode(c.Token)
			got := "accept"
			switch {
			case refusal != nil && refusal.Code == "":
				got = "500"
			case refusal != nil:
				got = refusal.Code
			case a.Project != fixtureProject:
				got = "INVALID_PROJECT_FOR_ACCESS_TOKEN"
			}
			if got != c.Upstream {
				t.Errorf("got %s, want %s", got, c.Upstream)
			}
		})
	}
	if compared < 100 {
		t.Errorf("only %d tokens compared", compared)
	}
}

func TestForgedAudiencesTripTheServer(t *testing.T) {
	s := serve(t, Options{})
	for _, claims := range []string{`{"aud":"kid"}`, `{"aud":{"toString":1}}`} {
		token := mint.Base64([]byte(`{"alg":"ES256","kid":"x"}`)) + "." + mint.Base64([]byte(claims)) + "." + mint.Base64([]byte("nothing"))
		got := s.get(t, mePath, s.serverAccess(token)...)
		if got.status != http.StatusInternalServerError || !strings.HasPrefix(got.header.Get("Content-Type"), "text/plain") {
			t.Errorf("%s: status %d, type %s", claims, got.status, got.header.Get("Content-Type"))
		}
		if id := got.header.Get("X-Stack-Request-Id"); len(id) != 16 || !strings.HasSuffix(got.body, "Request ID: "+id) {
			t.Errorf("%s: request id %q in %q", claims, id, got.body)
		}
	}
}
