// Package ordered writes JSON objects whose members keep their order, as the genuine services do.
package ordered

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Object is a JSON object that keeps the order of its members: the real services emit theirs in a
// fixed order, and a consumer that depends on it should find the same order here.
type Object []Member

// Member is a name, which is a string, and a value.
type Member [2]any

// MarshalJSON writes the members in order, compact and without HTML escapes.
func (o Object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		for _, part := range m {
			text, err := compact(part)
			if err != nil {
				return nil, fmt.Errorf("member %v: %w", m[0], err)
			}
			b.Write(text)
			b.WriteByte(':')
		}
		b.Truncate(b.Len() - 1)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// With returns a copy in which the named members are replaced in place, or appended in the order of
// their names.
func (o Object) With(changes map[string]any) Object {
	out := slices.Clone(o)
	for _, name := range slices.Sorted(maps.Keys(changes)) {
		i := slices.IndexFunc(out, func(m Member) bool { return m[0] == name })
		if i < 0 {
			out = append(out, Member{name, changes[name]})
			continue
		}
		out[i][1] = changes[name]
	}
	return out
}

// Without returns a copy that lacks the named members.
func (o Object) Without(names []string) Object {
	return slices.DeleteFunc(slices.Clone(o), func(m Member) bool {
		return slices.ContainsFunc(names, func(name string) bool { return m[0] == name })
	})
}

// compact is compact JSON as JavaScript writes it: no HTML escapes.
func compact(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// Encode is encode for values that this package made itself or a test handed in.
func Encode(v any) []byte {
	text, err := compact(v)
	if err != nil {
		panic("standin: " + err.Error())
	}
	return text
}

// OrNull is the JSON null for an empty text.
func OrNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// ISOTime is a time as JavaScript's toISOString writes it.
func ISOTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
