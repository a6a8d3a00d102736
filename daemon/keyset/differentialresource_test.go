package keyset

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// asResource asks another implementation, in Go, whether a token is one for a resource of
// the policy: with all its checks for RFC 9068. "typ" is compared here, because the library
// leaves that to its callers.
func asResource(p *Policy, keys *jose.JSONWebKeySet, token string, now time.Time) error {
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.EdDSA})
	if err != nil {
		return err
	}
	typ, _ := parsed.Headers[0].ExtraHeaders[jose.HeaderType].(string)
	if strings.TrimPrefix(strings.ToLower(typ), "application/") != "at+jwt" {
		return fmt.Errorf("typ is %q", typ)
	}
	var claims jwt.Claims
	if err := parsed.Claims(keys, &claims); err != nil {
		return err
	}
	expected := jwt.Expected{Issuer: p.Admitted[0].Issuers[0], Time: now}
	for i := range p.Admitted {
		expected.AnyAudience = append(expected.AnyAudience, p.Admitted[i].Name)
	}
	return claims.ValidateWithLeeway(expected, p.Leeway)
}

// unlikeOthers lists the tokens for a resource about which we and another library do not
// agree, with the reason. A test checks that no entry is missing and none is needless.
func unlikeOthers() map[string]map[string]string {
	const (
		bound    = "cnf binds it to a key: it is no bearer token (RFC 9449 section 7, RFC 8705 section 3), and no library looks at it"
		twice    = "a member is there twice: whoever reads the last, and whoever reads the first, see two tokens (RFC 8725 section 2.4)"
		required = "RFC 9068 section 2.2 demands the claim, and a library asks only for what it is told to ask for"
		one      = "azp and client_id name two clients: nobody can tell whose token it is"
		scope    = "scope is no string (RFC 8693 section 4.2), and no library reads it"
		subject  = "sub has a line break, which would end a line of our protocol"
		large    = "it is longer than 8192 bytes, more than any issuer writes"
	)
	return map[string]map[string]string{
		// For Node; it was told issuer, audience, typ, and that azp has to be there.
		"jose": {
			"dpop-bound": bound, "cnf-jkt": bound, "cnf-x5t": bound, "cnf-unknown": bound,
			"cnf-twice": twice, "aud-twice": twice, "scope-member-twice": twice,
			"sub-missing": required, "exp-missing": required, "iat-missing": required,
			"sub-number":     "sub is a number, and 1 and 1.0 are one user to one reader and two to the next",
			"client-differs": one, "scope-array": scope, "scope-true": scope, "sub-crlf": subject, "size-over": large,
			"kid-missing":        "the set has several keys or may have: this issuer names the one that it signed with",
			"client-azp-missing": "ours: client_id is what RFC 9068 demands, and azp is Better Auth's; jose was told to ask for azp",
		},
		// In Go; it refuses doubled members, too, and numbers where a text has to be.
		"go-jose": {
			"dpop-bound": bound, "cnf-jkt": bound, "cnf-x5t": bound, "cnf-unknown": bound,
			"sub-missing": required, "exp-missing": required, "iat-missing": required, "client-missing": required,
			"session-jwt-as-at": required, // client_id, under the policy that has its audience
			"client-differs":    one, "scope-array": scope, "scope-true": scope, "sub-crlf": subject, "size-over": large,
			"aud-name-case": "aud and AUD are both there: encoding/json, which many read claims with, takes them for one",
		},
	}
}

func TestOtherLibrariesAgreeOnTokensForAResource(t *testing.T) {
	policies := oauthPolicies(t)
	body, err := os.ReadFile(filepath.Join(fixtures, "oauth/jwks.json"))
	if err != nil {
		t.Fatal(err)
	}
	var keys jose.JSONWebKeySet
	if err := json.Unmarshal(body, &keys); err != nil || len(keys.Keys) == 0 {
		t.Fatalf("%d keys: %v", len(keys.Keys), err)
	}
	s := mustSet(t, body, EdDSA)
	explained, seen, agreed := unlikeOthers(), map[string]bool{}, map[string]int{}
	compare := func(library, policy, name string, ours, theirs bool, why any) {
		if ours == theirs {
			agreed[library]++
			return
		}
		seen[library+" "+name] = true
		// If we accept what others refuse, the explanation must begin with "ours: ".
		if reason := explained[library][name]; reason == "" || ours != strings.HasPrefix(reason, "ours: ") {
			t.Errorf("%s under %s: accepted by us: %v, by %s: %v (%v); explain it or mend it", name, policy, ours, library, theirs, why)
		}
	}
	for _, f := range oauthTokens(t) {
		for _, policy := range slices.Sorted(maps.Keys(policies)) {
			p := policies[policy]
			if !p.Resource {
				continue
			}
			claims, outcome := Verify(p, s, []byte(f.Token), fixtureNow, nil)
			checkClaims(t, claims, outcome)
			theirs := asResource(p, &keys, f.Token, fixtureNow)
			ours := outcome == accepted
			if outcome == insufficientScope || outcome == classNotAllowed {
				ours = true // the libraries do not check what is demanded beyond RFC 9068
			}
			compare("go-jose", policy, f.Name, ours, theirs == nil, theirs)
			if policy == "default" {
				compare("jose", policy, f.Name, ours, f.Jose == "accept", f.Jose)
			}
		}
	}
	for library, list := range explained {
		for name, why := range list {
			if !seen[library+" "+name] {
				t.Errorf("%s and we agree on %s: remove %q", library, name, why)
			}
		}
	}
	if agreed["jose"] < 75 || agreed["go-jose"] < 400 {
		t.Errorf("agreed %v: has it been compared?", agreed)
	}
}

// TestChangedTokensForAResourceAreRefusedByBoth changes each genuine one in many ways.
func TestChangedTokensForAResourceAreRefusedByBoth(t *testing.T) {
	random := rand.New(rand.NewPCG(9068, 1))
	policies := oauthPolicies(t)
	s := fixtureSet(t, "oauth/jwks.json", EdDSA)
	good, changed := 0, 0
	for _, f := range oauthTokens(t) {
		if !agree(t, policies["wide"], s, []byte(f.Token), fixtureNow) {
			continue
		}
		good++
		for range 100 {
			if agree(t, policies["wide"], s, mutate(random, f.Token), fixtureNow) {
				changed++
			}
		}
	}
	if good < 30 || changed > 0 {
		t.Errorf("%d are accepted, and %d that were changed", good, changed)
	}
}
