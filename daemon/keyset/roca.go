package keyset

import "math/big"

// rocaPrimes bounds the primes that the test for CVE-2017-15361 tries: the keys
// of that kind with 1984 to 3936 bits are built upon all primes up to 701, and
// longer ones upon more.
const rocaPrimes = 701

// factorable tells whether the modulus has the structure of CVE-2017-15361
// ("ROCA"): the smart cards and TPMs concerned chose each factor as a power of
// 65537 modulo the product of small primes, so the modulus is such a power
// modulo each of them (Nemec and others, "The Return of Coppersmith's Attack",
// section 2). Such keys can be factored. Of other moduli about one in 2^167 has
// it by chance, and nearly all fail at the first few primes.
func factorable(modulus *big.Int) bool {
	var rest, divisor big.Int
	for p := int64(3); p <= rocaPrimes; p += 2 {
		if !oddPrime(p) {
			continue
		}
		r := rest.Mod(modulus, divisor.SetInt64(p)).Int64()
		power := int64(1)
		for power != r {
			if power = power * 65537 % p; power == 1 {
				return false // all powers have been seen
			}
		}
	}
	return true
}

// oddPrime tells whether an odd number from 3 on is prime.
func oddPrime(n int64) bool {
	for d := int64(3); d*d <= n; d += 2 {
		if n%d == 0 {
			return false
		}
	}
	return true
}
