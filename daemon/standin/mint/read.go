package mint

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"math"
	"strings"
)

// ReadObject decodes a segment of a token as leniently as jose.
func ReadObject(segment string) (map[string]any, bool) {
	raw, ok := ReadBase64(segment)
	if !ok {
		return nil, false
	}
	decoder := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(raw, []byte("\ufeff"))))
	decoder.UseNumber()
	var value map[string]any
	if decoder.Decode(&value) != nil || value == nil {
		return nil, false
	}
	_, err := decoder.Token()
	return value, err == io.EOF
}

// ReadBase64 decodes what JavaScript's atob decodes once "-" and "_" are mapped: either alphabet,
// blanks anywhere, padding or none, any unused bits.
func ReadBase64(s string) ([]byte, bool) {
	s = strings.Map(func(c rune) rune {
		switch c {
		case ' ', '\t', '\n', '\f', '\r':
			return -1
		case '+':
			return '-'
		case '/':
			return '_'
		}
		return c
	}, s)
	if len(s)%4 == 0 {
		s = strings.TrimSuffix(strings.TrimSuffix(s, "="), "=")
	}
	raw, err := base64.RawURLEncoding.DecodeString(s)
	return raw, err == nil
}

// IsNumber tells whether a member that [ReadObject] read is a number.
func IsNumber(v any) bool {
	_, ok := v.(json.Number)
	return ok
}

// Number is the value as JavaScript reads it: too large is infinite.
func Number(v any) float64 {
	n, ok := v.(json.Number)
	if !ok {
		return math.NaN()
	}
	f, _ := n.Float64()
	return f
}
