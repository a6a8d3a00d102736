package keyset

import (
	"fmt"
	"slices"
	"strings"

	"github.com/neonauthd/neonauthd/internal/strictjson"
)

// sameKeyAgain is why the copy of a key is not used. The key itself is.
const sameKeyAgain = "the same key again"

// unused is an entry of a key set that is not used, with what tells which tokens
// its key may have signed. Such a token is neither good nor refused: its issuer
// has published the key.
type unused struct {
	Skipped
	ids      []string    // each "kid" that the entry has, as long as a token can name it
	could    []Algorithm // what the key may sign with; nil: anything
	encrypts bool        // the entry says that its key is not for signatures
}

// readUnused reads an entry that is not used. It reads as much as it can, because
// the fault of the entry may be anywhere. What it keeps is at most as large as the
// entry.
func readUnused(entry strictjson.Value, why Skipped) unused {
	u := unused{Skipped: why}
	text := map[string]string{}
	strictjson.Each(entry, func(name []byte, value strictjson.Value) {
		switch is, ok := strictjson.Text(value); {
		case !ok:
		case string(name) != "kid":
			text[string(name)] = is
		case len(is) <= MaxToken:
			u.ids = append(u.ids, is)
		}
	})
	u.could = signing(text["kty"], text["crv"], text["alg"])
	u.encrypts = text["use"] == "enc" || strings.HasPrefix(text["alg"], "RSA") || strings.HasPrefix(text["alg"], "ECDH") // RFC 7518 section 4.1
	return u
}

// signing returns the algorithms that a key may sign with, by what its entry says; nil if
// it may be any, and empty if the daemon has none of them. An entry that names an algorithm
// of its type of key is for this one alone. If the name does not fit the type, either of the
// two may be wrong.
func signing(kty, curve, named string) []Algorithm {
	var could []Algorithm
	switch kty {
	case "RSA":
		could = []Algorithm{RS256, RS384, RS512, PS256, PS384, PS512}
	case "EC":
		could = signingOn(curve)
	case "OKP":
		if could = []Algorithm{EdDSA}; curve == "X25519" || curve == "X448" { // these agree on keys, RFC 8037 section 3.2
			could = []Algorithm{}
		}
	case "oct", "AKP": // these sign with HS256 and ML-DSA-65, for example
		could = []Algorithm{}
	default:
		return nil
	}
	switch alg := (&header{alg: named}).algorithm(); {
	case named == "":
		return could
	case slices.Contains(could, alg):
		return []Algorithm{alg}
	default:
		return append(could, alg)
	}
}

// signingOn returns what a key on an elliptic curve may sign with; not nil.
func signingOn(curve string) []Algorithm {
	switch curve {
	case "P-256":
		return []Algorithm{ES256}
	case "P-384":
		return []Algorithm{ES384}
	case "P-521":
		return []Algorithm{ES512}
	case "secp256k1": // with ES256K alone, RFC 8812 section 3.2
		return []Algorithm{}
	default:
		return []Algorithm{ES256, ES384, ES512}
	}
}

// settle takes away what a used key decides, because it is the same key under the same id.
// An entry for encryption then says nothing about signatures. It tells whether nothing is
// left.
func (u *unused) settle(by *Key) bool {
	if u.could == nil || slices.ContainsFunc(u.ids, func(id string) bool { return id == "" || id != by.id }) {
		return false
	}
	u.could = slices.DeleteFunc(u.could, func(alg Algorithm) bool { return slices.Contains(by.algorithms, alg) })
	return u.encrypts || len(u.could) == 0
}

// hasID tells whether the entry has this "kid".
func (u *unused) hasID(kid string) bool { return slices.Contains(u.ids, kid) }

// mayBeOf tells whether the key may have signed a token with this header.
func (u *unused) mayBeOf(h *header) bool {
	if h.hasKeyID && !u.hasID(h.kid) || !h.hasKeyID && u.encrypts {
		return false
	}
	return u.could == nil || slices.Contains(u.could, h.algorithm())
}

// flaw says why a token with this header cannot be judged.
func (u *unused) flaw(h *header) error {
	what := "has the id of its key"
	if !h.hasKeyID {
		what = "may be its key"
	}
	return fmt.Errorf("entry %d of the key set (counted from 0) %s and cannot be used: %s", u.Index, what, u.Why)
}

// LeavesOut tells whether the set has this "kid" in an entry that is not used and that may
// have signed what no used key decides.
func (s *Set) LeavesOut(kid string) bool {
	return slices.ContainsFunc(s.unused, func(u unused) bool { return u.hasID(kid) })
}

// suspect returns the first entry that is not used and whose key may have signed a token
// with this header; nil if there is none.
func (s *Set) suspect(h *header) *unused {
	for i := range s.unused {
		if s.unused[i].mayBeOf(h) {
			return &s.unused[i]
		}
	}
	return nil
}

// Suspect returns the entry that is not used and for which a token was CodeMisconfigured.
// ok is false if the outcome had another cause.
func (s *Set) Suspect(token []byte) (entry Skipped, ok bool) {
	first, _, _ := segments(token)
	h, err := readHeader(first)
	if err != nil || !h.hasKeyID && s.tried(h.algorithm()) > MaxTried {
		return Skipped{}, false
	}
	if u := s.suspect(&h); u != nil {
		return u.Skipped, true
	}
	return Skipped{}, false
}

// tried returns how many keys are there to try on a token that names none.
func (s *Set) tried(alg Algorithm) (n int) {
	for _, k := range s.byAlg[alg] {
		if !k.Withdrawn() {
			n++
		}
	}
	return n
}
