package credential_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/neonauthd/neonauthd/internal/credential"
	"github.com/neonauthd/neonauthd/protocol"
)

func b64(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// jwt returns a text in the form of a token, with a signature of that many
// characters.
func jwt(header, claims string, signature int) string {
	return b64(header) + "." + b64(claims) + "." + strings.Repeat("s", signature)
}

const (
	es256   = `{"alg":"ES256","kid":"canary"}`
	claims  = `{"sub":"canary","exp":4102444800}`
	session = "Aax3xEc6DKjW8qpKBJo2Oa5AHP7zTjmx.H8Vyy16AgYCEuwo94O06OSEc7J5rWauCiyA12NkpFUc="
)

var token = jwt(es256, claims, 86)

// given are texts in a token's place, with the finding for each.
var given = []struct{ text, is string }{
	{"Bearer " + token, "it begins with Bearer"},
	{"bearer  " + token, "it begins with Bearer"},
	{"Bearer", "it begins with Bearer, and there is nothing behind it"},
	{"Authorization: Bearer " + token, "it is the header Authorization, and it begins with Bearer"},
	{"x-stack-access-token: " + token, "it is the header X-Stack-Access-Token"},
	{`"` + token + `"`, "it is in quotes"},
	{"\u201c" + token + "\u201d", "it is in quotes"},
	{`"` + token, "it has a quote on one side"},
	{`"Bearer ` + token + `"`, "it is in quotes, and it begins with Bearer"},
	{"Bearer ssk_canary", "it begins with Bearer, and without that this is a secret server key of Stack Auth (ssk_)"},
	{"export TOKEN=" + token, `it begins with a name of 5 characters and "="`},

	{token + "\n" + token, "it has 2 lines, each of them a token"},
	{token + "\r\n\r\nfoo", "it has 2 lines, and a token has one"},
	{token[:40] + "\r\n" + token[40:], "it has 2 lines: one token, broken"},
	{token + " " + token, "it has 2 words with blanks between, and a token has none"},
	{token + "," + token, "it has 2 parts with commas between, as of two headers that were joined"},
	{"curl -H x", "it is a whole command"},

	{strings.Join(strings.Split(token, ".")[:2], "."), "it is the beginning of a token, cut: 2 of 3 segments, 85 characters"},
	{token[:20], "it is the beginning of a token, cut: 1 of 3 segments, 20 characters"},
	{token[:len(token)-6], "its signature has 80 characters, and those of ES256 have 86: it is cut at its end"},
	{token + "xx", "its signature has 88 characters, and those of ES256 have 86: something is joined to its end"},
	{jwt(`{"alg":"RS256"}`, claims, 341), "its signature has 341 characters, and those of RS have at least 342: it is cut at its end"},
	{token[9:], "its first segment is no JSON header: its beginning is missing, perhaps"},
	{token[:30] + "..." + token[90:], `it is a token that somebody shortened: it has "..." in it`},
	{token[:len(token)-86], "it is a token without a signature: its third segment is empty"},
	{b64(es256) + ".." + "s", "segment 2 of 3 is empty"},
	{token + token, "it has 5 segments, and a token has 3: two tokens without anything between, perhaps"},
	{b64(`{"alg":"dir","enc":"A128GCM"}`) + "..a.b.c", "it is an encrypted token (JWE, 5 segments), which only its receiver can read"},
	{token + "==", "segment 3 of 3 ends with padding (=): it is base64, and a token is in base64url without padding"},
	{token[:len(token)-1] + "+", "segment 3 of 3 has + or /: it is base64, and a token is in base64url"},
	{token + "%3D", "segment 3 of 3 has a % in it: it is percent-encoded"},
	{"eyJ" + strings.Repeat("a", protocol.MaxToken), "it is longer than a token may be: 8195 characters, of at most 8192"},
	{strings.Repeat("-", protocol.MaxToken+1), "it is longer than a token may be: 8193 characters, of at most 8192"},
	{jwt(`{"alg":"HS256"}`, claims, 43), "it is signed with a shared secret (HS), which anybody who verifies it could sign with too"},
	{jwt(`{"alg":"none"}`, claims, 2), "its header says alg none: nobody signed it"},

	{jwt(`{"alg":"ES256","typ":"at+jwt"}`, claims, 86), "it is an OAuth access token for a resource (typ at+jwt)"},
	{jwt(`{"alg":"ES256","typ":"application/logout+jwt"}`, claims, 86), "it is a logout token (typ logout+jwt)"},
	{jwt(`{"alg":"ES256","typ":"id_token"}`, claims, 86), "it is an ID token by its typ: it tells an application who signed in, and is no access token"},
	{jwt(es256, `{"typ":"ID"}`, 86), "it is an ID token by its claim typ, and no access token"},
	{jwt(es256, `{"typ":"Refresh"}`, 86), "it is a refresh token by its claim typ, and no access token"},
	{jwt(es256, `{"at_hash":"canary"}`, 86), "it is an ID token by its claims (at_hash or nonce): it tells an application who signed in, and is no access token"},
	{jwt(`{"alg":"ES256","typ":"dpop+jwt"}`, claims, 86), "it is a DPoP proof (typ dpop+jwt)"},
	{jwt(`{"alg":"HS256","typ":"better-auth.session-cache+jwt"}`, claims, 43), "it is Better Auth's copy of a session (typ better-auth.session-cache+jwt)"},

	{"ssk_canary", "this is a secret server key of Stack Auth (ssk_)"},
	{"pck_canary", "this is a publishable client key of Stack Auth, not a server key and not a user's token (pck_)"},
	{"sak_canary", "this is a super secret admin key of Stack Auth, a server key that may do everything (sak_)"},
	{"wrt_canary", "this is a workflow's credential of Stack Auth, which stands for a server key (wrt_)"},
	{"napi_canary", "this is an API key of Neon's console (napi_)"},
	{"postgresql://canary:canary@ep.neon.tech/db", "this is the address of a database, perhaps with its password (postgresql://)"},
	{"sk_9aysekayw0y64xwz6faqkdx6pt82dzdnyy1n4m2r2pvk0a84b4fe3bc83483ba95c1022bb0d1e80user0574ck4u7h27c267ec", "this is an API key of a user of Stack Auth"},
	{"sk_9aysekayw0y64xwz6faqkdx6pt82dzdnyy1n4m2r2pvk0a84b4fe3bc83483ba95c1022bb0d1e80user0574ck4u7h27c267ed", "this has the form of an API key of Stack Auth, and its checksum is wrong: it was cut or changed"},
	{"sk_live_canary", "this looks like an API key (sk_), and is none of Stack Auth's that is whole"},
	{"stackauth_eyJhY2Nlc3NUb2tlbiI6ImNhbmFyeSJ9", "it is the SDK's envelope (stackauth_), which holds the refresh token too"},
	{"Bearer hexclave_e30=", "it begins with Bearer, and without that it is the SDK's envelope (hexclave_), which holds the refresh token too"},
	{`stack-access=["canary","` + token + `"]`, "it is the SDK's access cookie, with its name: a JSON array of the refresh token and the access token, 185 characters"},
	{"stack-refresh-596e1f0d=canary", "it is the SDK's refresh cookie, with its name"},
	{"__Secure-neon-auth.session_token=" + session, "it is a session cookie of Better Auth, with its name"},
	{"Cookie: __Secure-neon-auth.session_token=" + session, "it is the header Cookie, and without that it is a session cookie of Better Auth, with its name"},
	{"__Secure-neon-auth.local.session_data=canary", "it is the cookie session_data of Better Auth, with its name: a copy of the session, which proves nothing"},
	{session, "it is a session credential of Better Auth, not an access token"},
	{"8hwk9v3y5m2tq7z4r6n1c0xbdpfgjs8hwk9v3y5m2tq7z", "it looks like a refresh token of Stack Auth: 45 characters without a dot"},
	{"Aax3xEc6DKjW8qpKBJo2Oa5AHP7zTjmx", "it is 32 letters and digits: the token of a session of Better Auth, a refresh token, or another credential that only its issuer can judge"},
	{strings.Repeat("0f", 32), "it is 64 hex digits: a digest, perhaps"},
	{"a2a49861-1bb1-40b0-b5f1-558b88acf49f", "it is an id (a UUID), which proves nothing"},

	{base64.StdEncoding.EncodeToString([]byte(token)), "it is a token that was encoded in base64 once more"},
	{base64.StdEncoding.EncodeToString([]byte(`{"canary":12}`)), "it is a JSON object in base64, not a token"},
	{"Y2FuYXJ5IGNhbmFyeQ==", "it is base64 with padding (=), 20 characters without a dot"},

	{`{"accessToken":"` + token + `","refreshToken":"canary"}`, "it is a JSON object with the member accessToken"},
	{`{"access_token": "canary"}`, "it is a JSON object with the member access_token"},
	{`["canary","` + token + `"]`, "it is the value of the cookie stack-access: a JSON array of the refresh token and the access token"},
	{`{"keys":[]}`, "it is a key set, which verifies tokens and is none"},
	{`{"kty":"EC","d":"canary"}`, "this is a private key as JSON"},
	{claims, "it is the claims of a token, decoded, without header and signature"},
	{`{"canary":1}`, "it is a JSON object"},
	{`{"canary"`, "it begins as JSON does, and is none"},
	{`[1]`, "it is a JSON array"},
	{"-----BEGIN PRIVATE KEY-----\ncanary", "this is a private key in PEM"},
	{"-----BEGIN CERTIFICATE-----\ncanary", "it is a key or a certificate in PEM"},
	{"<!DOCTYPE html>\n<p>canary", "it is a page of HTML, not what was asked for"},

	{"https://example.org/canary", "it is a URL"},
	{"https://example.org/?token=" + token, "it is a URL"},
	{"./canary", "it looks like the name of a file"},
	{"canary.jwt", "it looks like the name of a file"},
	{"~/canary", "it looks like the name of a file"},
	{"$TOKEN", "it is the name of a variable that the shell did not replace"},
	{"%TOKEN%", "it is the name of a variable that the shell did not replace"},
	{"<token>", "it is a word that stands for a token in instructions"},
	{"token", "it is a word that stands for a token in instructions"},
	{"undefined", "it is what a program prints that had no token"},
	{"[object Object]", "it is what a program prints that had no token"},

	{"\xff\xfee\x00y\x00J\x00", "it is in UTF-16, as PowerShell's > writes"},
	{"\x1b[1m" + token, "it has a terminal's colour codes in it"},
	{"canary\xff", "it is no text: it has bytes that no encoding of text has"},
	{"ey\u200bJ", "it has a character that no token has, which is not ASCII, after 2 others"},
	{"ey\x01J", "it has a control character after 2 others"},
	{"canary", "it is 6 characters without a dot, and a token has three segments with dots between"},
}

func TestEachTextIsToldByItsForm(t *testing.T) {
	if len(given) < 60 {
		t.Fatalf("only %d texts", len(given))
	}
	for _, g := range given {
		f, found := credential.Look(g.text)
		switch {
		case f.Is != g.is || !found:
			t.Errorf("%q: %q, want %q", g.text, f.Is, g.is)
		case f.Next == "":
			t.Errorf("%q: nothing is said to be done", g.text)
		case strings.Contains(f.Is+f.Next, "canary"):
			t.Errorf("%q is repeated: %+v", g.text, f)
		}
	}
}

func TestWhatMayBeACredentialIsLeftToTheDaemon(t *testing.T) {
	for text, whole := range map[string]bool{
		jwt(es256, claims, 86):                            true,
		jwt(`{"alg":"EdDSA"}`, claims, 86):                true,
		jwt(`{"alg":"RS256"}`, claims, 342):               true,
		jwt(`{"alg":"ES512"}`, claims, 176):               true,
		jwt(`{"alg":"unheard-of"}`, claims, 3):            true,
		session:                                           false,
		"eyJ" + session[3:]:                               false, // a session's token may begin so
		"eyJ3xEc6DKjW8qpKBJo2Oa5AHP7zTjmx":                false,
		"__Secure-neon-auth.session_token=" + session:     false,
		"Aax3xEc6DKjW8qpKBJo2Oa5AHP7zTjmx":                false,
		strings.Repeat("z", 45):                           false,
		jwt(`{"alg":"ES256","typ":"at+jwt"}`, claims, 86): false,
		"sk_9aysekayw0y64xwz6faqkdx6pt82dzdnyy1n4m2r2pvk0a84b4fe3bc83483ba95c1022bb0d1e80user0574ck4u7h27c267ec": false,
	} {
		if f, found := credential.Look(text); found == whole || f.Never {
			t.Errorf("%q: %+v", text, f)
		}
	}
}

func TestWhatAShellAddsIsTrimmed(t *testing.T) {
	for text, want := range map[string]string{
		"a.b.c\n": "a.b.c", "a.b.c\r\n": "a.b.c", "\n\n a.b.c \n\n": "a.b.c", "\ta.b.c": "a.b.c", "\xef\xbb\xbfa.b.c\r\n": "a.b.c",
		"": "", " \n": "", "a b\n": "a b", "\"a\"\n": "\"a\"",
	} {
		if got := credential.Trim([]byte(text)); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// FuzzLook: for every text, the finding is one short line of ASCII.
func FuzzLook(f *testing.F) {
	for _, g := range given {
		f.Add(g.text)
	}
	f.Add("=0")
	f.Fuzz(func(t *testing.T, text string) {
		found, ok := credential.Look(credential.Trim([]byte(text)))
		said := found.Is + found.Next
		if len(said) > 600 || strings.ContainsFunc(said, func(r rune) bool { return r < ' ' || r > '~' }) || ok != (found.Is != "") || ok != (found.Next != "") {
			t.Errorf("%q: %+v", text, found)
		}
	})
}
