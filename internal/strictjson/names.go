package strictjson

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// maxNames is the largest number of names in Names.
const maxNames = 64

// Names is a set of names of members, which are compared without regard to case. It
// does not change and is safe for concurrent use. A nil *Names is empty.
type Names struct{ bits map[string]uint64 }

// NewNames returns a set of these names, at most 64. Two names that differ only in case
// count as one.
func NewNames(names ...string) *Names {
	n := &Names{bits: map[string]uint64{}}
	for _, name := range names {
		folded := string(appendFold(nil, []byte(name)))
		if _, again := n.bits[folded]; !again {
			if len(n.bits) == maxNames {
				panic("strictjson: too many names")
			}
			n.bits[folded] = 1 << len(n.bits)
		}
	}
	return n
}

// bit returns the bit of a name in the set; 0 for other names.
func (n *Names) bit(name []byte) uint64 {
	if n == nil {
		return 0
	}
	var space [64]byte
	return n.bits[string(appendFold(space[:0], name))]
}

// nameSet remembers the names of one object. The zero value is empty.
type nameSet struct {
	all   []byte    // all names, with an edge before each and at the end
	marks [4]uint64 // a bit for every name: unset means new
	rest  map[string]bool
}

// edge separates names. It does not occur in UTF-8 text.
const edge = 0xff

// fewNames is how many bytes of names are searched without a map.
const fewNames = 8192

// add adds a name and reports whether it is new.
func (s *nameSet) add(name []byte) bool {
	if s.rest != nil || len(s.all) > fewNames {
		return s.addToMap(name)
	}
	if s.all == nil {
		s.all = append(make([]byte, 0, 384), edge)
	}
	before := len(s.all)
	s.all = append(append(s.all, name...), edge)
	h := uint32(2166136261) // FNV-1a
	for _, c := range name {
		h = (h ^ uint32(c)) * 16777619
	}
	word, bit := h>>6&3, uint64(1)<<(h&63)
	if s.marks[word]&bit == 0 {
		s.marks[word] |= bit
		return true
	}
	return !bytes.Contains(s.all[:before], s.all[before-1:])
}

// addToMap is add for objects with many names.
func (s *nameSet) addToMap(name []byte) bool {
	if s.rest == nil {
		s.rest = map[string]bool{}
		for known := range bytes.SplitSeq(s.all[1:len(s.all)-1], []byte{edge}) {
			s.rest[string(known)] = true
		}
	}
	again := s.rest[string(name)]
	s.rest[string(name)] = true
	return !again
}

// appendFold appends the name with every letter replaced by the one that represents all
// its cases, in the sense of bytes.EqualFold.
func appendFold(dst, name []byte) []byte {
	for len(name) > 0 {
		r, size := rune(name[0]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRune(name)
		}
		name = name[size:]
		if r >= utf8.RuneSelf {
			least := r
			for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
				least = min(least, f)
			}
			r = least
		}
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}

// UserNames returns the names under which the clients and neonauth-http look for facts
// about a user, in the claims and profiles of any preset.
func UserNames() []string {
	return []string{
		"sub", "id", "email", "primary_email", "email_verified", "emailVerified", "primary_email_verified",
		"name", "display_name", "image", "picture", "profile_image_url",
		"selected_team", "selected_team_id", "o", "team_id", "aud",
		"sid", "session_id", "sessionId", "refresh_token_id", "refreshTokenId",
		"role", "banned", "is_anonymous", "isAnonymous", "is_restricted", "restricted_reason", "restricted_by_admin",
		"scope", "client_id", "azp",
	}
}
