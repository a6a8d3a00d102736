package keyset

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lestrrat-go/jwx/v2/jwk"

	"github.com/neonauthd/neonauthd/internal/strictjson"
)

// MaxKeys is how many entries a key set may have, usable or not.
const MaxKeys = 64

// ErrTooManyKeys is the error of a body that is a key set of more than MaxKeys entries.
var ErrTooManyKeys = fmt.Errorf("the key set has more than %d keys", MaxKeys)

// NoUsableKeyError is the error of a body that is a key set without a usable
// key.
type NoUsableKeyError struct {
	// Skipped are all entries of the set, in its order.
	Skipped []Skipped
}

// Error counts the entries by what is wrong with them.
func (e *NoUsableKeyError) Error() string {
	switch len(e.Skipped) {
	case 0:
		return "the key set is empty"
	case 1:
		return "the only key of the set cannot be used (" + Kinds(e.Skipped) + ")"
	}
	return fmt.Sprintf("none of the %d keys of the set can be used (%s)", len(e.Skipped), Kinds(e.Skipped))
}

// Kinds counts entries that are not used by what is wrong with them, in the
// order of the set: "2: use is not sig; 1: not a readable key". Empty without
// any.
func Kinds(skipped []Skipped) string {
	var kinds []string
	count := map[string]int{}
	for _, s := range skipped {
		if count[s.Why]++; count[s.Why] == 1 {
			kinds = append(kinds, s.Why)
		}
	}
	for i, why := range kinds {
		kinds[i] = fmt.Sprintf("%d: %s", count[why], why)
	}
	return strings.Join(kinds, "; ")
}

// ParseSet reads a key set. Entries that cannot be used with one of the
// allowed algorithms are skipped one by one; the rest of the set lives. It is
// an error if the body is not a JSON object with an array "keys" (ErrTooManyKeys if that has
// more than MaxKeys entries), and a *NoUsableKeyError if no entry is usable; the error's
// text holds nothing of the body.
//
// One "kid" may stand for several keys if their algorithms tell them apart. Two
// entries with one "kid", one algorithm and different keys are both unusable for
// it: nothing says which is meant. The set knows the ids of all entries, also those
// of unusable ones: a token of such a key is not one of an unknown key.
func ParseSet(body []byte, allowed []Algorithm) (*Set, error) {
	entries, err := setEntries(body)
	switch {
	case err != nil && strictjson.What(err) == strictjson.TooManyHere:
		return nil, ErrTooManyKeys
	case err != nil:
		return nil, fmt.Errorf("parse key set: %w", err)
	}
	s := &Set{}
	candidates := make([]*Key, len(entries))
	why := make([]string, len(entries))
	for i, entry := range entries {
		candidates[i], why[i] = parseEntry(entry, allowed)
	}
	refuseTwins(candidates, why)
	for _, k := range candidates {
		if k != nil {
			s.keys = append(s.keys, k)
		}
	}
	for i, k := range candidates {
		if k == nil {
			s.skip(entries[i], Skipped{Index: i, Why: why[i]}, allowed)
		}
	}
	if len(s.keys) == 0 {
		return nil, &NoUsableKeyError{s.skipped}
	}
	s.index()
	return s, nil
}

// setEntries returns the elements of the one array "keys". It looks neither
// into the elements nor into the members beside "keys": each key is judged on
// its own.
func setEntries(body []byte) (entries []strictjson.Value, err error) {
	found := false
	rules := strictjson.Rules{Loose: true, Read: strictjson.NewNames("keys")}
	err = rules.Members(body, func(name []byte, value strictjson.Value) error {
		if string(name) != "keys" {
			return nil
		}
		found = true
		return strictjson.Elements(value, MaxKeys, func(entry strictjson.Value) error {
			entries = append(entries, entry)
			return nil
		})
	})
	if err == nil && !found {
		return nil, errors.New(`no "keys"`)
	}
	return entries, err
}

// refuseTwins makes sure that "kid" and algorithm together name one key. If
// keys with one "kid" and one algorithm differ, it takes the algorithm from all
// of them; if they are the same key, from all but the first. A key that has no
// algorithm left is removed. Of keys without "kid" only the copies of one key are removed,
// because no token names one of them.
func refuseTwins(candidates []*Key, why []string) {
	claimed := map[use][]int{}
	for i, k := range candidates {
		if k == nil {
			continue
		}
		name := k.id
		if name == "" {
			name = "\x00" + k.thumbprint // no "kid" has this form
		}
		for _, alg := range k.algorithms {
			claimed[use{name, alg}] = append(claimed[use{name, alg}], i)
		}
	}
	for u, claimants := range claimed {
		first := candidates[claimants[0]]
		if slices.ContainsFunc(claimants, func(i int) bool { return candidates[i].thumbprint != first.thumbprint }) {
			for _, i := range claimants {
				candidates[i].unbind(u.alg)
				why[i] = "another key has the same kid and algorithm"
			}
			continue
		}
		for _, i := range claimants[1:] {
			candidates[i].unbind(u.alg)
			if why[i] == "" {
				why[i] = sameKeyAgain
			}
		}
	}
	for i, k := range candidates {
		if k != nil && len(k.algorithms) == 0 {
			candidates[i] = nil
		}
	}
}

// parseEntry makes a key of one entry, or says in fixed words why not. An entry
// that makes a library panic is as unusable as any other.
func parseEntry(entry strictjson.Value, allowed []Algorithm) (k *Key, why string) {
	defer func() {
		if recover() != nil {
			k, why = nil, "not a readable key"
		}
	}()
	var m entryMembers
	if why := m.read(entry); why != "" {
		return nil, why
	}
	if m.why != "" {
		return nil, m.why
	}
	return m.key(m.alg, allowed)
}

// entryThumbprint returns the thumbprint of an entry's key, whatever the entry says that the
// key is for; empty if the key cannot be read, or is for none of the allowed algorithms.
func entryThumbprint(entry strictjson.Value, allowed []Algorithm) (is string) {
	defer func() {
		if recover() != nil {
			is = ""
		}
	}()
	var m entryMembers
	if m.read(entry) != "" {
		return ""
	}
	k, why := m.key("", allowed)
	if why != "" {
		return ""
	}
	return k.thumbprint
}

// materialNames returns the names of the members that the public key of a type consists
// of (RFC 7518 section 6, RFC 8037 section 2); nil if the type is not used.
func materialNames(kty string) []string {
	switch kty {
	case "RSA":
		return []string{"n", "e"}
	case "EC":
		return []string{"crv", "x", "y"}
	case "OKP":
		return []string{"crv", "x"}
	}
	return nil
}

// entryMembers are the members of a JWK that decide whether its key is used.
type entryMembers struct {
	kty, kid, alg string
	raw           map[string]strictjson.Value // the members of all materialNames, as they stand
	why           string                      // the first thing that speaks against it
}

// read reads an entry, or says in fixed words why it cannot be read. What speaks against the
// use of a readable entry is in m.why.
func (m *entryMembers) read(entry strictjson.Value) (why string) {
	if entry.Kind() != '{' {
		return "not an object"
	}
	m.raw = map[string]strictjson.Value{}
	if err := object(entry, keyNames, m.member); err != nil {
		return "not a strict JSON object"
	}
	return ""
}

// key makes the key of what was read, for the named algorithm or, if named is empty, for all
// that newKey finds.
func (m *entryMembers) key(named string, allowed []Algorithm) (k *Key, why string) {
	needed := materialNames(m.kty)
	if needed == nil {
		return nil, "type of key not used for public signature keys"
	}
	parsed, err := jwk.ParseKey(m.material(needed))
	if err != nil {
		return nil, "not a readable key"
	}
	return newKey(m.kid, named, parsed, allowed)
}

// member reads one member. Hints such as "x5c", and names that nobody knows, do not
// matter, whatever their values are. A member that is null counts as absent, but for
// those of the key itself.
func (m *entryMembers) member(name []byte, value strictjson.Value) error {
	switch string(name) {
	case "kty":
		m.kty = m.text(value, "kty is not a string")
	case "crv", "x", "y", "n", "e":
		m.raw[string(name)] = bytes.Clone(value)
	case "d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv":
		m.refuse("holds private or secret members")
	case "alg", "kid", "use", "key_ops":
		if value.Kind() != 'n' {
			m.purpose(string(name), value)
		}
	}
	return nil
}

// purpose reads a member that says what the key is for, or how it is called.
func (m *entryMembers) purpose(name string, value strictjson.Value) {
	switch name {
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
	}
}

// material returns a JWK of the key's type and the needed members alone, so that the
// library reads nothing else.
func (m *entryMembers) material(needed []string) []byte {
	b := append([]byte(`{"kty":"`), m.kty...)
	b = append(b, '"')
	for _, name := range needed {
		if value, there := m.raw[name]; there {
			b = append(append(b, `,"`+name+`":`...), value...)
		}
	}
	return append(b, '}')
}

func (m *entryMembers) text(value strictjson.Value, why string) string {
	text, ok := strictjson.Text(value)
	if !ok {
		m.refuse(why)
	}
	return text
}

func (m *entryMembers) refuse(why string) {
	if m.why == "" {
		m.why = why
	}
}

// lists tells whether the value is an array that holds the string.
func lists(value strictjson.Value, s string) bool {
	found := false
	err := strictjson.Elements(value, 0, func(element strictjson.Value) error {
		found = found || exactText(element) == s
		return nil
	})
	return err == nil && found
}
