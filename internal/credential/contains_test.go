package credential_test

import (
	"crypto/rand"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/internal/credential"
)

const apiKey = "sk_9aysekayw0y64xwz6faqkdx6pt82dzdnyy1n4m2r2pvk0a84b4fe3bc83483ba95c1022bb0d1e80user0574ck4u7h27c267ec"

func TestACredentialIsNotTakenForAnID(t *testing.T) {
	for _, text := range []string{
		token, "\n" + token + "\n", strings.Join(strings.Split(token, ".")[:2], "."), jwt(" {\"alg\":\"ES256\"}", claims, 86),
		"Bearer " + token, "Authorization: Bearer " + token, `"` + token + `"`, "token=" + token, `["canary","` + token + `"]`,
		"Bearer Aax3xEc6DKjW8qpKBJo2Oa5AHP7zTjmx", "eyJhbGciOiJFUzI1NiJ9.canary.canary", "lost: eyJhbGciOiJFUzI1NiJ9.canary",
		apiKey, "p" + apiKey[1:], "the key " + apiKey + " was lost", apiKey[:60], apiKey[40:],
		"ssk_canary", "sak_canary", "pck_canary", "wrt_canary", "napi_canary", "npg_canary", "whsec_canary", "it was ssk_canary",
		"postgresql://canary:canary@ep.neon.tech/db", "stackauth_eyJhY2Nlc3NUb2tlbiI6ImNhbmFyeSJ9", "hexclave_e30=",
		b64(`{"accessToken":"` + token + `","refreshToken":"canary"}`),
		session, strings.ReplaceAll(strings.ReplaceAll(session, "+", "%2B"), "=", "%3D"), "__Secure-neon-auth.session_token=" + session,
		"-----BEGIN PRIVATE KEY-----",
	} {
		if !credential.Contains(text) {
			t.Errorf("%q is taken for an id", text)
		}
	}
}

// TestAnIDIsNotTakenForACredential, and neither is an operator's remark: an operator who cannot revoke a session by its
// id would have to revoke more.
func TestAnIDIsNotTakenForACredential(t *testing.T) {
	ids := []string{
		"a2a49861-1bb1-40b0-b5f1-558b88acf49f", "Aax3xEc6DKjW8qpKBJo2Oa5AHP7zTjmx", "eyJ3xEc6DKjW8qpKBJo2Oa5AHP7zTjmx",
		"auth0|5f7c8ec7c33c6c004bbafe82", "google-oauth2|103547991597142817347", "github|1234", "waad|Aax3xEc6DKjW8qpKBJo2Oa5AHP7zTjmx.H8Vyy16AgYCEuwo94O06OSEc7J5rWauCiyA12NkpFUc",
		"eu-west-1:a2a49861-1bb1-40b0-b5f1-558b88acf49f", "ada@example.org", "eve.jones@mail.example.org", "eyJonas.Jones@example.org", "a.b.c",
		"system:serviceaccount:default:app", "spiffe://example.org/ns/prod/sa/api", "https://issuer.example.org/users/17", "service-account-x@clients",
		"CgNmb28SBWxvY2Fs", "248289761001", "user_2abcDEFghiJKLmnoPQRstuVWXyz", "sess_2abcDEFghiJKLmnoPQRstuVWXyz", "ins_2abcDEFghiJKLmnoPQRstuVWXyz",
		"pk_test", "sk-1", "ask_me", "task_12", "001234.0123456789abcdef0123456789abcdef.1234", "key a=b", "ada lovelace",
		"82d7f0a0e4b4d4cd4b1d5a6d3a5f6f2b1c9e7a11", strings.Repeat("0f", 32), "cn=ada,ou=people,dc=example,dc=org",
		"laptop lost, ticket 17", "Bearer of bad news", "asked for by eyJ", "user deleted (webhook)", "leaked in a URL: https://example.org/x",
	}
	for range 2000 { // thumbprints, and random ids
		raw := make([]byte, 32)
		_, _ = rand.Read(raw)
		ids = append(ids, base64.RawURLEncoding.EncodeToString(raw))
	}
	for _, id := range ids {
		if credential.Contains(id) {
			t.Errorf("%q is taken for a credential", id)
		}
	}
}
