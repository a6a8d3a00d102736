package keyset

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/protocol"
)

// badValues are texts in the place of a JSON value that are no JSON value, or
// one that must be refused, by the sections of RFC 8259.
func badValues() []string {
	return []string{
		// 2 and 3: structure and literals
		``, ` `, `nul`, `True`, `TRUE`, `tru`, `falsee`, `nan`, `undefined`, `NULL`, `a`, `é`, `*`, `;`, "\ufeff1", "1\ufeff",
		"\u00a01", "\u20281", "\v1", "\f1", "1\x00", "\x001", `1 2`, `1,`, `1}`, `1]`, `"a" "b"`, `// x`, `/* x */ 1`, `1 # x`,
		// 4: objects
		`{`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `{,}`, `{,"a":1}`, `{a:1}`, `{'a':1}`, `{1:1}`, `{null:1}`, `{"a" 1}`,
		`{"a"::1}`, `{"a",1}`, `{"a":1 "b":2}`, `{"a":1;"b":2}`, `{"a":1}}`, `{{}}`, `{[]:1}`, `{"a":}`, `{"a":1,,"b":2}`, `{"a":1]`,
		// 5: arrays
		`[`, `[1`, `[1,`, `[1,]`, `[,1]`, `[,]`, `[1,,2]`, `[1 2]`, `[1:2]`, `[1]]`, `[}`, `[1}`, `["a",`, `[a]`, `["a"`, `[[]`, `[1;2]`,
		// 6: numbers
		`+1`, `01`, `-01`, `00`, `-`, `--1`, `-+1`, `.5`, `-.5`, `1.`, `-1.`, `1.e1`, `1e`, `1e+`, `1e-`, `1ee1`, `1e1.5`, `1.2.3`, `0x1`, `1f`,
		`1L`, `1_000`, `Infinity`, `-Infinity`, `NaN`, `-NaN`, `1 000`, `１`, `0e`, `0.e1`, `1e1e1`, `- 1`, `1-2`, `1+2`, `0b1`, `1,5`,
		// 7: strings
		`"`, `"a`, `a"`, `'a'`, "`a`", `"\"`, `"\a"`, `"\x41"`, `"\0"`, `"\u"`, `"\u1"`, `"\u12"`, `"\u123"`, `"\u123g"`, `"\U0041"`, `"\ "`,
		"\"\n\"", "\"\t\"", "\"\r\"", "\"\x00\"", "\"\x1f\"", `"\ud83d\`, `"\ud83d\u"`, `"\'"`, `{"\ud83d":1}`, `[{"x":{"a\udc00":1}}]`, `{"\u0000":1}`, `{"a\u001fb":1}`, `"\` + "\n" + `"`, `"a"b"`,
		// 8.1: UTF-8
		"\"\xff\"", "\"\x80\"", "\"\xc0\x80\"", "\"\xc3\"", "\"\xc3(\"", "\"\xe2\x82\"", "\"\xed\xa0\x80\"", "\"\xed\xbf\xbf\"", "\"\xf4\x90\x80\x80\"",
		"\"\xf8\x88\x80\x80\x80\"", "\"\xf0\x80\x80\xaf\"", "\xff", "\xfe\xff\x00\"\x00a", "\xff\xfe\"\x00",
		// beyond the bounds
		strings.Repeat("[", 16) + strings.Repeat("]", 16), strings.Repeat(`{"a":`, 17) + "1" + strings.Repeat("}", 17),
		strings.Repeat("[", 2000), strings.Repeat("[", 2000) + strings.Repeat("]", 2000), strings.Repeat(`{"a":`, 700),
		strings.Repeat(`[{"a":`, 8) + "1" + strings.Repeat("}]", 8), `{"a":1,"a":1}`, `[{"a":1,"\u0061":1}]`,
	}
}

// goodValues are legal, however odd.
func goodValues() []string {
	return []string{
		`null`, `true`, `false`, `0`, `-0`, `-0.0`, `1e400`, `-1e400`, `1E+2`, `1e-2`, `0e1`, `123456789012345678901234567890`, `0.1234567890123456789`,
		`""`, `" "`, `"a/b"`, `"a\/b"`, `"\"\\\/\b\f\n\r\t"`, `"\u0000"`, `"\u2028"`, `"\ud83d\ude00"`, `"\uFFFF"`, `"\ufffe"`, "\"\u2028\u2029\u0085\u007f\"",
		`"\ud800"`, `"\udc00"`, `"\ud800\u0041"`, `"\ud800\ud800"`, `"\udc00\ud800"`, `"Zo\ud83d x"`, `"\uD83Dx"`, `["\ud83d",{"a":"\ude00"}]`,
		"\"\U0001f600\"", "\"\ufeff\"", "\"\uffff\"", "\"\u202e\"", `{}`, `[]`, `{"":1}`, `[[],[[]]]`, "[\t1\r\n, 2 ]", `{"a":{"a":{"a":1}}}`, `["\\"]`, `"\\\""`,
		strings.Repeat("[", 15) + strings.Repeat("]", 15), `"[[[[[[[[[[[[[[[[[[[[[[["`, `"{\"a\":{\"a\":[[["`, strings.Repeat(`{"a":`, 15) + "1" + strings.Repeat("}", 15),
		`[` + strings.Repeat("1,", 1000) + `1]`, `"` + strings.Repeat("é", 1000) + `"`,
	}
}

func TestPayloadAndHeaderAreStrictJSON(t *testing.T) {
	s, m := everyKey(t), minters()[EdDSA]
	if len(badValues()) < 150 {
		t.Fatalf("only %d bad texts", len(badValues()))
	}
	for _, bad := range badValues() {
		expect(t, testPolicy(), s, m.mint(m.header(), with(`"x":`+bad)), malformed)
		expect(t, testPolicy(), s, m.mint(`{"alg":"EdDSA","kid":"kid-EdDSA","x":`+bad+`}`, testPayload(nil)), malformed)
		if bad != "" {
			expect(t, testPolicy(), s, m.mint(m.header(), bad), malformed)
			expect(t, testPolicy(), s, m.mint(m.header(), testPayload(nil)+bad), map[bool]protocol.Outcome{true: accepted, false: malformed}[bad == " "])
		}
	}
	for _, good := range goodValues() {
		c := expect(t, testPolicy(), s, m.mint(m.header(), with(`"x":`+good)), accepted)
		var said, want map[string]any
		if json.Unmarshal(c.JSON, &said) == nil && json.Unmarshal([]byte(with(`"x":`+good)), &want) == nil && !reflect.DeepEqual(said, want) {
			t.Errorf("%.40s became another value", good)
		}
		if len(good) < 900 {
			expect(t, testPolicy(), s, m.mint(`{"alg":"EdDSA","kid":"kid-EdDSA","x":`+good+`}`, testPayload(nil)), accepted)
		}
	}
	for _, other := range []string{`[]`, `"x"`, `1`, `null`, `true`} {
		expect(t, testPolicy(), s, m.mint(m.header(), other), malformed)
	}
}

// hostilePayloads are payloads that cost much to read, as large as a token can
// be.
func hostilePayloads() map[string]string {
	var names strings.Builder
	for i := range 600 {
		fmt.Fprintf(&names, `,"%c%d":1`, 'a'+i%26, i)
	}
	return map[string]string{
		"deep":        with(`"x":` + strings.Repeat("[", 5800)),
		"wide":        testPayload(nil)[:len(testPayload(nil))-1] + names.String() + "}",
		"long string": with(`"x":"` + strings.Repeat("y", 5700) + `"`),
		"long number": with(`"x":` + strings.Repeat("9", 5700)),
		"long exp":    testPayload(map[string]any{"exp": raw("1.%s", strings.Repeat("9", 5700))}),
		"escapes":     with(`"x":"` + strings.Repeat(`\u0041`, 950) + `"`),
		"same names":  with(strings.TrimSuffix(strings.Repeat(`"a":1,`, 950), ",")),
	}
}

// BenchmarkHostilePayloads is to be compared with BenchmarkVerifyEdDSA.
func BenchmarkHostilePayloads(b *testing.B) {
	s, m := everyKey(b), minters()[EdDSA]
	for name, payload := range hostilePayloads() {
		token := []byte(m.mint(m.header(), payload))
		if !Gate(token) {
			b.Fatalf("%s: %d bytes", name, len(token))
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Verify(testPolicy(), s, token, testNow, nil)
			}
		})
	}
}

func TestHostilePayloadsHaveOneVerdict(t *testing.T) {
	s, m := everyKey(t), minters()[EdDSA]
	for name, payload := range hostilePayloads() {
		want := malformed
		if name == "wide" || name == "long string" || name == "long number" || name == "escapes" {
			want = accepted
		}
		if name == "long exp" {
			want = expired
		}
		expect(t, testPolicy(), s, m.mint(m.header(), payload), want)
	}
}
