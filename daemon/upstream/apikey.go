package upstream

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"net/http"
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/internal/strictjson"
	"github.com/neonauthd/neonauthd/protocol"
)

// The parts of an API key, in bytes: "sk_" or "pk_", a secret, the key's id, the type, what scanners know it by, and a
// checksum of all before (Stack Auth, packages/stack-shared/src/utils/api-keys.tsx).
const (
	apiKeySecret   = 45
	apiKeyID       = 32
	apiKeyMark     = "574ck4u7h"
	apiKeyChecksum = 8
	apiKeyLength   = 3 + apiKeySecret + apiKeyID + 4 + 1 + len(apiKeyMark) + apiKeyChecksum
)

// keyWithoutEnd is how long an API key without an end is good. Then it has to be asked about again, whatever else is
// configured.
const keyWithoutEnd = 24 * time.Hour

// APIKey is an API key of Stack Auth, which only the upstream can judge. It is as secret as a password.
type APIKey struct {
	text string
	// Team tells that it belongs to a team, and to no user.
	Team bool
}

// ParseAPIKey reads an API key. The form and the checksum prove nothing: they only show that a credential is no key, so
// that the upstream need not be asked.
func ParseAPIKey(credential []byte) (APIKey, bool) {
	if len(credential) != apiKeyLength {
		return APIKey{}, false
	}
	text := string(credential)
	body, checksum := text[:apiKeyLength-apiKeyChecksum], text[apiKeyLength-apiKeyChecksum:]
	id, rest := 3+apiKeySecret, 3+apiKeySecret+apiKeyID
	kind, scanner := text[rest:rest+4], text[rest+4]
	ok := (strings.HasPrefix(text, "sk_") || strings.HasPrefix(text, "pk_")) && lowerAlnum(text[3:id]) && isHex(text[id:rest]) &&
		(kind == "user" || kind == "team") && '0' <= scanner && scanner <= '3' && text[rest+5:len(body)] == apiKeyMark &&
		checksum == fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(body)))
	return APIKey{text: text, Team: kind == "team"}, ok
}

// ResemblesAPIKey reports whether a credential was meant to be an API key: it begins like one and has what scanners know
// such keys by. It may lack a part or have a wrong checksum, so it is for words to people only.
func ResemblesAPIKey(credential []byte) bool {
	return (bytes.HasPrefix(credential, []byte("sk_")) || bytes.HasPrefix(credential, []byte("pk_"))) && bytes.Contains(credential, []byte(apiKeyMark))
}

func lowerAlnum(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return (r < '0' || r > '9') && (r < 'a' || r > 'z') })
}

func isHex(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return (r < '0' || r > '9') && (r < 'a' || r > 'f') })
}

// id is the id of the key without dashes. The upstream's answer has it as a UUID, with dashes.
func (k APIKey) id() string { return k.text[3+apiKeySecret : 3+apiKeySecret+apiKeyID] }

// Type returns whose key it is, "user" or "team": so the upstream names it, and so does api_keys in the configuration.
func (k APIKey) Type() string {
	if k.Team {
		return "team"
	}
	return "user"
}

// keyOwner asks who owns an API key (POST {user,team}-api-keys/check). The user's own token is never sent along: the
// upstream would judge it first.
func (c *Client) keyOwner(ctx context.Context, k APIKey) (Profile, *Error) {
	kind := k.Type()
	body, err := json.Marshal(map[string]string{"api_key": k.text})
	if err != nil {
		return Profile{}, missing("an API key")
	}
	header := c.stackHeader("")
	header.Set("Content-Type", "application/json")
	a, e := c.send(ctx, http.MethodPost, c.endpoints.apiKeys(kind), header, body, maxErrorBody)
	if e != nil {
		return Profile{}, e
	}
	if e := c.judgeKnown(a, apiKeyCode); e != nil {
		if e.Code == "" && keysAreOff(a, kind) {
			e.detail = "API keys of type " + kind + " are switched off in the upstream's project: switch them on there, or take the type out of api_keys"
		}
		return Profile{}, e
	}
	return c.readKey(a, k)
}

// keysAreOff reports whether the upstream says that keys of the type are switched off in its project. This is the one
// answer of the check that has no code: a text.
func keysAreOff(a *answer, kind string) bool {
	said, off := strings.CutSuffix(strings.TrimSpace(string(a.body)), " API keys are not enabled for this project.")
	return a.status == http.StatusBadRequest && off && strings.EqualFold(said, kind)
}

// readKey reads a 200 about a key. The answer counts only if it is about this key.
func (c *Client) readKey(a *answer, k APIKey) (Profile, *Error) {
	if !isJSON(a.header) {
		return Profile{}, unusable(a.status, "the body is not JSON by its Content-Type")
	}
	body, err := readObject(a.body, profileRules)
	if err != nil {
		return Profile{}, notStrict(a.status, "the body is not one strict JSON object: ", err)
	}
	kind := k.Type()
	value, _ := body.inner("value")
	owner, owned := body.identifier(kind + "_id")
	if body.text("type") != kind || strings.ReplaceAll(body.text("id"), "-", "") != k.id() ||
		value.text("last_four") != k.text[apiKeyLength-4:] || !owned {
		return Profile{}, unusable(a.status, "the answer is about another API key than asked for; is there a cache in between?")
	}
	if kind := body.member("manually_revoked_at_millis").Kind(); kind != 0 && kind != 'n' {
		return Profile{}, &Error{Meaning: Denied, Denial: protocol.ReasonRevoked, Status: a.status, detail: "the API key was revoked"}
	}
	p := Profile{Body: body.compact, Subject: owner, Expires: a.at.own.Add(keyWithoutEnd), Team: k.Team}
	p.Started, _ = millis(body.member("created_at_millis"))
	if end := body.member("expires_at_millis"); len(end) > 0 && end.Kind() != 'n' {
		at, ok := millis(end)
		if !ok {
			return Profile{}, unusable(a.status, "the API key does not say when it ends")
		}
		switch over, sure := a.at.holds(at.Before); {
		case over && !sure:
			return Profile{}, doubtful(a.status)
		case over:
			return Profile{}, &Error{Meaning: Denied, Denial: protocol.ReasonExpired, Status: a.status, OwnClock: !a.at.dated, detail: "the API key is over"}
		}
		p.Expires = at
	}
	return p, nil
}

// millis reads milliseconds since 1970.
func millis(value strictjson.Value) (time.Time, bool) {
	var n int64
	if json.Unmarshal(value, &n) != nil || n < 0 || n > 1<<53 {
		return time.Time{}, false
	}
	return time.UnixMilli(n), true
}

// codeNoKey says that there is no such key.
const codeNoKey = "API_KEY_NOT_FOUND"

// unknownKey is a key of the right form that nobody has.
func unknownKey(team bool) APIKey {
	k := APIKey{Team: team}
	text := "sk_" + strings.Repeat("0", apiKeySecret+apiKeyID) + k.Type() + "0" + apiKeyMark
	k.text = text + fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(text)))
	return k
}

// apiKeyCode returns the meaning of a known error of the check; false for a code that is not on the list. Codes about
// the request or the server key mean what they mean everywhere; those about an access token are not expected, because
// none is sent.
func apiKeyCode(code string) (Meaning, protocol.Reason, bool) {
	switch code {
	case codeNoKey, "WRONG_API_KEY_TYPE":
		return Denied, protocol.ReasonRejectedUpstream, true
	case "API_KEY_REVOKED":
		return Denied, protocol.ReasonRevoked, true
	case "API_KEY_EXPIRED":
		return Denied, protocol.ReasonExpired, true
	}
	meaning, _, known := stackCode(code)
	return Misconfigured, "", known && meaning == Misconfigured
}
