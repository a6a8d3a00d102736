package keyset

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/lestrrat-go/jwx/v2/jwk"
)

// MaxKeys is how many entries a key set may have, usable or not.
const MaxKeys = 64

// Skipped is an entry of a key set that is not used.
type Skipped struct {
	Index int    // its place in the array, from 0
	Why   string // in fixed words; holds nothing of the entry
}

// Set is the usable keys of a JSON Web Key Set (RFC 7517 section 5). It is
// immutable once Succeed has been called, or is not going to be; then any
// number of goroutines may share it. The zero value holds no key.
type Set struct {
	keys    []*Key
	byID    map[string]*Key
	skipped []Skipped
}

// Keys returns the usable keys in the order of the set. The slice is shared:
// read only.
func (s *Set) Keys() []*Key { return s.keys }

// Skipped returns the entries that are not used, in the order of the set. The
// slice is shared: read only.
func (s *Set) Skipped() []Skipped { return s.skipped }

// Find returns the key with exactly this "kid", or nil. A key without one is
// never found.
func (s *Set) Find(kid string) *Key { return s.byID[kid] }

// only returns the key for tokens without "kid": the one whose algorithm is
// alg. UnknownKey if there is none, Malformed if several could be meant.
func (s *Set) only(alg Algorithm) (*Key, Reason) {
	var found *Key
	for _, k := range s.keys {
		if k.algorithm != alg {
			continue
		}
		if found != nil {
			return nil, Malformed
		}
		found = k
	}
	if found == nil {
		return nil, UnknownKey
	}
	return found, ReasonNone
}

// Succeed makes s the successor of old: keys that are in both (same "kid",
// algorithm and thumbprint) keep old's records, so that what they signed stays
// good, and the records of keys that s no longer has are marked withdrawn.
// Call it once, before s is shared. A nil old is nothing.
func (s *Set) Succeed(old *Set) {
	if old == nil || old == s {
		return
	}
	kept := make(map[*Key]bool, len(s.keys))
	for i, k := range s.keys {
		for _, o := range old.keys {
			if !o.same(k) || o.Withdrawn() {
				continue
			}
			s.keys[i] = o
			if o.id != "" {
				s.byID[o.id] = o
			}
			kept[o] = true
			break
		}
	}
	for _, o := range old.keys {
		if !kept[o] {
			o.withdrawn.Store(true)
		}
	}
}

// ParseSet reads a key set. Entries that cannot be used with one of the
// allowed algorithms are skipped one by one; the rest of the set lives. It is
// an error if the body is not a JSON object with an array "keys" of at most
// MaxKeys entries, or if no entry is usable; the error's text holds nothing of
// the body.
//
// Two entries with one "kid" and different keys make both unusable: nothing
// says which is meant.
func ParseSet(body []byte, allowed []Algorithm) (*Set, error) {
	entries, err := setEntries(body)
	if err != nil {
		return nil, fmt.Errorf("parse key set: %w", err)
	}
	s := &Set{byID: make(map[string]*Key, len(entries))}
	candidates := make([]*Key, len(entries))
	why := make([]string, len(entries))
	for i, entry := range entries {
		candidates[i], why[i] = parseEntry(entry, allowed)
	}
	refuseTwins(candidates, why)
	for i, k := range candidates {
		if k == nil {
			s.skipped = append(s.skipped, Skipped{Index: i, Why: why[i]})
			continue
		}
		s.keys = append(s.keys, k)
		if k.id != "" {
			s.byID[k.id] = k
		}
	}
	if len(s.keys) == 0 {
		return nil, fmt.Errorf("parse key set: no usable key among %d entries%s", len(entries), firstWhy(s.skipped))
	}
	return s, nil
}

func firstWhy(skipped []Skipped) string {
	if len(skipped) == 0 {
		return ""
	}
	return fmt.Sprintf(" (entry %d: %s)", skipped[0].Index, skipped[0].Why)
}

// setEntries returns the elements of the one array "keys". It does not look
// into them: each is judged for itself.
func setEntries(body []byte) ([]jsontext.Value, error) {
	d := jsontext.NewDecoder(bytes.NewBuffer(body),
		jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return nil, errors.New("not a JSON object")
	}
	var entries []jsontext.Value
	found := false
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return nil, errors.New("not valid JSON")
		}
		if name.String() != "keys" {
			if err := d.SkipValue(); err != nil {
				return nil, errors.New("not valid JSON")
			}
			continue
		}
		if found {
			return nil, errors.New(`"keys" given twice`)
		}
		found = true
		if entries, err = arrayElements(d); err != nil {
			return nil, err
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, errors.New("not valid JSON")
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one JSON value")
	}
	if !found {
		return nil, errors.New(`no "keys"`)
	}
	return entries, nil
}

// arrayElements reads the next value of d, which has to be an array.
func arrayElements(d *jsontext.Decoder) ([]jsontext.Value, error) {
	if t, err := d.ReadToken(); err != nil || t.Kind() != '[' {
		return nil, errors.New(`"keys" is not an array`)
	}
	var entries []jsontext.Value
	for d.PeekKind() != ']' {
		if len(entries) == MaxKeys {
			return nil, fmt.Errorf("more than %d entries", MaxKeys)
		}
		value, err := d.ReadValue()
		if err != nil {
			return nil, errors.New("not valid JSON")
		}
		entries = append(entries, value.Clone())
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, errors.New("not valid JSON")
	}
	return entries, nil
}

// refuseTwins removes keys that share a "kid": both if they differ, the later
// one if they are the same key twice.
func refuseTwins(candidates []*Key, why []string) {
	first := make(map[string]int)
	poisoned := make(map[string]bool)
	for i, k := range candidates {
		if k == nil || k.id == "" {
			continue
		}
		f, seen := first[k.id]
		switch {
		case !seen:
			first[k.id] = i
		case candidates[f] != nil && candidates[f].same(k):
			candidates[i], why[i] = nil, "the same key again"
		default:
			poisoned[k.id] = true
		}
	}
	for i, k := range candidates {
		if k != nil && poisoned[k.id] {
			candidates[i], why[i] = nil, "another key has the same kid"
		}
	}
}

// parseEntry makes a key of one entry, or says in fixed words why not. An entry
// that makes a library panic is as unusable as any other.
func parseEntry(entry jsontext.Value, allowed []Algorithm) (k *Key, why string) {
	defer func() {
		if recover() != nil {
			k, why = nil, "not a readable key"
		}
	}()
	var m entryMembers
	if entry.Kind() != '{' {
		return nil, "not an object"
	}
	if err := object(entry, m.member); err != nil {
		return nil, "not a strict JSON object"
	}
	if m.why != "" {
		return nil, m.why
	}
	if m.kty != "RSA" && m.kty != "EC" && m.kty != "OKP" {
		return nil, "type of key not used for public signature keys"
	}
	parsed, err := jwk.ParseKey(entry)
	if err != nil {
		return nil, "not a readable key"
	}
	return newKey(m.kid, m.alg, parsed, allowed)
}

// entryMembers are the members of a JWK that decide whether its key is used.
type entryMembers struct {
	kty, kid, alg string
	why           string // the first thing that speaks against it
}

func (m *entryMembers) member(name []byte, value jsontext.Value) error {
	switch string(name) {
	case "kty":
		m.kty = m.text(value, "kty is not a string")
	case "alg":
		if m.alg = m.text(value, "alg is not a string"); m.alg == "" {
			m.refuse("alg is empty")
		}
	case "kid":
		m.kid = m.text(value, "kid is not a string")
		if !plausibleKeyID(m.kid) {
			m.refuse("kid is not 1 to 128 printable ASCII characters")
		}
	case "use":
		if m.text(value, "use is not a string") != "sig" {
			m.refuse("use is not sig")
		}
	case "key_ops":
		if !lists(value, "verify") {
			m.refuse("key_ops does not hold verify")
		}
	case "d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv":
		m.refuse("holds private or secret members")
	}
	return nil
}

func (m *entryMembers) text(value jsontext.Value, why string) string {
	if value.Kind() != '"' {
		m.refuse(why)
		return ""
	}
	return string(unquote(value))
}

func (m *entryMembers) refuse(why string) {
	if m.why == "" {
		m.why = why
	}
}

// lists tells whether the value is an array that holds the string.
func lists(value jsontext.Value, s string) bool {
	elements, err := arrayElements(jsontext.NewDecoder(bytes.NewBuffer(value)))
	if err != nil {
		return false
	}
	for _, e := range elements {
		if e.Kind() == '"' && string(unquote(e)) == s {
			return true
		}
	}
	return false
}
