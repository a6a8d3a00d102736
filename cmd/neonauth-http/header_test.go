package main

import (
	"encoding/json"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/client"
)

func everything() *selection {
	var s selection
	for i := range s.fields {
		s.fields[i] = true
	}
	return &s
}

func FuzzHeaderValuesAreHarmlessAndComeBack(f *testing.F) {
	for _, name := range hostileNames() {
		f.Add(name)
	}
	f.Add(strings.Repeat("é", 3000))
	f.Fuzz(func(t *testing.T, text string) {
		value := encode(text)
		if strings.ContainsFunc(value, func(r rune) bool { return r < 0x21 || r > 0x7e }) {
			t.Errorf("%q becomes %q", text, value)
		}
		if back, err := url.PathUnescape(value); len(value) <= maxIdentity && (err != nil || back != text) {
			t.Errorf("%q comes back as %q: %v", text, back, err)
		}
		u := user{id: text, email: text, name: text, team: text, session: text}
		id, err := identityOf(&u, &client.Accepted{Subject: text, JSON: []byte(`{}`)}, everything())
		size := 0
		for i, name := range fieldNames() {
			size += len(name) + len(id[i]) + 4
		}
		if size > maxIdentity || err != nil && id != (identity{}) {
			t.Errorf("%d bytes of headers, and %v", size, err)
		}
	})
}

// The scanner and encoding/json agree on every object.
func FuzzMembersAreTheObjects(f *testing.F) {
	for _, object := range []string{`{}`, `{"a":1}`, `{"a":"\\","b":{"c":[1,{"d":null}]},"e\u0066":"x\"y"}`, `{"a":[],"b":{},"c":""}`, `[`, `{"a":}`, `{"a":1,}`, `{"a"}`, `{"\\\"":"\\\\"}`} {
		f.Add([]byte(object))
	}
	f.Fuzz(func(t *testing.T, object []byte) {
		got := map[string]string{}
		whole := members(object, func(name []byte, value json.RawMessage) { got[string(name)] = string(value) })
		var raw map[string]json.RawMessage
		if json.Unmarshal(object, &raw) != nil || raw == nil {
			return // what comes from the daemon is an object; of others nothing is asked but to end
		}
		var compact strings.Builder
		for i, c := range object {
			if strings.ContainsRune(" \t\r\n", rune(c)) {
				return // and it is compact
			}
			compact.WriteByte(object[i])
		}
		want := map[string]string{}
		for name, value := range raw {
			want[name] = string(value)
		}
		if !whole || !reflect.DeepEqual(got, want) && !strings.Contains(compact.String(), "\xef\xbf\xbd") && json.Valid(object) && utf8Only(object) {
			t.Errorf("%s: %v, want %v", object, got, want)
		}
	})
}

func utf8Only(b []byte) bool { return strings.ToValidUTF8(string(b), "") == string(b) }

func TestClaimsHeaderHoldsWhatIsChosenAndFits(t *testing.T) {
	t.Parallel()
	object := `{"sub":"u","role":"admin","meta":{"plan":"pro"},"n\u0061me":"Ada"}`
	for _, test := range []struct {
		name string
		only []string
		room int
		want map[string]any
	}{
		{name: "all", room: 1000, want: map[string]any{"sub": "u", "role": "admin", "meta": map[string]any{"plan": "pro"}, "name": "Ada"}},
		{name: "chosen", only: []string{"meta", "name"}, room: 1000, want: map[string]any{"meta": map[string]any{"plan": "pro"}, "name": "Ada"}},
		{name: "none of them", only: []string{}, room: 1000, want: map[string]any{}},
		{name: "no room", room: 20},
	} {
		value := claimsValue([]byte(object), test.only, test.room)
		if test.want == nil {
			if value != "" {
				t.Errorf("%s: %q", test.name, value)
			}
			continue
		}
		if got := claimsOf(t, value); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}
