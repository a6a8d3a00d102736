package credential

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/neonauthd/neonauthd/protocol"
)

const sessionNext = "only the upstream of a project of preset \"neon\" can judge it: neonauthctl profile --project NAME"

// sessionForm matches a session credential of Better Auth, plain or percent-encoded: a
// token, a dot, and an HMAC in padded base64.
func sessionForm() *regexp.Regexp {
	return regexp.MustCompile(`^[A-Za-z0-9_-]+\.[A-Za-z0-9+/%]{43,}(=|%3[Dd])$`)
}

// session finds a session credential.
func session(text string) Finding {
	if !sessionForm().MatchString(text) {
		return Finding{}
	}
	return Finding{"it is a session credential of Better Auth, not an access token", sessionNext, false}
}

// segments looks at a text that has the form of a JWT, or of a part of one.
func segments(text string) Finding {
	parts := strings.Split(text, ".")
	switch {
	case len(parts) == 1 && strings.HasSuffix(text, "="): // the whole text is encoded
		return Finding{}
	case len(parts) != 3 && !strings.HasPrefix(text, "eyJ"):
		return Finding{}
	}
	size := fmt.Sprintf("%d characters", len(text))
	switch {
	case strings.Contains(text, "..."):
		return Finding{"it is a token that somebody shortened: it has \"...\" in it", copyAll, true}
	case len(text) > protocol.MaxToken:
		return Finding{fmt.Sprintf("it is longer than a token may be: %s, of at most %d", size, protocol.MaxToken), "give one token; one that is really so long has too many claims", true}
	case len(parts) < 3:
		return Finding{fmt.Sprintf("it is the beginning of a token, cut: %d of 3 segments, %s", len(parts), size), copyAll, len(parts) == 2}
	case len(parts) == 5 && members(parts[0])["enc"] != nil:
		return Finding{"it is an encrypted token (JWE, 5 segments), which only its receiver can read", "have the issuer give a signed token", true}
	case len(parts) > 3:
		return Finding{fmt.Sprintf("it has %d segments, and a token has 3: two tokens without anything between, perhaps", len(parts)), copyHere, true}
	}
	return three(parts)
}

// three looks at the three segments of a token.
func three(parts []string) Finding {
	for n, part := range parts {
		switch {
		case part == "" && n == 2:
			return Finding{"it is a token without a signature: its third segment is empty", copyAll, true}
		case part == "":
			return Finding{fmt.Sprintf("segment %d of 3 is empty", n+1), copyAll, true}
		case strings.Contains(part, "="):
			return Finding{fmt.Sprintf("segment %d of 3 ends with padding (=): it is base64, and a token is in base64url without padding", n+1), "give the token as the issuer wrote it; some program has encoded it anew", true}
		case strings.ContainsAny(part, "+/"):
			return Finding{fmt.Sprintf("segment %d of 3 has + or /: it is base64, and a token is in base64url", n+1), "give the token as the issuer wrote it; some program has encoded it anew", true}
		case strings.Contains(part, "%"):
			return Finding{fmt.Sprintf("segment %d of 3 has a %% in it: it is percent-encoded", n+1), "decode it first", true}
		}
	}
	header := members(parts[0])
	if header == nil {
		return Finding{"its first segment is no JSON header: its beginning is missing, perhaps", copyAll, false}
	}
	if f := kindOfToken(word(header["typ"]), members(parts[1])); f.Is != "" {
		return f
	}
	return signature(word(header["alg"]), len(parts[2]))
}

// signature compares the length of a signature with its algorithm's.
func signature(alg string, length int) Finding {
	if strings.HasPrefix(alg, "HS") {
		return Finding{"it is signed with a shared secret (HS), which anybody who verifies it could sign with too", "have the issuer sign with a key of its own (ES256, EdDSA, RS256)", false}
	}
	if strings.EqualFold(alg, "none") {
		return Finding{"its header says alg none: nobody signed it", "have the issuer sign it", false}
	}
	whole := map[string]int{"ES256": 86, "ES384": 128, "ES512": 176, "EdDSA": 86}[alg]
	least := 342 // of RSA with 2048 bits
	switch {
	case whole == 0 && !strings.HasPrefix(alg, "RS") && !strings.HasPrefix(alg, "PS"):
		return Finding{}
	case whole == 0 && length < least:
		return Finding{fmt.Sprintf("its signature has %d characters, and those of %s have at least %d: it is cut at its end", length, alg[:2], least), copyAll, false}
	case whole != 0 && length < whole:
		return Finding{fmt.Sprintf("its signature has %d characters, and those of %s have %d: it is cut at its end", length, alg, whole), copyAll, false}
	case whole != 0 && length > whole:
		return Finding{fmt.Sprintf("its signature has %d characters, and those of %s have %d: something is joined to its end", length, alg, whole), copyHere, false}
	}
	return Finding{}
}

// kindOfToken finds tokens of other kinds, such as ID tokens.
func kindOfToken(typ string, claims map[string]json.RawMessage) Finding {
	const give = "give the access token of the same sign-in"
	switch strings.TrimPrefix(strings.ToLower(typ), "application/") {
	case "at+jwt":
		return Finding{"it is an OAuth access token for a resource (typ at+jwt)", "ask a project that has that resource", false}
	case "id+jwt", "id_token", "id_token+jwt":
		return Finding{"it is an ID token by its typ: it tells an application who signed in, and is no access token", give, false}
	case "logout+jwt":
		return Finding{"it is a logout token (typ logout+jwt)", "neonauthctl logout hands it on; to ask about a user " + give, false}
	case "secevent+jwt":
		return Finding{"it is a security event (typ secevent+jwt)", give, false}
	case "dpop+jwt":
		return Finding{"it is a DPoP proof (typ dpop+jwt)", "have the client send a bearer token", false}
	case "better-auth.session-cache+jwt":
		return Finding{"it is Better Auth's copy of a session (typ better-auth.session-cache+jwt)", "give the session credential instead of the copy; " + sessionNext, false}
	}
	if word(claims["token_use"]) == "id" { // of Cognito
		return Finding{"it is an ID token by its claim token_use, and no access token", give, false}
	}
	switch word(claims["typ"]) { // Keycloak has it among the claims
	case "ID":
		return Finding{"it is an ID token by its claim typ, and no access token", give, false}
	case "Refresh", "Offline":
		return Finding{"it is a refresh token by its claim typ, and no access token", give, false}
	}
	if claims["at_hash"] != nil || claims["nonce"] != nil && claims["scope"] == nil {
		return Finding{"it is an ID token by its claims (at_hash or nonce): it tells an application who signed in, and is no access token", give, false}
	}
	return Finding{}
}

// packed finds a token that was encoded once more.
func packed(text string) Finding {
	bare := strings.TrimRight(text, "=")
	if bare == "" || strings.Trim(bare, letters+digits+"+/-_") != "" || len(text) > 2*protocol.MaxToken {
		return Finding{}
	}
	inner, err := base64.RawStdEncoding.DecodeString(strings.NewReplacer("-", "+", "_", "/").Replace(bare))
	switch {
	case err == nil && strings.HasPrefix(string(inner), "eyJ") && bytes.Count(inner, []byte(".")) == 2:
		return Finding{"it is a token that was encoded in base64 once more", "decode it (base64 -d)", true}
	case err == nil && json.Valid(inner) && len(inner) > 1 && inner[0] == '{':
		return Finding{"it is a JSON object in base64, not a token", "decode it (base64 -d), and give the access token in it", true}
	case bare != text && len(text) > 16:
		return Finding{fmt.Sprintf("it is base64 with padding (=), %d characters without a dot", len(text)), wanted, false}
	}
	return Finding{}
}

// opaque looks at a text without dots. Its contents cannot be read, so only its form counts.
func opaque(text string) Finding {
	if strings.Contains(text, ".") || text == "" {
		return Finding{}
	}
	only := func(alphabet string) bool { return strings.Trim(text, alphabet) == "" }
	switch n := len(text); {
	case n > protocol.MaxToken:
		return Finding{fmt.Sprintf("it is longer than a token may be: %d characters, of at most %d", n, protocol.MaxToken), copyHere, true}
	case n == 36 && strings.Count(text, "-") == 4 && only("0123456789abcdefABCDEF-"):
		return Finding{"it is an id (a UUID), which proves nothing", wanted, true}
	case n == 64 && only("0123456789abcdef"):
		return Finding{"it is 64 hex digits: a digest, perhaps", wanted, false}
	case n >= 40 && n <= 64 && only("0123456789abcdefghjkmnpqrstvwxyz"):
		return Finding{fmt.Sprintf("it looks like a refresh token of Stack Auth: %d characters without a dot", n), "have the user sign in anew if it was shown; " + wanted, false}
	case n >= 32 && n < 64 && only(letters+digits):
		return Finding{fmt.Sprintf("it is %d letters and digits: the token of a session of Better Auth, a refresh token, or another credential that only its issuer can judge", n), sessionNext, false}
	}
	return Finding{fmt.Sprintf("it is %d characters without a dot, and a token has three segments with dots between", len(text)), wanted, false}
}

// members returns the members of the JSON object in a segment; nil if there is none.
func members(segment string) map[string]json.RawMessage {
	text, err := base64.RawURLEncoding.DecodeString(segment)
	var object map[string]json.RawMessage
	if err != nil || json.Unmarshal(text, &object) != nil {
		return nil
	}
	return object
}

// word returns the text of a JSON string; "" for any other value.
func word(value json.RawMessage) string {
	var s string
	if json.Unmarshal(value, &s) != nil {
		return ""
	}
	return s
}
