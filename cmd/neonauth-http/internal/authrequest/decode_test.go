package authrequest

import (
	"encoding/base64"
	"encoding/json"
	"testing"
)

// claimsOf decodes X-Auth-Claims as an application does.
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
