package client

import (
	"strings"

	"github.com/neonauthd/neonauthd/protocol"
)

// Of what tokens are made (protocol.md, "Rules for clients"). What PROFILE
// takes beside it are the session credentials of preset neon, which end in
// padded base64 and may be percent-encoded, as they stand in their cookie.
const (
	tokenBytes   = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
	sessionBytes = tokenBytes + "+/=%"
)

// askable tells whether the token can be one at all. One that cannot is
// malformed beyond doubt, and sending it could only do harm: a line feed in it
// would be a second request, "x project=other" a second argument, and
// "project=other" a field of the request.
func askable(verb protocol.Verb, token string) bool {
	made := tokenBytes
	if verb == protocol.PROFILE {
		made = sessionBytes
	}
	if len(token) > protocol.MaxToken || !protocol.ValidWord([]byte(token)) {
		return false
	}
	return strings.Trim(token, made) == ""
}
