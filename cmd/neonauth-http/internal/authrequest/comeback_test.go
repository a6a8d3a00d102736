package authrequest

import (
	"net/url"
	"strings"
	"testing"
)

func TestWhereToComeBackToIsOneValueOfThisSite(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxReturn-len("%2F")) // with its slash as long as it may be
	for target, want := range map[string]string{
		"/":                              "/",
		"/x?a=1&b=2":                     "/x?a=1&b=2",
		"/x?return=https://evil.example": "/x?return=https://evil.example",
		"/x?":                            "/x?",
		"/x?//y":                         "/x?//y",
		`/x?\y`:                          `/x?\y`,
		"/caf%C3%A9?q=a+b%20c":           "/caf%C3%A9?q=a+b%20c",
		"/\xff":                          "/\xff",
		"/\x01":                          "/",
		"/\t/evil.example/":              "/",
		"/\n/evil.example/":              "/",
		"/\x7f/evil.example/":            "/",
		"/x?\t/y":                        "/x?\t/y",
		"/x//y":                          "/x//y",
		"//evil.example/":                "/",
		`/\evil.example/`:                "/",
		`/x\y`:                           "/",
		"https://evil.example/":          "/",
		"":                               "/",
		"*":                              "/",
		"?x":                             "/",
		"/" + long[1:]:                   "/" + long[1:],
		"/" + long:                       "/" + long,
		"/" + long + "x":                 "/",
		"/y?" + long:                     "/y",
		"/" + long + "?":                 "/" + long,
		"/" + long + "x?y":               "/",
	} {
		value := returnTo(target)
		got, err := url.QueryUnescape(value)
		if err != nil || got != want || len(value) > maxReturn || strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("&=#?/;", r) }) {
			t.Errorf("%.80q becomes %.80q, which is %.80q (%v)", target, value, got, err)
		}
	}
}
