package credential

import (
	"fmt"
	"hash/crc32"
	"net/url"
	"path"
	"strings"
)

// prefixes returns the known prefixes of keys and codes.
func prefixes() []struct {
	prefix, is string
	secret     bool
} {
	return []struct {
		prefix, is string
		secret     bool
	}{
		{"ssk_", "a secret server key of Stack Auth", true},
		{"sak_", "a super secret admin key of Stack Auth, a server key that may do everything", true},
		{"pck_", "a publishable client key of Stack Auth, not a server key and not a user's token", false},
		{"wrt_", "a workflow's credential of Stack Auth, which stands for a server key", true},
		{"napi_", "an API key of Neon's console", true},
		{"npg_", "the password of a Neon database", true},
		{"postgres://", "the address of a database, perhaps with its password", true},
		{"postgresql://", "the address of a database, perhaps with its password", true},
		{"whsec_", "the secret of a webhook", true},
	}
}

// envelopes returns the prefixes of the value that the SDK's getAuthorizationHeader packs
// both tokens into.
func envelopes() []string { return []string{"stackauth_", "hexclave_"} }

// Resembles reports whether text looks like a token, a key, or a header with one, and so
// cannot be the name of a file.
func Resembles(text string) bool {
	for _, k := range prefixes() {
		if k.secret && strings.HasPrefix(text, k.prefix) {
			return true
		}
	}
	for _, prefix := range append(envelopes(), "eyJ", "Bearer ", "pck_") {
		if strings.HasPrefix(text, prefix) {
			return true
		}
	}
	return formOfAPIKey(text) || sessionForm().MatchString(text)
}

// apiKeyMark is part of every API key of Stack Auth, so that scanners find such keys.
const apiKeyMark = "574ck4u7h"

// known finds keys by their form.
func known(text string) Finding {
	for _, k := range prefixes() {
		switch {
		case !strings.HasPrefix(text, k.prefix):
		case k.secret:
			return Finding{"this is " + k.is + " (" + k.prefix + ")", replace, true}
		default:
			return Finding{"this is " + k.is + " (" + k.prefix + ")", wanted, true}
		}
	}
	for _, prefix := range envelopes() {
		if strings.HasPrefix(text, prefix) {
			return Finding{"it is the SDK's envelope (" + prefix + "), which holds the refresh token too", "give the access token in it: base64 -d of what is behind " + prefix + " is JSON with the member accessToken", true}
		}
	}
	switch {
	case isAPIKey(text):
		kind := apiKeyType(text)
		return Finding{"this is an API key of a " + kind + " of Stack Auth", "the project takes no such keys: ask one whose api_keys has \"" + kind + "\", with neonauthctl profile; have the key replaced if it was shown", false}
	case formOfAPIKey(text):
		return Finding{"this has the form of an API key of Stack Auth, and its checksum is wrong: it was cut or changed", "copy the key again, whole", true}
	case strings.HasPrefix(text, "sk_"), strings.HasPrefix(text, "pk_"):
		return Finding{"this looks like an API key (" + text[:3] + "), and is none of Stack Auth's that is whole", replace, true}
	}
	return Finding{}
}

// The parts of an API key of Stack Auth that are looked at: its length, where its type
// stands, and the checksum of all before at its end.
const (
	apiKeyLength   = 102
	apiKeyTypeAt   = 80
	apiKeyTypeEnd  = apiKeyTypeAt + len("user")
	apiKeyChecksum = 8
)

// formOfAPIKey reports whether text has the form of an API key of Stack Auth. It does not
// look at the checksum.
func formOfAPIKey(text string) bool {
	return len(text) == apiKeyLength && (strings.HasPrefix(text, "sk_") || strings.HasPrefix(text, "pk_")) && strings.Contains(text, apiKeyMark)
}

// isAPIKey reports whether text has the form and the checksum of an API key of Stack Auth,
// and a known type.
func isAPIKey(text string) bool {
	if !formOfAPIKey(text) {
		return false
	}
	body, checksum := text[:apiKeyLength-apiKeyChecksum], text[apiKeyLength-apiKeyChecksum:]
	kind := apiKeyType(text)
	return (kind == "user" || kind == "team") && checksum == fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(body)))
}

// apiKeyType returns the type of a text that has the form of an API key.
func apiKeyType(text string) string { return text[apiKeyTypeAt:apiKeyTypeEnd] }

// variable finds texts that a shell or a program gives for a missing token.
func variable(text string) Finding {
	switch strings.ToLower(text) {
	case "undefined", "null", "none", "nil", "nan", "true", "false", "[object object]":
		return Finding{"it is what a program prints that had no token", "see why the program had none: the user may not be signed in", true}
	case "token", "access_token", "accesstoken", "jwt", "bearer", "your_token", "your-token":
		return Finding{"it is a word that stands for a token in instructions", wanted, true}
	}
	switch {
	case strings.HasPrefix(text, "$"), strings.HasPrefix(text, "%") && strings.HasSuffix(text, "%"):
		return Finding{"it is the name of a variable that the shell did not replace", "write it in double quotes, or in none", true}
	case strings.HasPrefix(text, "<") && strings.HasSuffix(text, ">"):
		return Finding{"it is a word that stands for a token in instructions", wanted, true}
	}
	return Finding{}
}

// place finds a URL or the name of a file.
func place(text string) Finding {
	if u, err := url.Parse(text); err == nil && u.Scheme != "" && u.Host != "" {
		next := wanted
		if strings.Contains(text, "token=") {
			next = "give what is behind \"token=\" in it alone"
		}
		return Finding{"it is a URL", next, true}
	}
	named := strings.HasPrefix(text, "/") || strings.HasPrefix(text, "./") || strings.HasPrefix(text, "../") || strings.HasPrefix(text, "~/")
	switch path.Ext(text) {
	case ".jwt", ".txt", ".token", ".json", ".pem", ".env":
		named = true
	}
	if named && !strings.ContainsAny(text, " \t\r\n") && len(text) <= 4096 {
		return Finding{"it looks like the name of a file", "have the file read: --token-file FILE, or < FILE", true}
	}
	return Finding{}
}

// cookieKind returns the kind of the cookie with this name; "" if it is not known.
func cookieKind(name string) string {
	switch {
	case name == "stack-access", name == "hexclave-access":
		return "the SDK's access cookie, with its name"
	case strings.HasPrefix(name, "stack-refresh"), strings.HasPrefix(name, "hexclave-refresh"):
		return "the SDK's refresh cookie, with its name"
	case strings.HasSuffix(name, ".session_data"):
		return "the cookie session_data of Better Auth, with its name: a copy of the session, which proves nothing"
	case strings.HasSuffix(name, ".session_token"), strings.HasSuffix(name, "session_token") && strings.HasPrefix(name, "__Secure-"):
		return "a session cookie of Better Auth, with its name"
	}
	return ""
}

// cookies finds cookies with their names.
func cookies(text string) Finding {
	name, value, found := strings.Cut(text, "=")
	if !found {
		return Finding{}
	}
	kind := cookieKind(name)
	switch {
	case kind == "":
		return Finding{}
	case strings.Contains(name, "session_token"):
		return Finding{"it is " + kind, sessionNext, false}
	case strings.Contains(name, "refresh"), strings.Contains(name, "session_data"):
		return Finding{"it is " + kind, "have the user sign in anew if it was shown; " + wanted, true}
	}
	return Finding{fmt.Sprintf("it is %s: a JSON array of the refresh token and the access token, %d characters", kind, len(value)), "give the access token, the second of the two, alone", true}
}
