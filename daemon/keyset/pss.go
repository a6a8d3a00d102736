package keyset

import (
	"crypto"
	"crypto/rsa"
	"errors"
)

// pss verifies RSASSA-PSS signatures whose salt is as long as the hash, as RFC
// 7518 section 3.5 demands; jwx takes salts of any length.
type pss struct{ hash crypto.Hash }

// pssHash returns the hash of an algorithm with PSS, 0 for others.
func pssHash(alg Algorithm) crypto.Hash {
	switch alg {
	case PS256:
		return crypto.SHA256
	case PS384:
		return crypto.SHA384
	case PS512:
		return crypto.SHA512
	default:
		return 0
	}
}

// Verify returns nil if the key signed the input.
func (v pss) Verify(input, signature []byte, key any) error {
	public, ok := key.(*rsa.PublicKey)
	if !ok {
		return errors.New("not an RSA key")
	}
	h := v.hash.New()
	_, _ = h.Write(input) // never fails
	return rsa.VerifyPSS(public, v.hash, h.Sum(nil), signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
}
