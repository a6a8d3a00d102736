package standin

import (
	"crypto/rand"
	"slices"

	"github.com/neonauthd/neonauthd/daemon/standin/mint"
	"github.com/neonauthd/neonauthd/daemon/standin/stackauth"
)

// Rotate gives a preset new signing keys. With overlap the former ones stay published, as after a
// planned rotation; without it they vanish at once, as after an emergency. The genuine Stack server
// rotates without overlap only, by a change of its secret.
func (s *Standin) Rotate(p Preset, overlap bool) {
	switch p {
	case Stack:
		s.mu.Lock()
		defer s.mu.Unlock()
		s.stack.Rotate(overlap)
	case Neon:
		fresh := mint.NewKey("EdDSA", mint.UUID(), mint.NeonMembers)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.neon.Rotate([]*mint.Key{fresh}, overlap)
	case OIDC:
		s.rsaKeys()
		fresh := append(mint.NewRSAKeys(), mint.CurveKeys(mint.Seed(rand.Text()))...)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.oidc.Rotate(fresh, overlap)
	}
}

// SignWithNext makes Stack tokens from now on be signed with the second key of each class, which is already published.
// Such a planned change of key needs no new key set.
func (s *Standin) SignWithNext(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stack.Next = on
}

// WithdrawKey removes one key from the published key sets and reports whether it was there. Another
// published key of the same use signs from then on, if there is one.
func (s *Standin) WithdrawKey(kid string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.findKey(kid)
	if k == nil || k.Withdrawn {
		return false
	}
	k.Withdrawn = true
	return true
}

// KeyIDs lists the published key ids of a preset in the order of its (largest) key set.
func (s *Standin) KeyIDs(p Preset) []string {
	var ids []string
	for _, k := range s.publishedKeys(p, stackauth.ClassAnonymous) {
		ids = append(ids, k.Kid)
	}
	return ids
}

// findKey finds a key that was ever used or published; the caller holds the mutex.
func (s *Standin) findKey(kid string) *mint.Key {
	return mint.FindKey(slices.Concat(s.stack.All, s.neon.Keys, s.oidc.Keys), kid)
}

// publishedKeys are a preset's keys; for Stack those of the classes up to the widest.
func (s *Standin) publishedKeys(p Preset, widest stackauth.Class) []*mint.Key {
	if p == OIDC {
		s.rsaKeys()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch p {
	case Neon:
		return s.neon.Published()
	case OIDC:
		return s.oidc.Published()
	}
	var keys []*mint.Key
	for class := stackauth.ClassNormal; class <= widest; class++ {
		keys = append(keys, s.stack.Published(s.options.ProjectID+class.AudienceSuffix(), true)...)
	}
	return keys
}

// rsaKeys makes the issuer's RSA keys when they are first needed, because making them takes a while.
func (s *Standin) rsaKeys() {
	s.rsaOnce.Do(func() {
		fresh := mint.NewRSAKeys()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.oidc.Keys = append(fresh, s.oidc.Keys...)
	})
}
