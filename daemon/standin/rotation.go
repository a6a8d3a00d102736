package standin

import (
	"crypto"
	"crypto/rand"
	"slices"
)

// Rotate gives a preset new signing keys. With overlap the former ones stay published, as after a
// planned rotation; without it they vanish at once, as after an emergency. The genuine Stack server
// rotates without overlap only, by a change of its secret.
func (s *Standin) Rotate(p Preset, overlap bool) {
	switch p {
	case Stack:
		s.mu.Lock()
		defer s.mu.Unlock()
		s.stack.rotate(overlap)
	case Neon:
		fresh := newKey("EdDSA", newUUID(), neonMembers)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.neon.rotate([]*key{fresh}, overlap)
	case OIDC:
		s.rsaKeys()
		fresh := append(newRSAKeys(), curveKeysOf(seed(rand.Text()))...)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.oidc.rotate(fresh, overlap)
	}
}

// SignWithNext makes Stack tokens from now on carry the second key of each class, already published:
// the planned change of key that needs no new key set.
func (s *Standin) SignWithNext(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stack.next = on
}

// WithdrawKey removes one key from the published key sets and reports whether it was there. Another
// published key of the same use signs from then on, if there is one.
func (s *Standin) WithdrawKey(kid string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.findKey(kid)
	if k == nil || k.withdrawn {
		return false
	}
	k.withdrawn = true
	return true
}

// KeyIDs lists the published key ids of a preset in the order of its (largest) key set.
func (s *Standin) KeyIDs(p Preset) []string {
	var ids []string
	for _, k := range s.publishedKeys(p, ClassAnonymous) {
		ids = append(ids, k.kid)
	}
	return ids
}

// findKey finds a key that was ever used or published; the caller holds the mutex.
func (s *Standin) findKey(kid string) *key {
	return findKey(slices.Concat(s.stack.all, s.neon.keys, s.oidc.keys), kid)
}

// publishedKeys are a preset's keys; for Stack those of the classes up to the widest.
func (s *Standin) publishedKeys(p Preset, widest Class) []*key {
	if p == OIDC {
		s.rsaKeys()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch p {
	case Neon:
		return s.neon.published()
	case OIDC:
		return s.oidc.published()
	}
	var keys []*key
	for class := ClassNormal; class <= widest; class++ {
		keys = append(keys, s.stack.published(s.options.ProjectID+class.suffix(), true)...)
	}
	return keys
}

// rsaKeys makes the issuer's RSA keys when they are first needed: that takes a while.
func (s *Standin) rsaKeys() {
	s.rsaOnce.Do(func() {
		fresh := newRSAKeys()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.oidc.keys = append(fresh, s.oidc.keys...)
	})
}

// newRSAKeys makes one key for each algorithm of RSA. Those of a family share their key material under
// different ids, which a key set may do, because making it is slow.
func newRSAKeys() []*key {
	families := map[string]crypto.Signer{}
	var keys []*key
	for _, alg := range Algorithms() {
		if !needsRSA(alg) {
			continue
		}
		if families[alg[:2]] == nil {
			families[alg[:2]] = newSigner(alg)
		}
		keys = append(keys, keyOf(alg, oidcKeyID(alg), families[alg[:2]], oidcMembers))
	}
	return keys
}

// curveKeysOf makes one key for each other algorithm.
func curveKeysOf(from seed) []*key {
	var keys []*key
	for _, alg := range Algorithms() {
		if !needsRSA(alg) {
			keys = append(keys, keyOf(alg, "oidc-"+alg+"-"+from.text("id of key "+alg, 8), from.signer(alg), oidcMembers))
		}
	}
	return keys
}

func needsRSA(alg string) bool { return alg[:2] == "RS" || alg[:2] == "PS" }

func oidcKeyID(alg string) string { return "oidc-" + alg + "-" + randomText(8) }
