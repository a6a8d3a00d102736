package strictjson

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

var strict = Rules{MaxDepth: 16, Read: NewNames("sub", "kid", "emailVerified")}

func TestOnlyOneStrictObjectIsTaken(t *testing.T) {
	for _, c := range []struct{ text, member, what string }{ // what "": accepted
		{`{}`, "", ""}, {" \t\r\n{ } \n", "", ""}, {`{"a":1,"b":[1,{"a":null}],"c":"x"}`, "", ""},
		{`{"a":1,"A":2,"Sub":3}`, "", ""}, {`{"sub":1,"o":{"SUB":1,"sub":2}}`, "", ""}, {`{"":1}`, "", ""},
		{`{"a":"\ud83d","b":["\ude00\ud83d"]}`, "", ""}, {`{"a":"\u0000\n"}`, "", ""}, {`{"a":1e999}`, "", ""},
		{"{\"a\":\"\u007f\u0085\u2028\"}", "", ""},

		{``, "", NotJSON}, {` `, "", NotJSON}, {`{`, "", NotJSON}, {`{"a"`, "a", NotJSON}, {`{"a":`, "a", NotJSON}, {`{"a":1`, "", NotJSON},
		{`{"a":1,}`, "", NotJSON}, {`{'a':1}`, "", NotJSON}, {`{a:1}`, "", NotJSON}, {`{1:1}`, "", NotJSON}, {`{"a":01}`, "", NotJSON},
		{`{"a":NaN}`, "a", NotJSON}, {`{"a":[1,]}`, "a", NotJSON}, {`{"a":[}`, "a", NotJSON}, {`{"a":{]}`, "a", NotJSON}, {`{"a":{"b"}}`, "a", NotJSON},
		{`{"a":{1:2}}`, "a", NotJSON}, {"{\"a\":\"\n\"}", "a", NotJSON}, {`{"a":"\x"}`, "a", NotJSON}, {`{"a" 1}`, "a", NotJSON}, {"\ufeff{}", "", NotJSON},
		{`nul`, "", NotJSON}, {`[1`, "", NotJSON},
		{`null`, "", NotObject}, {`[]`, "", NotObject}, {`"{}"`, "", NotObject}, {`1`, "", NotObject}, {`true`, "", NotObject},
		{`{}{}`, "", Trailing}, {`{} 1`, "", Trailing}, {`{}x`, "", Trailing}, {"{}\x00", "", Trailing},
		{"{\"a\":\"\xff\"}", "", NotUTF8}, {"{\"a\":\"\xed\xa0\x80\"}", "", NotUTF8}, {"{\"\xc0\x80\":1}", "", NotUTF8},
		{`{"a":1,"a":1}`, "a", GivenTwice}, {`{"a":1,"\u0061":1}`, "a", GivenTwice}, {`{"":1,"":2}`, "", GivenTwice}, {`{"o":{"a":1,"a":1}}`, "o", GivenTwice}, {`{"o":[[{"a":1,"\u0061":1}]]}`, "o", GivenTwice},
		{`{"sub":1,"SUB":2}`, "SUB", CaseTwins}, {`{"\u017fub":1,"sub":2}`, "sub", CaseTwins}, {`{"kid":1,"\u212aid":2}`, "\u212aid", CaseTwins},
		{`{"emailverified":1,"emailVerified":2}`, "emailVerified", CaseTwins},
		{`{"a\u0000":1}`, "a\x00", OddName}, {`{"\ud83d":1}`, "\ufffd", OddName}, {`{"o":{"\n":1}}`, "o", OddName}, {`{"o":[{"a\udc00b":1}]}`, "o", OddName},
		{`{"x":` + strings.Repeat("[", 15) + strings.Repeat("]", 15) + `}`, "", ""},
		{`{"x":` + strings.Repeat("[", 16) + strings.Repeat("]", 16) + `}`, "x", TooDeep},
		{strings.Repeat(`{"a":`, 16) + "1" + strings.Repeat("}", 16), "", ""},
		{strings.Repeat(`{"a":`, 17) + "1" + strings.Repeat("}", 17), "a", TooDeep},
		{`{"x":` + strings.Repeat("[", 100000), "x", TooDeep},
	} {
		err := strict.Members([]byte(c.text), nil)
		if c.what == "" {
			if err != nil {
				t.Errorf("%.80q: %v", c.text, err)
			}
			continue
		}
		var fault *Fault
		if !errors.As(err, &fault) || fault.What != c.what || fault.Member != c.member {
			t.Errorf("%.80q: %+v, want %s in %q", c.text, err, c.what, c.member)
		}
		if err != nil && strings.Contains(err.Error(), `"`) {
			t.Errorf("%.80q: the error may hold foreign text: %v", c.text, err)
		}
	}
}

func TestNumbersHaveToBeFiniteWhereAsked(t *testing.T) {
	for number, finite := range map[string]bool{
		"1e308": true, "-1.7976931348623157e308": true, "1e-999": true, "-0": true, strings.Repeat("9", 308): true,
		"1e309": false, "-1e999": false, strings.Repeat("9", 400): false, "1" + strings.Repeat("0", 309): false,
	} {
		for _, text := range []string{`{"x":%s}`, `{"x":[[{"y":%s}]]}`} {
			text := fmt.Appendf(nil, text, number)
			if err := (Rules{Finite: true}).Members(text, nil); (err == nil) != finite {
				t.Errorf("%.60s: %v", text, err)
			}
			if err := (Rules{}).Members(text, nil); err != nil {
				t.Errorf("%.60s: %v", text, err)
			}
		}
	}
}

func TestMembersComeInOrderAsTheyStand(t *testing.T) {
	text := " {\"z\" : [ 1 ,2 ] ,\n\"a\\u0062\":\t\"\\u0041\" , \"\":{ \"x\" : null }, \"n\":-1.50e+3 } "
	want := []string{"z=[ 1 ,2 ]", `ab="\u0041"`, `={ "x" : null }`, "n=-1.50e+3"}
	for _, rules := range []Rules{strict, {}, {Loose: true}} {
		var got []string
		if err := rules.Members([]byte(text), func(name []byte, value Value) error {
			got = append(got, string(name)+"="+string(value))
			return nil
		}); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q, %v", got, err)
		}
	}
	stop := errors.New("stop")
	n := 0
	if err := strict.Members([]byte(`{"a":1,"b":2,"c":}`), func([]byte, Value) error {
		if n++; n == 2 {
			return stop
		}
		return nil
	}); err != stop || n != 2 {
		t.Errorf("%d members, %v", n, err)
	}
}

func TestLooseRulesJudgeSyntaxAlone(t *testing.T) {
	rules := Rules{Loose: true, Read: NewNames("keys")}
	for _, text := range []string{`{"a":1,"a":2}`, "{\"a\":\"\xff\"}", `{"a":{"b":1,"b":2}}`, `{"a\u0000":1,"\ud83d":2}`, `{"a":1e999,"x":` + strings.Repeat("[", 500) + strings.Repeat("]", 500) + `}`} {
		if err := rules.Members([]byte(text), nil); err != nil {
			t.Errorf("%.60q: %v", text, err)
		}
	}
	for _, text := range []string{`{"keys":1,"keys":2}`, `{"keys":1,"Keys":2}`, `{"a":1`, `{"a":1,}`, `[]`, `{}{}`, `{"x":` + strings.Repeat("[", 100000)} {
		if err := rules.Members([]byte(text), nil); err == nil {
			t.Errorf("%.60q was taken", text)
		}
	}
}

func TestElementsComeInOrderAndAreCounted(t *testing.T) {
	for _, c := range []struct {
		text string
		most int
		want string // joined; "-": refused
	}{
		{`[]`, 1, ""}, {`[ 1 , "a" ,{"b":[2]}, [ ] ]`, 4, `1|"a"|{"b":[2]}|[ ]`}, {`[1,2,3]`, 2, "-"}, {`[1,2,3]`, 3, "1|2|3"}, {`[1,2,3]`, 0, "1|2|3"},
		{`{}`, 0, "-"}, {`"[]"`, 0, "-"}, {`null`, 0, "-"}, {``, 0, "-"}, {`[1`, 0, "-"}, {`[1,]`, 0, "-"},
	} {
		var got []string
		err := Elements(Value(c.text), c.most, func(value Value) error {
			got = append(got, string(value))
			return nil
		})
		if (err != nil) != (c.want == "-") || err == nil && strings.Join(got, "|") != c.want {
			t.Errorf("%s, at most %d: %q, %v", c.text, c.most, got, err)
		}
	}
}

func TestTextSaysWhetherItIsExact(t *testing.T) {
	for value, want := range map[string]string{`""`: "", `"a"`: "a", `"\u0041\n\""`: "A\n\"", `"\ud83d\ude00"`: "😀", `"é"`: "é", "\"\u007f\"": "\u007f"} {
		if text, exact := Text(Value(value)); text != want || !exact {
			t.Errorf("%s: %q, %v", value, text, exact)
		}
	}
	for value, want := range map[string]string{`"Zo\ud83d"`: "Zo\ufffd", `"\ude00\ud83d"`: "\ufffd\ufffd", `1`: "", `null`: "", `true`: "", `{}`: "", `[]`: "", ``: ""} {
		if text, exact := Text(Value(value)); text != want || exact {
			t.Errorf("%s: %q, %v", value, text, exact)
		}
		if id, ok := Identifier(Value(value)); id != "" || ok {
			t.Errorf("%s identifies %q", value, id)
		}
	}
	for value, want := range map[string]bool{`"a"`: true, `""`: true, `"é😀"`: true, `"a b"`: true, `"\n"`: false, `"a\u0000"`: false, "\"\u007f\"": false, `"\u0085"`: false} {
		if _, ok := Identifier(Value(value)); ok != want {
			t.Errorf("%s: %v", value, ok)
		}
	}
}

// seeds returns objects, and texts that look like objects.
func seeds() []string {
	return []string{
		`{}`, `{"a":1}`, `{"a":"\\","b":{"c":[1,{"d":null}]},"e\u0066":"x\"y"}`, `{"a":[],"b":{},"c":""}`, `[`, `{"a":}`, `{"a":1,}`, `{"a"}`,
		`{"\\\"":"\\\\"}`, " {\"a\" :\t1e999 }\n", `{"a":1,"a":2}`, `{"sub":1,"SUB":2}`, `{"a":"\ud83d"}`, "{\"\x7f\":\"\u2028\"}", "{\"a\":\"\xff\"}", `{"a":{"b":[[[]]]}}`,
	}
}

// FuzzMembers compares what is accepted, and what is read from it, with
// encoding/json.
func FuzzMembers(f *testing.F) {
	for _, seed := range seeds() {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got := map[string]string{}
		err := strict.Members(text, func(name []byte, value Value) error {
			if _, again := got[string(name)]; again {
				t.Errorf("%q comes twice", name)
			}
			got[string(name)] = string(value)
			return nil
		})
		loosely := map[string]string{}
		whole := Each(text, func(name []byte, value Value) { loosely[string(name)] = string(value) })
		if valid := json.Valid(text); !valid && (err == nil || whole) {
			t.Fatal("taken, and no JSON")
		}
		if err != nil {
			var fault *Fault
			if !errors.As(err, &fault) || fault.What == "" {
				t.Errorf("refused for no reason: %v", err)
			}
			return
		}
		var raw map[string]json.RawMessage
		if e := json.Unmarshal(text, &raw); e != nil || len(raw) != len(got) || len(loosely) != len(got) || !utf8.Valid(text) {
			t.Fatalf("%d members, %d loosely, others find %d: %v", len(got), len(loosely), len(raw), e)
		}
		for name, value := range raw {
			if got[name] != string(value) || loosely[name] != got[name] {
				t.Errorf("%q: %s, loosely %s, others find %s", name, got[name], loosely[name], value)
			}
		}
	})
}

// FuzzLine makes lines of valid JSON, and takes members out of them.
func FuzzLine(f *testing.F) {
	for _, seed := range seeds() {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if strict.Members(text, nil) != nil {
			return
		}
		line := Line(slices.Clone(text))
		var a, b any
		if json.Unmarshal(text, &a) == nil && (json.Unmarshal(line, &b) != nil || fmt.Sprint(a) != fmt.Sprint(b)) {
			t.Errorf("%q became another value: %q", text, line)
		}
		for _, r := range string(line) {
			if r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' {
				t.Errorf("%q has %U", line, r)
			}
		}
		if err := strict.Members(line, nil); err != nil || string(Line(slices.Clone(line))) != string(line) {
			t.Errorf("not stable: %q, %v", line, err)
		}
		if rest := Without(line, []Path{{"\x00"}}); string(rest) != string(line) {
			t.Errorf("without nothing it is %q", rest)
		}
		rest := Without(line, []Path{{"a"}})
		if err := strict.Members(rest, func(name []byte, _ Value) error {
			if string(name) == "a" {
				return errors.New("still there")
			}
			return nil
		}); err != nil {
			t.Errorf("%q without a is %q: %v", line, rest, err)
		}
	})
}

// BenchmarkMembers walks a profile with a picture of half a megabyte.
func BenchmarkMembers(b *testing.B) {
	text := []byte(`{"id":"u","primary_email":"ada@example.org","selected_team":{"id":"t"},"n":[1,2,3],"profile_image_url":"` + strings.Repeat("A", 1<<19) + `"}`)
	for name, rules := range map[string]Rules{"strict": {MaxDepth: 64, Read: NewNames(UserNames()...), Finite: true}, "loose": {Loose: true}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if err := rules.Members(text, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("line", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			Line(text)
		}
	})
}

func TestNamesHaveABound(t *testing.T) {
	names := make([]string, maxNames+1)
	for i := range names {
		names[i] = fmt.Sprint("name", i)
	}
	n := NewNames(append(names[:maxNames:maxNames], "NAME1")...)
	seen := uint64(0)
	for _, name := range names[:maxNames] {
		seen |= n.bit([]byte(name))
	}
	if seen != math.MaxUint64 || n.bit([]byte(names[maxNames])) != 0 || (*Names)(nil).bit([]byte("a")) != 0 {
		t.Error("the names are not told apart")
	}
	defer func() {
		if recover() == nil {
			t.Error("one name too many was taken")
		}
	}()
	NewNames(names...)
}

// TestManyNamesAreToldApart, whatever their number. The time grows no faster
// than the number.
func TestManyNamesAreToldApart(t *testing.T) {
	for _, n := range []int{0, 1, 10, 300, 900, 1100, 50_000} {
		var text strings.Builder
		text.WriteString("{")
		for i := range n {
			fmt.Fprintf(&text, `"name%d":1,`, i)
		}
		whole := text.String()
		if err := strict.Members([]byte(whole+`"last":1}`), nil); err != nil {
			t.Errorf("%d names: %v", n, err)
		}
		for _, i := range []int{0, n / 2, n - 1} {
			if n == 0 {
				break
			}
			var fault *Fault
			name := fmt.Sprintf("name%d", i)
			if err := strict.Members([]byte(whole+`"`+name+`":1}`), nil); !errors.As(err, &fault) || fault.What != GivenTwice || fault.Member != name {
				t.Errorf("%d names, number %d again: %v", n, i, err)
			}
		}
	}
}
