package standin

import "slices"

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
		s.oidcKeys()
		fresh := newOIDCKeys()
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
		s.oidcKeys()
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

// oidcKeys makes the issuer's keys when they are first needed: RSA keys take a while.
func (s *Standin) oidcKeys() {
	s.oidcOnce.Do(func() {
		fresh := newOIDCKeys()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.oidc.keys = fresh
	})
}

// newOIDCKeys makes one key for each algorithm. The algorithms of a family of RSA share their key
// material under different ids, which a key set may do, because making RSA keys is slow.
func newOIDCKeys() []*key {
	pkcs, pss := newSigner("RS256"), newSigner("PS256")
	var keys []*key
	for _, alg := range Algorithms() {
		kid := "oidc-" + alg + "-" + randomText(8)
		switch alg[:2] {
		case "RS":
			keys = append(keys, keyOf(alg, kid, pkcs, oidcMembers))
		case "PS":
			keys = append(keys, keyOf(alg, kid, pss, oidcMembers))
		default:
			keys = append(keys, newKey(alg, kid, oidcMembers))
		}
	}
	return keys
}
