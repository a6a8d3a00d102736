// Package distort changes the bodies of an upstream's answers into others that it might send.
package distort

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/neonauthd/neonauthd/daemon/standin/ordered"
)

// OddKeys are members of a key set that cannot be used to verify anything, as JSON.
func OddKeys() []json.RawMessage {
	const x = "jp3Gj2nGaqmUUJUqGGm6oJPa-bvnZQCJMMnkPSUDeZA"
	texts := []string{
		`{"kty":"oct","kid":"odd-oct","alg":"HS256","k":"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc"}`,
		`{"kty":"XYZ","kid":"odd-kty","alg":"ES256"}`,
		`{"kid":"odd-no-kty","alg":"ES256","crv":"P-256","x":"` + x + `","y":"` + x + `"}`,
		`{"kty":"EC","crv":"P-256","alg":"ES256","kid":"odd-off-curve","x":"` + x + `","y":"` + x + `"}`,
		`{"kty":"EC","crv":"P-256","alg":"ES256","kid":"odd-no-y","x":"` + x + `"}`,
		`{"kty":"RSA","alg":"RS256","kid":"odd-small-rsa","n":"w7Zdfmece8iaB0kiTY8pCtiBtzbptJmP28nSWwtdjRu0f2GFpajvWE4VhfJA","e":"AQAB"}`,
		`{"kty":"OKP","crv":"X25519","alg":"ECDH-ES","kid":"odd-x25519","x":"` + x + `"}`,
		`null`, `42`, `"text"`, `[]`, `{}`,
	}
	odd := make([]json.RawMessage, len(texts))
	for i, text := range texts {
		odd[i] = json.RawMessage(text)
	}
	return odd
}

// WithOddKeys scatters odd keys among those of a key set, before, between and behind.
func WithOddKeys(body []byte) []byte {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if json.Unmarshal(body, &set) != nil {
		return body
	}
	good := set.Keys
	mixed := []json.RawMessage{}
	for _, odd := range OddKeys() {
		mixed = append(mixed, odd)
		if len(good) > 0 {
			mixed = append(mixed, good[0])
			good = good[1:]
		}
	}
	return ordered.Encode(ordered.Object{{"keys", append(mixed, good...)}})
}

// PadProfile grows the image of a profile, as a data URL, until the body has exactly size bytes; a body
// that is larger without an image, or is no profile, stays as it is.
func PadProfile(body []byte, size int64) []byte {
	if ProfileID(body) == "" {
		return body
	}
	const prefix = "data:image/png;base64,"
	member := "picture"
	for _, name := range []string{"profile_image_url", "image"} {
		if bytes.Contains(body, []byte(`"`+name+`":`)) {
			member = name
			break
		}
	}
	bare := setMember(body, member, `"`+prefix+`"`)
	missing := size - int64(len(bare))
	if missing < 0 {
		return body
	}
	return setMember(body, member, `"`+prefix+strings.Repeat("A", int(missing))+`"`)
}

// setMember replaces the value of the first member of this name in a JSON text, or adds the member at
// the end of the outermost object.
func setMember(body []byte, name, value string) []byte {
	head := []byte(`"` + name + `":`)
	at := bytes.Index(body, head)
	if at < 0 {
		end := bytes.LastIndexByte(body, '}')
		return bytes.Join([][]byte{body[:end], []byte(","), head, []byte(value), body[end:]}, nil)
	}
	at += len(head)
	decoder := json.NewDecoder(bytes.NewReader(body[at:]))
	var former json.RawMessage
	if decoder.Decode(&former) != nil {
		return body
	}
	return bytes.Join([][]byte{body[:at], []byte(value), body[at+int(decoder.InputOffset()):]}, nil)
}

// ProfileID is the user's id in the profile of any preset; empty if the body is no profile.
func ProfileID(body []byte) string {
	var profile struct {
		ID   string `json:"id"`
		Sub  string `json:"sub"`
		User struct {
			ID string `json:"id"`
		} `json:"user"`
	}
	if json.Unmarshal(body, &profile) != nil {
		return ""
	}
	return profile.ID + profile.User.ID + profile.Sub
}
