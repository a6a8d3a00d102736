package strictjson

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func TestALineIsOneForAnyReader(t *testing.T) {
	for payload, want := range map[string]string{
		" { \"a\" :\t[ 1 ,\r\n 2 ] } \n":                          `{"a":[1,2]}`,
		`{"a":" \t \" "}`:                                         `{"a":" \t \" "}`,
		"{\"a\":\"x\u2028y\u2029z\"}":                             `{"a":"x\u2028y\u2029z"}`,
		"{\"a\":\"\u007f\u0080\u009f\"}":                          `{"a":"\u007f\u0080\u009f"}`,
		"{\"\u0085\":\"\u00a0é€\u202e\"}":                         "{\"\\u0085\":\"\u00a0é€\u202e\"}",
		"{\"a\":\"\u2027\u202a\"}":                                "{\"a\":\"\u2027\u202a\"}",
		`{"n":1.50e+03,"m":-0.0,"big":1234567890123456789012345}`: `{"n":1.50e+03,"m":-0.0,"big":1234567890123456789012345}`,
		`{"a":"\u2028\/\u00e9\ud83d\ude00"}`:                      `{"a":"\u2028\/\u00e9\ud83d\ude00"}`,
		`{"b":1,"a":2}`:                                           `{"b":1,"a":2}`,
		"{\"end\":\"\u2028\"}":                                    `{"end":"\u2028"}`,
	} {
		got := string(Line([]byte(payload)))
		if got != want {
			t.Errorf("%q became %q, want %q", payload, got, want)
		}
		var a, b any
		if json.Unmarshal([]byte(payload), &a) != nil || json.Unmarshal([]byte(got), &b) != nil || !reflect.DeepEqual(a, b) {
			t.Errorf("%q became another value", payload)
		}
		if len(strings.Split(got, "\n")) != 1 || strings.ContainsAny(got, "\r\u0085\u2028\u2029\v\f\x00") {
			t.Errorf("%q is not one line", got)
		}
	}
}
