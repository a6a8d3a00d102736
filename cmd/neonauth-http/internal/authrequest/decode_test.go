package authrequest

import (
	"encoding/base64"
	"encoding/json"
	"testing"
)

// claimsOf is what an application makes of X-Auth-Claims.
func claimsOf(t testing.TB, value string) map[string]any {
	t.Helper()
	text, err := base64.RawURLEncoding.Strict().DecodeString(value)
	if err != nil {
		t.Fatalf("%q: %v", value, err)
	}
	var claims map[string]any
	if err := json.Unmarshal(text, &claims); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return claims
}
