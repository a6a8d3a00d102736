package upstream

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func TestObjectsAreReadStrictly(t *testing.T) {
	tests := []struct{ in, out string }{ // no out: refused
		{`{}`, `{}`},
		{" \t\r\n{ \"a\" : [ 1 , 2 ] }\n", `{"a":[1,2]}`},
		{`{"a":1e308,"b":1.0,"c":-0,"d":12345678901234567890,"e":1e-999}`, `{"a":1e308,"b":1.0,"c":-0,"d":12345678901234567890,"e":1e-999}`},
		{`{"a":1e999}`, ``},
		{`{"a":[{"b":-1e400}]}`, ``},
		{`{"a":"\u00e9\/\u0041"}`, `{"a":"\u00e9\/\u0041"}`},
		{"{\"a\":\"\u2028\u2029\u0085\U0001F600<&>\"}", "{\"a\":\"\\u2028\\u2029\\u0085\U0001F600<&>\"}"},
		{"{\"a\x7f\":\"\x7f\"}", `{"a\u007f":"\u007f"}`},
		{`{"a":{"a":1},"b":{"a":2}}`, `{"a":{"a":1},"b":{"a":2}}`},
		{`{"a":1,"A":2}`, `{"a":1,"A":2}`},
		{`{"email":1,"Email":2}`, ``},
		{`{"x":{"email":1,"Email":2}}`, `{"x":{"email":1,"Email":2}}`},
		{`{"a":1,"a":1}`, ``},
		{`{"a":1,"\u0061":1}`, ``},
		{`{"m":{"a":1,"a":1}}`, ``},
		{"{\"a\":\"\xff\"}", ``},
		{"{\"a\":\"\xc0\x80\"}", ``},
		{`{"a":"Zo\ud83d","b":["\ude00"]}`, `{"a":"Zo\ud83d","b":["\ude00"]}`},
		{`{"a\ud83d":1}`, ``},
		{`{"a":{"b\u0000":1}}`, ``},
		{"{\"a\":\"\n\"}", ``},
		{"{\"a\":\"\x00\"}", ``},
		{"\ufeff{}", ``},
		{`{}{}`, ``},
		{`{} x`, ``},
		{`{"a":1,}`, ``},
		{`{"a":NaN}`, ``},
		{`{'a':1}`, ``},
		{`{"a":01}`, ``},
		{`{"a"`, ``},
		{`null`, ``}, {`[]`, ``}, {`"x"`, ``}, {`1`, ``}, {``, ``}, {` `, ``},
	}
	for _, test := range tests {
		o, err := readObject([]byte(test.in), profileRules)
		if (err == nil) != (test.out != "") || string(o.compact) != test.out {
			t.Errorf("%q: %q, %v", test.in, o.compact, err)
		}
	}
}

func TestMembersAreFoundByTheirExactName(t *testing.T) {
	o, err := readObject([]byte(`{"o":{"id":"inner"},"ID":"upper","i\u0064":"x\u0041","t":true,"f":false,"n":null,"s":"","c":"a\u0085b","l":"`+strings.Repeat("l", 256)+`","h":"a\ud83d"}`), documentRules)
	if err != nil {
		t.Fatal(err)
	}
	if o.text("id") != "xA" || o.text("Id") != "" || o.text("t") != "" {
		t.Error("wrong text")
	}
	if inner, ok := o.inner("o"); !ok || inner.text("id") != "inner" {
		t.Error("wrong inner object")
	}
	for _, name := range []string{"id2", "t", "n"} {
		if _, ok := o.inner(name); ok {
			t.Errorf("%s is no object", name)
		}
	}
	for name, want := range map[string][2]bool{"t": {true, true}, "f": {false, true}, "n": {false, true}, "absent": {false, true}, "s": {false, false}, "o": {false, false}} {
		if set, ok := o.flag(name); set != want[0] || ok != want[1] {
			t.Errorf("flag %s: %v, %v", name, set, ok)
		}
	}
	for name, want := range map[string]bool{"id": true, "s": false, "c": false, "l": false, "t": false, "h": false, "absent": false} {
		if _, ok := o.identifier(name); ok != want {
			t.Errorf("identifier %s: %v", name, ok)
		}
	}
}

func TestOnlyNullIsNull(t *testing.T) {
	for text, want := range map[string]bool{"null": true, " null\r\n\t": true, "": false, "Null": false, "null null": false, "null\x00": false, "\u00a0null": false, `"null"`: false} {
		if isNull([]byte(text)) != want {
			t.Errorf("%q", text)
		}
	}
}

// FuzzReadObject: whatever is accepted is one line of the same JSON, and reads the same again.
func FuzzReadObject(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":[1,{"b":"\u2028\\\""}],"c":null}`, " { } ", `{"a":1,"a":2}`, "{\"\x7f\":1e9}", `[`, strings.Repeat(`{"a":`, 70)} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		o, err := readObject(slices.Clone(body), profileRules)
		if err != nil {
			return
		}
		if !json.Valid(body) {
			t.Fatal("accepted what is not JSON")
		}
		oneLine(t, o.compact)
		sameJSON(t, o.compact, body)
		again, err := readObject(slices.Clone(o.compact), profileRules)
		if err != nil || string(again.compact) != string(o.compact) {
			t.Fatalf("not stable: %v", err)
		}
	})
}
