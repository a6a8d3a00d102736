package strictjson

import (
	"strings"
	"testing"
)

func TestWithheldMembersAreCutOutAndTheRestIsUntouched(t *testing.T) {
	for _, c := range []struct{ name, body, withhold, want string }{
		{"none of it", `{"a":1,"b":2}`, "c", `{"a":1,"b":2}`},
		{"first", `{"a":1,"b":2}`, "a", `{"b":2}`},
		{"last", `{"a":1,"b":2}`, "b", `{"a":1}`},
		{"all", `{"a":1,"b":2}`, "a b", `{}`},
		{"whole objects", `{"a":{"b":{"c":[1,{"d":2}]}},"e":3}`, "a", `{"e":3}`},
		{"nested", `{"a":{"b":1,"c":2},"b":3}`, "a.b", `{"a":{"c":2},"b":3}`},
		{"nested thrice", `{"a":{"b":{"c":1,"d":2}}}`, "a.b.c", `{"a":{"b":{"d":2}}}`},
		{"not above", `{"a":{"b":1}}`, "b", `{"a":{"b":1}}`},
		{"in each element", `{"a":[{"b":1,"c":2},{"b":3},4,[{"b":5}],null]}`, "a.b", `{"a":[{"c":2},{},4,[{}],null]}`},
		{"path through a text", `{"a":"b"}`, "a.b", `{"a":"b"}`},
		{"path through null", `{"a":null}`, "a.b", `{"a":null}`},
		{"shorter wins", `{"a":{"b":1}}`, "a.b a", `{}`},
		{"two below one", `{"a":{"b":1,"c":2,"d":3}}`, "a.b a.c", `{"a":{"d":3}}`},
		{"name in escapes", `{"\u0061":1,"b":2}`, "a", `{"b":2}`},
		{"case matters", `{"A":1,"a":2}`, "a", `{"A":1}`},
		{"empty object", `{}`, "a", `{}`},
		{"digits", `{"a":{"x":1.10,"y":1e5,"z":100000000000000000001,"m":-0},"b":0}`, "b", `{"a":{"x":1.10,"y":1e5,"z":100000000000000000001,"m":-0}}`},
		{"escapes in values", `{"a":"\u00e9\u2028\u003c\/\n","b":0}`, "b", `{"a":"\u00e9\u2028\u003c\/\n"}`},
		{"escapes in names", `{"a":{"\u2028\u007f\/":1,"c":2},"b":0}`, "b a.c", `{"a":{"\u2028\u007f\/":1}}`},
		{"order", `{"z":1,"b":0,"a":2,"m":3}`, "b", `{"z":1,"a":2,"m":3}`},
		{"what cannot be walked is not given", `{"a":1,"b":`, "b", `{}`},
		{"nor half of it", `{"a":1`, "b", `{}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var paths []Path
			for _, path := range strings.Fields(c.withhold) {
				paths = append(paths, strings.Split(path, "."))
			}
			if got := string(Without([]byte(c.body), paths)); got != c.want {
				t.Errorf("%s\nwant %s", got, c.want)
			}
		})
	}
}
