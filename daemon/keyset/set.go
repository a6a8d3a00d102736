package keyset

import "github.com/neonauthd/neonauthd/internal/strictjson"

// Skipped is an entry of a key set that is not used.
type Skipped struct {
	Index int    // its place in the array, from 0
	Why   string // in fixed words; holds nothing of the entry
}

// Set is the usable keys of a JSON Web Key Set (RFC 7517 section 5). It is
// immutable after Succeed, if that is called at all; then any number of
// goroutines may share it. The zero value holds no key.
type Set struct {
	keys    []*Key
	skipped []Skipped
	unused  []unused        // the skipped ones that may have signed what no used key decides
	byID    map[string]*Key // the first of each id
	byUse   map[use]*Key
	byAlg   map[Algorithm][]*Key // in the order of the set
}

// use is how a token names its key. In a set it names one key at most.
type use struct {
	id  string
	alg Algorithm
}

// Keys returns the usable keys in the order of the set. The slice is shared:
// read only.
func (s *Set) Keys() []*Key { return s.keys }

// Skipped returns the entries that are not used, in the order of the set. The
// slice is shared: read only.
func (s *Set) Skipped() []Skipped { return s.skipped }

// Find returns the first key with exactly this "kid", or nil; another key may
// have the same with another algorithm. A key without one is never found.
func (s *Set) Find(kid string) *Key { return s.byID[kid] }

// skip takes note of an entry that is not used. All keys that are used are known already,
// because an issuer may publish one key twice, for signatures and for encryption.
func (s *Set) skip(entry strictjson.Value, why Skipped, allowed []Algorithm) {
	s.skipped = append(s.skipped, why)
	if why.Why == sameKeyAgain || entry.Kind() != '{' {
		return
	}
	u := readUnused(entry, why)
	is := entryThumbprint(entry, allowed)
	for _, k := range s.keys {
		if k.thumbprint == is && u.settle(k) {
			return
		}
	}
	s.unused = append(s.unused, u)
}

// index makes the maps agree with keys.
func (s *Set) index() {
	s.byID, s.byUse, s.byAlg = map[string]*Key{}, map[use]*Key{}, map[Algorithm][]*Key{}
	for _, k := range s.keys {
		if k.id != "" && s.byID[k.id] == nil {
			s.byID[k.id] = k
		}
		for _, alg := range k.algorithms {
			s.byAlg[alg] = append(s.byAlg[alg], k)
			if k.id != "" {
				s.byUse[use{k.id, alg}] = k
			}
		}
	}
}

// Succeed makes s the successor of old. Keys that are in both (same "kid",
// algorithms and thumbprint) keep old's records, so that tokens they signed
// stay good. The records of keys that s no longer has are marked withdrawn, and
// returned. Call it once, before s is shared. With a nil old it does nothing.
func (s *Set) Succeed(old *Set) (withdrawn []*Key) {
	if old == nil || old == s {
		return nil
	}
	kept := make(map[*Key]bool, len(s.keys))
	for i, k := range s.keys {
		for _, o := range old.keys {
			if o.same(k) && !o.Withdrawn() {
				s.keys[i], kept[o] = o, true
				break
			}
		}
	}
	s.index()
	for _, o := range old.keys {
		if !kept[o] {
			o.withdrawn.Store(true)
			withdrawn = append(withdrawn, o)
		}
	}
	return withdrawn
}
