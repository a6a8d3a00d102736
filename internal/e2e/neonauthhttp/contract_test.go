package neonauthhttp_test

import (
	"net/url"
	"testing"
)

// What neonauth-http(8) promises to administrators who configure a web server. These tests see the program from
// outside, so the constants are copies of the documented values and not the program's own constants.
const (
	fieldCount   = 9
	wishHeader   = "X-Neonauth-Require"
	returnHeader = "X-Neonauth-Return"
	maxReturn    = 2048 // bytes of the address to return to
	maxPlaces    = 16   // the places that a question may name for its tokens

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

// decoded decodes an identity header as an application does.
func decoded(t testing.TB, value string) string {
	t.Helper()
	text, err := url.PathUnescape(value)
	if err != nil {
		t.Fatalf("%q: %v", value, err)
	}
	return text
}
