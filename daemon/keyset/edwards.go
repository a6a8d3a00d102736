package keyset

import (
	"math/big"
	"slices"
)

// strongEdwardsPoint tells whether 32 bytes are the canonical encoding of a
// point of edwards25519 (RFC 8032 section 5.1.3) whose order is not 1, 2, 4 or
// 8. Under a key of such an order anybody can sign: crypto/ed25519 does not
// look, because for honest signers it does not matter.
func strongEdwardsPoint(encoded []byte) bool {
	little := slices.Clone(encoded)
	little[31] &= 0x7f // the sign of x
	slices.Reverse(little)
	y := new(big.Int).SetBytes(little)

	one := big.NewInt(1)
	p := new(big.Int).Lsh(one, 255)
	p.Sub(p, big.NewInt(19))
	if y.Cmp(p) >= 0 {
		return false
	}
	// d = -121665/121666; the curve is x² = (y²-1) / (dy²+1).
	d := new(big.Int).ModInverse(big.NewInt(121666), p)
	d.Mul(d, big.NewInt(-121665)).Mod(d, p)
	yy := new(big.Int).Mul(y, y)
	u := new(big.Int).Sub(yy, one)
	v := new(big.Int).Mul(yy, d)
	v.Add(v, one).ModInverse(v, p)
	xx := u.Mul(u, v)
	xx.Mod(xx, p)
	if xx.Sign() == 0 || y.Sign() == 0 {
		return false // x = 0: orders 1 and 2; y = 0: order 4
	}
	if new(big.Int).ModSqrt(xx, p) == nil {
		return false
	}
	// Order 8: doubling gives y = 0, that is x² + y² = 0, by the curve's
	// doubling formula y(2P) = (y²+x²) / (1 - dx²y²).
	sum := xx.Add(xx, yy)
	return sum.Mod(sum, p).Sign() != 0
}
