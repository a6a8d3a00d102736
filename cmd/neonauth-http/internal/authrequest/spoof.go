package authrequest

import (
	"net/http"
	"slices"
	"strings"
)

// identityPrefix is how the names of all identity headers begin.
const identityPrefix = "X-Auth-"

// namesItself reports whether an application could take a header of the visitor
// for one of ours. The web server has removed some headers before it asked; all
// others reach the application. carriers, a value of Vary, are the headers that
// may hold the token, and that a visitor may send.
func namesItself(h http.Header, carriers string) bool {
	for name := range h {
		if beginsAsOurs(name) && !slices.ContainsFunc(strings.Split(carriers, ", "), func(c string) bool { return strings.EqualFold(c, name) }) {
			return true
		}
	}
	return false
}

// beginsAsOurs reports whether a gateway interface (CGI, WSGI, Rack) can make
// of a header a variable that begins like those of the identity headers, with
// HTTP_X_AUTH_. Such interfaces make "_" of every character that is no letter
// and no digit.
func beginsAsOurs(name string) bool {
	if len(name) < len(identityPrefix) {
		return false
	}
	for i, want := range []byte(identityPrefix) {
		if got := name[i]; want == '-' && alphanumeric(got) || want != '-' && got|0x20 != want|0x20 {
			return false
		}
	}
	return true
}

func alphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}
