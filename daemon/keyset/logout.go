package keyset

import (
	"github.com/neonauthd/neonauthd/internal/strictjson"
	"github.com/neonauthd/neonauthd/protocol"
)

const (
	// logoutType is the "typ" of a logout token, and logoutEvent the event that it
	// tells of (OpenID Connect Back-Channel Logout 1.0 sections 2.4 and 2.6).
	logoutType  = "logout+jwt"
	logoutEvent = "http://schemas.openid.net/event/backchannel-logout"
	// MaxEnded is the longest "sub" and "sid" of a logout token, in bytes: the longest id
	// that can be revoked.
	MaxEnded = protocol.MaxID
)

// hasLogoutEvent tells whether "events" is an object with the event of a logout
// token, whose value is an object too.
func hasLogoutEvent(value strictjson.Value) (has bool) {
	if value.Kind() != '{' {
		return false
	}
	strictjson.Each(value, func(name []byte, value strictjson.Value) {
		has = has || string(name) == logoutEvent && value.Kind() == '{'
	})
	return has
}

// logoutMember reads "jti", which only a logout token must have, and "nonce", which it must
// not have, because an ID token has it. Other policies look at neither.
func (c *payload) logoutMember(name []byte, value strictjson.Value) {
	switch {
	case !c.policy.Logout:
	case string(name) == "nonce":
		c.other = "nonce"
	case c.fits(name, value, "\"", "a string"):
		if c.identified = exactText(value) != ""; !c.identified {
			c.misfits(name, "is empty")
		}
	}
}

// checkEnded checks that "sub" and "sid" of a logout token can be revoked. A "sid" of
// another form does not count as absent: without "sid" the token would end every session of
// the subject.
func (c *payload) checkEnded(name []byte, value strictjson.Value) {
	if !c.policy.Logout || string(name) != "sub" && string(name) != "sid" || !c.fits(name, value, "\"", "a string") {
		return
	}
	switch id := exactText(value); {
	case id == "":
		c.misfits(name, "is empty")
	case len(id) > MaxEnded:
		c.misfits(name, "has more than 512 bytes")
	}
}

// otherFlaw is the flaw of a token of another kind than the policy takes.
func (c *payload) otherFlaw() error {
	switch {
	case c.policy.Logout && c.other == "":
		return &flaw{"events", "is absent, so this is no logout token"}
	case c.policy.Logout:
		return &flaw{c.other, "says that this is no logout token"}
	case c.other == "events":
		return &flaw{c.other, "tells what has happened, as a logout token does, which ends a session and lets nobody in: LOGOUT takes it"}
	case c.other == "at_hash", c.other == "c_hash":
		return &flaw{c.other, "is of an ID token, which tells an application who has signed in and lets nobody in"}
	default:
		return &flaw{c.other, "says that this is no access token"}
	}
}
