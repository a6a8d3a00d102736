package authrequest

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/internal/strictjson"
)

// field is an identity header.
type field int

const (
	fieldUserID field = iota
	fieldEmail
	fieldEmailVerified
	fieldName
	fieldTeamID
	fieldSessionID
	fieldLevel
	fieldAge
	fieldClaims

	fieldCount
)

// fieldNames returns the headers in canonical form. The configuration names
// them without X-Auth- and in lower case.
func fieldNames() [fieldCount]string {
	return [fieldCount]string{
		"X-Auth-User-Id", "X-Auth-Email", "X-Auth-Email-Verified", "X-Auth-Name", "X-Auth-Team-Id", "X-Auth-Session-Id",
		"X-Auth-Level", "X-Auth-Age", "X-Auth-Claims",
	}
}

// Headers returns the names of all identity headers. The caller may change the
// slice.
func Headers() []string {
	names := fieldNames()
	return names[:]
}

// maxIdentity bounds the identity headers in bytes, names and line ends
// included. With the rest of a reply they fit into the 4 KiB that nginx has for
// a header.
const maxIdentity = 3 << 10

// ageRoom is what X-Auth-Age takes of maxIdentity at most, unless an answer is older than 300
// years.
const ageRoom = 10

var errTooLarge = errors.New("identity does not fit into the headers")

// identity holds the encoded values of all identity headers.
type identity [fieldCount]string

// selection says which headers are filled; the others are sent empty. Use it by its
// pointer.
type selection struct {
	fields [fieldCount]bool
	claims []string // members of X-Auth-Claims; nil is all

	recent recent
}

// principal is the user, machine or team of an accepted answer, with the values of its headers
// but those that differ from answer to answer.
type principal struct {
	answer   client.Accepted
	user     client.User
	identity identity
	size     int // of the headers without X-Auth-Age and X-Auth-Claims
}

func newPrincipal(a *client.Accepted, u client.User, s *selection) *principal {
	p := &principal{answer: *a, user: u}
	fill := func(f field, value string) {
		if s.fields[f] {
			p.identity[f] = encode(value)
		}
	}
	id := &p.identity
	id[fieldUserID] = encode(u.ID) // never left out: a 2xx must name the user
	if u.Kind == client.KindTeam {
		id[fieldTeamID] = encode(u.TeamID) // or the team, which has no user
	}
	fill(fieldEmail, u.Email)
	fill(fieldEmailVerified, u.EmailVerified.String())
	fill(fieldName, u.Name)
	fill(fieldTeamID, u.TeamID)
	fill(fieldSessionID, u.SessionID)
	fill(fieldLevel, a.Level.String())
	for i, name := range fieldNames() {
		p.size += len(name) + len(": ") + len(id[i]) + len("\r\n")
	}
	if p.size > maxIdentity-ageRoom {
		// A name is for display only, so an application can do without. An address is not: an
		// empty one says that the user has none, and users choose their addresses.
		p.size -= len(id[fieldName])
		id[fieldName] = ""
	}
	if s.fields[fieldClaims] {
		id[fieldClaims] = claimsValue(a.JSON, s.claims, maxIdentity-p.size)
	}
	return p
}

// identityOf returns the values for the user of an answer of this age. The error is
// errTooLarge.
func (p *principal) identityOf(age time.Duration, s *selection) (identity, error) {
	id, size := p.identity, p.size
	if s.fields[fieldAge] {
		id[fieldAge] = strconv.FormatInt(int64(age.Seconds()), 10)
		size += len(id[fieldAge])
	}
	if size > maxIdentity {
		return identity{}, errTooLarge
	}
	if size+len(id[fieldClaims]) > maxIdentity {
		id[fieldClaims] = ""
	}
	return id, nil
}

// claimsValue returns the JSON in base64url without padding, or "" if that is
// longer than room. Selected members keep their order.
func claimsValue(object []byte, only []string, room int) string {
	if only != nil {
		picked := []byte{'{'}
		strictjson.Each(object, func(name []byte, value strictjson.Value) {
			if !slices.Contains(only, string(name)) || len(picked) > room {
				return
			}
			if len(picked) > 1 {
				picked = append(picked, ',')
			}
			key, err := json.Marshal(string(name))
			if err != nil {
				return // a string always can be
			}
			picked = append(append(append(picked, key...), ':'), value...)
		})
		object = append(picked, '}')
	}
	if base64.RawURLEncoding.EncodedLen(len(object)) > room {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(object)
}

// write sets all identity headers in h.
func (id *identity) write(h http.Header) {
	values := id[:]
	for i, name := range fieldNames() {
		h[name] = values[i : i+1 : i+1]
	}
}

const upperHex = "0123456789ABCDEF"

// encode keeps letters, digits and . _ : @ - as they are, and writes every
// other byte as "%" with two hex digits. So no value can end a header, split a
// list or look like another value. Decode it with decodeURIComponent or
// url.PathUnescape.
func encode(s string) string {
	n := 0
	for i := range len(s) {
		if !plain(s[i]) {
			n++
		}
	}
	if n == 0 {
		return s
	}
	if len(s)+2*n > maxIdentity {
		// Too large in any case; the caller counts the bytes.
		n = min(n, maxIdentity)
		s = s[:min(len(s), maxIdentity+1)]
	}
	out := make([]byte, 0, len(s)+2*n)
	for i := range len(s) {
		if c := s[i]; plain(c) {
			out = append(out, c)
		} else {
			out = append(out, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return string(out)
}

func plain(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	case c == '.', c == '_', c == ':', c == '@', c == '-':
		return true
	}
	return false
}
