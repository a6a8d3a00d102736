package stackauth

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin/mint"
	"github.com/neonauthd/neonauthd/daemon/standin/ordered"
)

// Access is what Stack Auth knows of a caller's token after decoding it.
type Access struct {
	UserID, Project, Session string
	anonymous, restricted    bool
	reason                   string
}

// Decoder judges an access token as Stack Auth does (apps/backend/src/lib/tokens.tsx and jose), its
// leniencies and its order of checks included. Otherwise a daemon that relies on checks that the genuine server does
// not make would pass its tests here and fail there.
type Decoder struct {
	Bases []string                          // API URLs whose issuers are accepted
	Keys  func(audience string) []*mint.Key // published keys of an audience
	Now   time.Time
}

// errAssertion stands for an unexpected error in the server: status 500 and no code.
func errAssertion() *KnownError { return &KnownError{Status: http.StatusInternalServerError} }

// Decode returns the token's meaning, or the error that the server would answer with.
func (d *Decoder) Decode(token string) (Access, *KnownError) {
	segments := strings.Split(token, ".")
	if len(segments) < 2 {
		return Access{}, errUnparsable()
	}
	claims, ok := mint.ReadObject(segments[1])
	if !ok {
		return Access{}, errUnparsable()
	}
	switch aud := claims["aud"].(type) {
	case string:
		if aud == "kid" { // trips a guard of the key derivation before any signature is looked at
			return Access{}, errAssertion()
		}
		if aud == "" || len(segments) != 3 || !d.signed(segments, aud) {
			return Access{}, errUnparsable()
		}
		return d.judge(claims, aud)
	case map[string]any:
		if _, shadowed := aud["toString"]; shadowed { // its conversion to a string throws
			return Access{}, errAssertion()
		}
	}
	return Access{}, errUnparsable()
}

// signed follows jose's compactVerify with a local key set.
func (d *Decoder) signed(segments []string, audience string) bool {
	header, ok := mint.ReadObject(segments[0])
	if !ok || !critUnderstood(header) {
		return false
	}
	alg, _ := header["alg"].(string)
	if alg != "ES256" {
		return false
	}
	keys := d.Keys(audience)
	if kid, ok := header["kid"].(string); ok {
		keys = slices.DeleteFunc(slices.Clone(keys), func(k *mint.Key) bool { return k.Kid != kid })
	}
	if len(keys) != 1 {
		return false
	}
	signature, ok := mint.ReadBase64(segments[2])
	return ok && keys[0].Verifies([]byte(segments[0]+"."+segments[1]), signature)
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
func (d *Decoder) judge(claims map[string]any, audience string) (Access, *KnownError) {
	project, suffix, _ := strings.Cut(audience, ":")
	if !d.issuerAllowed(claims["iss"], project) {
		return Access{}, errUnparsable()
	}
	now := float64(d.Now.Unix())
	if iat, given := claims["iat"]; given && !mint.IsNumber(iat) {
		return Access{}, errUnparsable()
	}
	if nbf, given := claims["nbf"]; given && (!mint.IsNumber(nbf) || mint.Number(nbf) > now) {
		return Access{}, errUnparsable()
	}
	session, _ := firstOf(claims, "refresh_token_id", "refreshTokenId").(string)
	exp, given := claims["exp"]
	if given && !mint.IsNumber(exp) {
		return Access{}, errUnparsable()
	}
	if given && mint.Number(exp) <= now {
		return Access{}, errAccessTokenExpired(mint.Number(exp), project, claims["sub"], ordered.OrNull(session))
	}
	anonymous, typed := claims["is_anonymous"].(bool)
	sub, named := asText(claims["sub"])
	if !given || !typed || !named {
		return Access{}, errAssertion()
	}
	a := Access{UserID: sub, Project: project, Session: session, anonymous: anonymous, restricted: anonymous}
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
		return Access{}, errAssertion()
	}
	return a, nil
}

func (d *Decoder) issuerAllowed(value any, project string) bool {
	issuer, ok := value.(string)
	if !ok {
		return false
	}
	for _, base := range d.Bases {
		for class := ClassNormal; class <= ClassAnonymous; class++ {
			if issuer == base+Path+class.IssuerPath()+project {
				return true
			}
		}
	}
	return false
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
