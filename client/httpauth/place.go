package httpauth

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Place is where a request may carry its token: one of the constants, or what
// Header and Cookie return. As text, a place is written the same way in every
// language and in the configuration of neonauth-http.
//
// Browsers send cookies along with requests that another site's page makes
// (cross-site request forgery), so a cookie counts only where the application
// asks for it: one that takes its token from a cookie has to check Origin or a
// token of its own in every request that changes something.
type Place string

const (
	// SDKHeaders are x-stack-access-token and x-hexclave-access-token, where
	// the documentation of Neon Auth puts the token, and x-stack-auth, which
	// holds it in a JSON object.
	SDKHeaders Place = "sdk-header"

	// Authorization is the header of that name with the scheme Bearer
	// (RFC 6750 section 2.1): a token, or the SDK's envelope "stackauth_..."
	// or "hexclave_...".
	Authorization Place = "authorization"

	// SDKCookies are hexclave-access and stack-access, the cookies of the SDK
	// for Neon Auth on Stack Auth. Read about forged requests above.
	SDKCookies Place = "sdk-cookie"

	// SessionCookie is __Secure-neon-auth.session_token, the session of Neon
	// Auth on Better Auth. It counts only where the profile is asked for: it
	// is no access token. Read about forged requests above.
	SessionCookie Place = "session-cookie"
)

// Header is the header of that name. It may hold the token alone or with the
// scheme Bearer before it.
func Header(name string) Place { return Place(headerPrefix + name) }

// Cookie is the cookie of that name, which holds the token. Read about forged
// requests at Place.
func Cookie(name string) Place { return Place(cookiePrefix + name) }

// Headers are the places that need no thought: no browser sends these headers
// along by itself. The slice is the caller's.
func Headers() []Place { return []Place{SDKHeaders, Authorization} }

const (
	headerPrefix = "header:"
	cookiePrefix = "cookie:"

	// MaxPlaceName bounds the name of a header or cookie, in bytes.
	MaxPlaceName = 256
)

// The headers and cookies behind the constants, headers in canonical form.
const (
	stackAccessToken    = "X-Stack-Access-Token"
	hexclaveAccessToken = "X-Hexclave-Access-Token"
	stackAuth           = "X-Stack-Auth"
	hexclaveCookie      = "hexclave-access"
	stackCookie         = "stack-access"
	sessionCookie       = "__Secure-neon-auth.session_token"
)

// reserved are headers and cookies in which a token is not simply the value,
// with the place that knows how to read them.
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
// what would be right.
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

// isName tells whether s can name a header or a cookie: a token of RFC 9110
// section 5.6.2, which RFC 6265 takes for the names of cookies too.
func isName(s string) bool {
	return s != "" && len(s) <= MaxPlaceName && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}

// rank is where the place stands in the order of the search.
func (p Place) rank() int {
	order := []Place{SDKHeaders, Authorization, SDKCookies, SessionCookie}
	if i := slices.Index(order, p); i >= 0 {
		return i
	}
	return len(order) // the application's own
}

// vary names the headers in which the place looks.
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

// shown makes a foreign word fit for an error: quoted and cut.
func shown(word string) string {
	const most = 60
	if len(word) > most {
		return strconv.QuoteToASCII(word[:most]) + "..."
	}
	return strconv.QuoteToASCII(word)
}
