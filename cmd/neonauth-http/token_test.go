package main

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func headers(lines ...string) http.Header {
	h := http.Header{}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		h.Add(name, value)
	}
	return h
}

// envelope is the SDK's getAuthorizationHeader.
func envelope(prefix, object string) string {
	return "Authorization: Bearer " + prefix + base64.StdEncoding.EncodeToString([]byte(object))
}

func TestTokenIsFoundWhereTheSDKsPutIt(t *testing.T) {
	t.Parallel()
	pair := `{"accessToken":"aa.bb.cc","refreshToken":"secret"}`
	packed := url.QueryEscape(`["secret","aa.bb.cc"]`)
	for _, test := range []struct {
		name  string
		lines []string
		token string
		err   error
	}{
		{name: "nowhere"},
		{name: "authorization", lines: []string{"Authorization: Bearer aa.bb.cc"}, token: "aa.bb.cc"},
		{name: "scheme in any case", lines: []string{"Authorization: bEARER   aa.bb.cc "}, token: "aa.bb.cc"},
		{name: "scheme of another alphabet", lines: []string{"Authorization: Beare\u211b aa.bb.cc"}},
		{name: "another scheme", lines: []string{"Authorization: Basic aa.bb.cc"}},
		{name: "a scheme that begins so", lines: []string{"Authorization: Bearerx aa.bb.cc"}},
		{name: "scheme alone", lines: []string{"Authorization: Bearer"}},
		{name: "scheme and a blank", lines: []string{"Authorization: Bearer "}},
		{name: "former envelope", lines: []string{envelope("stackauth_", pair)}, token: "aa.bb.cc"},
		{name: "present envelope", lines: []string{envelope("hexclave_", pair)}, token: "aa.bb.cc"},
		{name: "envelope without padding", lines: []string{strings.TrimRight(envelope("hexclave_", pair), "=")}, token: "aa.bb.cc"},
		{name: "envelope with two tokens", lines: []string{envelope("stackauth_", `{"accessToken":"aa.bb.cc","accessToken":"dd.ee.ff"}`)}, err: errTwoTokens},
		{name: "envelope with one token twice", lines: []string{envelope("stackauth_", `{"accessToken":"aa.bb.cc","accessToken":"aa.bb.cc"}`)}, token: "aa.bb.cc"},
		{name: "object with a name in another case", lines: []string{`X-Stack-Auth: {"accessToken":"aa.bb.cc","ACCESSTOKEN":"dd.ee.ff"}`}, token: "aa.bb.cc"},
		{name: "object with two tokens, one spelled with an escape", lines: []string{`X-Stack-Auth: {"accessToken":"aa.bb.cc","\u0061ccessToken":"dd.ee.ff"}`}, err: errTwoTokens},
		{name: "object and more", lines: []string{`X-Stack-Auth: {"accessToken":"aa.bb.cc"}{}`}},
		{name: "envelope without a token", lines: []string{envelope("hexclave_", `{"accessToken":null,"refreshToken":"secret"}`)}},
		{name: "envelope of nothing", lines: []string{envelope("hexclave_", "")}},
		{name: "envelope of a list", lines: []string{envelope("hexclave_", `["secret","aa.bb.cc"]`)}},
		{name: "envelope that is none", lines: []string{"Authorization: Bearer hexclave_%%%"}},
		{name: "header", lines: []string{"X-Stack-Access-Token: aa.bb.cc"}, token: "aa.bb.cc"},
		{name: "header of the new name", lines: []string{"X-Hexclave-Access-Token: aa.bb.cc"}, token: "aa.bb.cc"},
		{name: "former header", lines: []string{"X-Stack-Auth: " + pair}, token: "aa.bb.cc"},
		{name: "refresh token is none", lines: []string{"X-Stack-Refresh-Token: secret", "Cookie: stack-refresh-x=secret"}},
		{name: "cookie", lines: []string{"Cookie: a=b; stack-access=" + packed + "; c=d"}, token: "aa.bb.cc"},
		{name: "cookie as it stands", lines: []string{`Cookie: stack-access=["secret","aa.bb.cc"]`}, token: "aa.bb.cc"},
		{name: "cookie of the new name", lines: []string{"Cookie: hexclave-access=" + packed}, token: "aa.bb.cc"},
		{name: "the newer cookie counts", lines: []string{"Cookie: stack-access=" + url.QueryEscape(`["secret","old"]`) + "; hexclave-access=" + packed}, token: "aa.bb.cc"},
		{name: "cookie in a second header", lines: []string{"Cookie: a=b", "Cookie: stack-access=" + packed}, token: "aa.bb.cc"},
		{name: "a name that ends so", lines: []string{"Cookie: x-stack-access=" + packed}},
		{name: "cookie of three", lines: []string{"Cookie: stack-access=" + url.QueryEscape(`["a","b","c"]`)}},
		{name: "cookie of one", lines: []string{"Cookie: stack-access=" + url.QueryEscape(`["aa.bb.cc"]`)}},
		{name: "cookie of an object", lines: []string{"Cookie: stack-access=" + url.QueryEscape(pair)}},
		{name: "cookie of another kind", lines: []string{"Cookie: stack-access=" + url.QueryEscape(`["secret",7]`)}},
		{name: "cookie that cannot be decoded", lines: []string{"Cookie: stack-access=%zz"}},
		{name: "the same token everywhere", lines: []string{"Authorization: Bearer aa.bb.cc", "X-Stack-Access-Token: aa.bb.cc", "Cookie: stack-access=" + packed}, token: "aa.bb.cc"},
		{name: "two headers", lines: []string{"X-Stack-Access-Token: aa.bb.cc", "X-Stack-Access-Token: dd.ee.ff"}, err: errTwoTokens},
		{name: "two authorizations", lines: []string{"Authorization: Bearer aa.bb.cc", "Authorization: Bearer dd.ee.ff"}, err: errTwoTokens},
		{name: "two cookies", lines: []string{"Cookie: stack-access=" + packed + "; stack-access=" + url.QueryEscape(`["x","dd.ee.ff"]`)}, err: errTwoTokens},
		{name: "two places", lines: []string{"Authorization: Bearer aa.bb.cc", "Cookie: stack-access=" + url.QueryEscape(`["x","dd.ee.ff"]`)}, err: errTwoTokens},
	} {
		set, err := loadSettings("")
		if err != nil {
			t.Fatal(err)
		}
		token, err := findToken(headers(test.lines...), set.places)
		if !errors.Is(err, test.err) || token != test.token {
			t.Errorf("%s: %q and %v, want %q and %v", test.name, token, err, test.token, test.err)
		}
		if strings.Contains(token, "secret") {
			t.Errorf("%s: the refresh token came out", test.name)
		}
	}
}

func TestTokenIsFoundWhereTheConfigurationSays(t *testing.T) {
	t.Parallel()
	everything := []string{"Authorization: Bearer auth", "X-Stack-Access-Token: sdk", "X-Own: own", "Cookie: session=cookie; stack-access=" + url.QueryEscape(`["x","sdkcookie"]`)}
	for place, want := range map[string]string{
		"authorization": "auth", "sdk-header": "sdk", "sdk-cookie": "sdkcookie", "header:X-Own": "own", "header:x-own": "own", "cookie:session": "cookie",
	} {
		all, err := places(&[]string{place})
		if err != nil {
			t.Fatal(err)
		}
		if token, err := findToken(headers(everything...), all); err != nil || token != want {
			t.Errorf("%s: %q and %v, want %q", place, token, err, want)
		}
	}
}
