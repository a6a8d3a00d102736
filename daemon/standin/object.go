package standin

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// object is a JSON object that keeps the order of its members: the real services emit theirs in a
// fixed order, and a consumer that quietly depends on it should meet the same one here.
type object []member

type member struct {
	name  string
	value any
}

// MarshalJSON writes the members in order, compact and without HTML escapes.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		for _, part := range []any{m.name, m.value} {
			text, err := encode(part)
			if err != nil {
				return nil, fmt.Errorf("member %q: %w", m.name, err)
			}
			b.Write(text)
			b.WriteByte(':')
		}
		b.Truncate(b.Len() - 1)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// with returns a copy in which the named members are replaced in place, or appended in the order of
// their names.
func (o object) with(changes map[string]any) object {
	out := slices.Clone(o)
	for _, name := range slices.Sorted(maps.Keys(changes)) {
		i := slices.IndexFunc(out, func(m member) bool { return m.name == name })
		if i < 0 {
			out = append(out, member{name, changes[name]})
			continue
		}
		out[i].value = changes[name]
	}
	return out
}

// without returns a copy that lacks the named members.
func (o object) without(names []string) object {
	return slices.DeleteFunc(slices.Clone(o), func(m member) bool { return slices.Contains(names, m.name) })
}

// encode is compact JSON as JavaScript writes it: no HTML escapes.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// mustEncode is encode for values that this package made itself or a test handed in.
func mustEncode(v any) []byte {
	text, err := encode(v)
	if err != nil {
		panic("standin: " + err.Error())
	}
	return text
}

// orNull is the JSON null for an empty text.
func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// isoTime is a time as JavaScript's toISOString writes it.
func isoTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// newUUID returns a random UUID of version 4 (RFC 9562).
func newUUID() string {
	var b [16]byte
	rand.Read(b[:])
	return uuidOf(b)
}

// uuidOf makes a UUID of version 4 of random bytes.
func uuidOf(b [16]byte) string {
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
