package mint

import "crypto"

// NewRSAKeys makes one key for each algorithm of RSA. Those of a family share their key material under
// different ids, which a key set may do, because making it is slow.
func NewRSAKeys() []*Key {
	families := map[string]crypto.Signer{}
	var keys []*Key
	for _, alg := range Algorithms() {
		if !NeedsRSA(alg) {
			continue
		}
		if families[alg[:2]] == nil {
			families[alg[:2]] = newSigner(alg)
		}
		keys = append(keys, keyOf(alg, oidcKeyID(alg), families[alg[:2]], oidcMembers))
	}
	return keys
}

// CurveKeys makes one key for each other algorithm.
func CurveKeys(from Seed) []*Key {
	var keys []*Key
	for _, alg := range Algorithms() {
		if !NeedsRSA(alg) {
			keys = append(keys, keyOf(alg, "oidc-"+alg+"-"+from.Text("id of key "+alg, 8), from.signer(alg), oidcMembers))
		}
	}
	return keys
}

// NeedsRSA tells whether an algorithm signs with an RSA key.
func NeedsRSA(alg string) bool { return alg[:2] == "RS" || alg[:2] == "PS" }

func oidcKeyID(alg string) string { return "oidc-" + alg + "-" + RandomText(8) }
