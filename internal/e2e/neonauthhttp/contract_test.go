package neonauthhttp_test

import (
	"net/url"
	"testing"
)

// What neonauth-http(8) promises to whoever configures a web server. The tests here see the program from outside, so
// these are its words as a recipe has them, and not its constants.
const (
	fieldCount   = 9
	wishHeader   = "X-Neonauth-Require"
	returnHeader = "X-Neonauth-Return"
	maxReturn    = 2048 // bytes of an address to come back to
	maxPlaces    = 16   // where a question may say that its tokens are

	reasonDown   = "unreachable"
	reasonFault  = "misconfigured-location"
	reasonHeader = "foreign-identity-header"
)

// fieldNames are the identity headers.
func fieldNames() [fieldCount]string {
	return [fieldCount]string{
		"X-Auth-User-Id", "X-Auth-Email", "X-Auth-Email-Verified", "X-Auth-Name", "X-Auth-Team-Id", "X-Auth-Session-Id",
		"X-Auth-Level", "X-Auth-Age", "X-Auth-Claims",
	}
}

// decoded is what an application makes of an identity header.
func decoded(t testing.TB, value string) string {
	t.Helper()
	text, err := url.PathUnescape(value)
	if err != nil {
		t.Fatalf("%q: %v", value, err)
	}
	return text
}
