package standin

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"
)

// access is what Stack Auth knows of a caller's token after decoding it.
type access struct {
	userID, project, session string
	anonymous, restricted    bool
	reason                   string
}

// decoder judges an access token as Stack Auth does (apps/backend/src/lib/tokens.tsx and jose), its
// leniencies and its order of checks included. A daemon that relies on more than the genuine server
// checks would otherwise pass its tests here and fail there.
type decoder struct {
	bases []string                     // API URLs whose issuers are accepted
	keys  func(audience string) []*key // published keys of an audience
	now   time.Time
}

// errAssertion stands for an unexpected error in the server: status 500 and no code.
func errAssertion() *knownError { return &knownError{status: http.StatusInternalServerError} }

// decode returns the token's meaning, or the error that the server would answer with.
func (d *decoder) decode(token string) (access, *knownError) {
	segments := strings.Split(token, ".")
	if len(segments) < 2 {
		return access{}, errUnparsable()
	}
	claims, ok := jsonObject(segments[1])
	if !ok {
		return access{}, errUnparsable()
	}
	switch aud := claims["aud"].(type) {
	case string:
		if aud == "kid" { // trips a guard of the key derivation before any signature is looked at
			return access{}, errAssertion()
		}
		if aud == "" || len(segments) != 3 || !d.signed(segments, aud) {
			return access{}, errUnparsable()
		}
		return d.judge(claims, aud)
	case map[string]any:
		if _, shadowed := aud["toString"]; shadowed { // its conversion to a string throws
			return access{}, errAssertion()
		}
	}
	return access{}, errUnparsable()
}

// signed follows jose's compactVerify with a local key set.
func (d *decoder) signed(segments []string, audience string) bool {
	header, ok := jsonObject(segments[0])
	if !ok || !critUnderstood(header) {
		return false
	}
	alg, _ := header["alg"].(string)
	if alg != "ES256" {
		return false
	}
	keys := d.keys(audience)
	if kid, ok := header["kid"].(string); ok {
		keys = slices.DeleteFunc(slices.Clone(keys), func(k *key) bool { return k.kid != kid })
	}
	if len(keys) != 1 {
		return false
	}
	signature, ok := lenientBase64(segments[2])
	return ok && keys[0].verifies([]byte(segments[0]+"."+segments[1]), signature)
}

// critUnderstood is jose's check of "crit" (RFC 7515, section 4.1.11), with "b64" as the one extension
// known, whose value false is not allowed in a JWT (RFC 7797, section 7).
func critUnderstood(header map[string]any) bool {
	value, given := header["crit"]
	if !given {
		return true
	}
	crit, ok := value.([]any)
	if !ok || len(crit) == 0 {
		return false
	}
	for _, name := range crit {
		if name != "b64" {
			return false
		}
	}
	return header["b64"] == true
}

// judge checks the claims of a token with a good signature.
func (d *decoder) judge(claims map[string]any, audience string) (access, *knownError) {
	project, suffix, _ := strings.Cut(audience, ":")
	if !d.issuerAllowed(claims["iss"], project) {
		return access{}, errUnparsable()
	}
	now := float64(d.now.Unix())
	if iat, given := claims["iat"]; given && !isNumber(iat) {
		return access{}, errUnparsable()
	}
	if nbf, given := claims["nbf"]; given && (!isNumber(nbf) || number(nbf) > now) {
		return access{}, errUnparsable()
	}
	session, _ := firstOf(claims, "refresh_token_id", "refreshTokenId").(string)
	exp, given := claims["exp"]
	if given && !isNumber(exp) {
		return access{}, errUnparsable()
	}
	if given && number(exp) <= now {
		return access{}, errAccessTokenExpired(number(exp), project, claims["sub"], orNull(session))
	}
	anonymous, typed := claims["is_anonymous"].(bool)
	sub, named := asText(claims["sub"])
	if !given || !typed || !named {
		return access{}, errAssertion()
	}
	a := access{userID: sub, project: project, session: session, anonymous: anonymous, restricted: anonymous}
	if restricted, given := claims["is_restricted"].(bool); given {
		a.restricted = restricted
	}
	if reason, given := claims["restricted_reason"].(map[string]any); given {
		a.reason, _ = reason["type"].(string)
	}
	branch := firstOf(claims, "branch_id", "branchId")
	consistent := (a.restricted || !a.anonymous) && a.restricted == (a.reason != "") &&
		(suffix == "anon") == a.anonymous && (suffix == "restricted") == (a.restricted && !a.anonymous) &&
		branch == "main"
	if !consistent {
		return access{}, errAssertion()
	}
	return a, nil
}

func (d *decoder) issuerAllowed(value any, project string) bool {
	issuer, ok := value.(string)
	if !ok {
		return false
	}
	for _, base := range d.bases {
		for class := ClassNormal; class <= ClassAnonymous; class++ {
			if issuer == base+stackPath+class.issuerPath()+project {
				return true
			}
		}
	}
	return false
}

// jsonObject decodes a segment of a token as leniently as jose.
func jsonObject(segment string) (map[string]any, bool) {
	raw, ok := lenientBase64(segment)
	if !ok {
		return nil, false
	}
	decoder := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(raw, []byte("\ufeff"))))
	decoder.UseNumber()
	var value map[string]any
	if decoder.Decode(&value) != nil || value == nil {
		return nil, false
	}
	_, err := decoder.Token()
	return value, err == io.EOF
}

// lenientBase64 decodes what JavaScript's atob decodes once "-" and "_" are mapped: either alphabet,
// blanks anywhere, padding or none, any unused bits.
func lenientBase64(s string) ([]byte, bool) {
	s = strings.Map(func(c rune) rune {
		switch c {
		case ' ', '\t', '\n', '\f', '\r':
			return -1
		case '+':
			return '-'
		case '/':
			return '_'
		}
		return c
	}, s)
	if len(s)%4 == 0 {
		s = strings.TrimSuffix(strings.TrimSuffix(s, "="), "=")
	}
	raw, err := base64.RawURLEncoding.DecodeString(s)
	return raw, err == nil
}

func isNumber(v any) bool {
	_, ok := v.(json.Number)
	return ok
}

// number is the value as JavaScript reads it: too large is infinite.
func number(v any) float64 {
	n, ok := v.(json.Number)
	if !ok {
		return math.NaN()
	}
	f, _ := n.Float64()
	return f
}

// asText casts as the server's schema does: numbers and booleans become text.
func asText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return map[bool]string{true: "true", false: "false"}[v], true
	}
	return "", false
}

func firstOf(claims map[string]any, names ...string) any {
	for _, name := range names {
		if v := claims[name]; v != nil {
			return v
		}
	}
	return nil
}
