package httpauth

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Place is where a request may carry its token: one of the constants, or the
// result of Header or Cookie. The text of a place is the same in every language
// and in the configuration of neonauth-http.
//
// Take a token from a cookie only if you need to, and protect the application
// against cross-site request forgery then: a browser sends cookies also with
// requests that a page of another site makes. In every request that changes
// something, check the header Origin or a token of your own.
type Place string

const (
	// SDKHeaders are the headers x-stack-access-token and
	// x-hexclave-access-token, which the documentation of Neon Auth names for
	// the token, and x-stack-auth, which holds a JSON object with the token.
	SDKHeaders Place = "sdk-header"

	// Authorization is the header Authorization with the scheme Bearer (RFC
	// 6750 section 2.1). It holds a token, or the SDK's envelope
	// "stackauth_..." or "hexclave_...".
	Authorization Place = "authorization"

	// SDKCookies are the cookies hexclave-access and stack-access of the SDK
	// for Neon Auth on Stack Auth. Read about request forgery at Place.
	SDKCookies Place = "sdk-cookie"

	// SessionCookie is the cookie __Secure-neon-auth.session_token, the session
	// of Neon Auth on Better Auth. It counts only where the profile is asked
	// for, because it is not an access token. Read about request forgery at
	// Place.
	SessionCookie Place = "session-cookie"
)

// Header returns the place for the header with this name. It may hold the token
// alone, or after the scheme Bearer.
func Header(name string) Place { return Place(headerPrefix + name) }

// Cookie returns the place for the cookie with this name; its value is the
// token. Read about request forgery at Place.
func Cookie(name string) Place { return Place(cookiePrefix + name) }

// Headers returns the places that are safe against request forgery: SDKHeaders
// and Authorization. No browser sends these headers by itself. The caller may
// change the slice.
func Headers() []Place { return []Place{SDKHeaders, Authorization} }

const (
	headerPrefix = "header:"
	cookiePrefix = "cookie:"

	// MaxPlaceName bounds the name of a header or cookie, in bytes.
	MaxPlaceName = 256
)

// The headers and cookies of the constants. The headers are in canonical form.
const (
	stackAccessToken    = "X-Stack-Access-Token"
	hexclaveAccessToken = "X-Hexclave-Access-Token"
	stackAuth           = "X-Stack-Auth"
	hexclaveCookie      = "hexclave-access"
	stackCookie         = "stack-access"
	sessionCookie       = "__Secure-neon-auth.session_token"
)

// reserved returns the place that reads a header or cookie whose value is more
// than a token. ok is false if p is none of them.
func reserved(p Place) (place Place, ok bool) {
	switch p {
	case Header("Authorization"):
		return Authorization, true
	case Header(stackAccessToken), Header(hexclaveAccessToken), Header(stackAuth):
		return SDKHeaders, true
	case Cookie(hexclaveCookie), Cookie(stackCookie):
		return SDKCookies, true
	default:
		return "", false
	}
}

// check returns the place with its header in canonical form. The error says
// what would be valid.
func (p Place) check() (Place, error) {
	if slices.Contains([]Place{SDKHeaders, Authorization, SDKCookies, SessionCookie}, p) {
		return p, nil
	}
	header, isHeader := strings.CutPrefix(string(p), headerPrefix)
	cookie, isCookie := strings.CutPrefix(string(p), cookiePrefix)
	name := header
	switch {
	case isHeader:
		p = Header(http.CanonicalHeaderKey(header))
	case isCookie:
		name = cookie
	default:
		return "", fmt.Errorf(`%s is not "authorization", "sdk-header", "sdk-cookie", "session-cookie", "header:NAME" or "cookie:NAME"`, shown(string(p)))
	}
	switch place, taken := reserved(p); {
	case taken:
		return "", fmt.Errorf("%s is not a token alone: name the place %q instead", shown(string(p)), string(place))
	case p == Header("Cookie"):
		return "", fmt.Errorf(`%s is not one cookie: name it with "cookie:NAME" instead`, shown(string(p)))
	case !isName(name):
		return "", fmt.Errorf("%s is not a place: a name has 1 to %d letters, digits and characters of !#$%%&'*+-.^_`|~", shown(string(p)), MaxPlaceName)
	}
	return p, nil
}

// isName reports whether s can be the name of a header or a cookie: a token of
// RFC 9110 section 5.6.2, which RFC 6265 uses for names of cookies too.
func isName(s string) bool {
	return s != "" && len(s) <= MaxPlaceName && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}

// rank returns the position of the place in the order of the search.
func (p Place) rank() int {
	order := []Place{SDKHeaders, Authorization, SDKCookies, SessionCookie}
	if i := slices.Index(order, p); i >= 0 {
		return i
	}
	return len(order) // the application's own header or cookie
}

// vary returns the names of the headers that the place reads.
func (p Place) vary() []string {
	switch p {
	case Authorization:
		return []string{"Authorization"}
	case SDKHeaders:
		return []string{stackAccessToken, hexclaveAccessToken, stackAuth}
	default:
		if header, ok := strings.CutPrefix(string(p), headerPrefix); ok {
			return []string{header}
		}
		return []string{"Cookie"}
	}
}

// shown makes a foreign word safe for an error: quoted and cut.
func shown(word string) string {
	const most = 60
	if len(word) > most {
		return strconv.QuoteToASCII(word[:most]) + "..."
	}
	return strconv.QuoteToASCII(word)
}
