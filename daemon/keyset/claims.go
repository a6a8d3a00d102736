package keyset

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/internal/strictjson"
	"github.com/neonauthd/neonauthd/protocol"
)

// Claims is what an accepted token says (RFC 7519 section 4). It is a value of
// its own: nothing in it aliases the token, and nobody may change JSON. Two
// tokens that differ in nothing but the signature have equal Claims. The zero
// value says nothing and is what every refused token gets.
type Claims struct {
	// Subject is "sub": free of control characters, and never empty but in a logout
	// token that names a session.
	Subject string
	// Issuer is "iss", one of the policy's.
	Issuer string
	// Audience is the policy's audience name that "aud" is or contains, or that is in
	// its AudienceClaim.
	Audience string
	// Session is the first non-empty of the policy's session claims; empty if
	// the token has none. Free of control characters.
	Session string
	// Class is that of the audience, or ClassMachine.
	Class Class
	// Client is the id of the OAuth client that got the token, and Scope what it
	// was granted, words with blanks between. Both are empty unless the policy
	// is that of a Resource; with an AudienceClaim only Scope is empty.
	Client, Scope string
	// IssuedAt is "iat", rounded down to seconds: a revocation of all tokens
	// issued up to an instant must not miss one because of a fraction.
	// NotBefore is "nbf", rounded up. Both are the zero time when absent.
	IssuedAt, NotBefore time.Time
	// Expires is "exp", rounded down to seconds. From that instant on the token
	// is not accepted.
	Expires time.Time
	// Key is the key that signed the token. See Key.Withdrawn.
	Key *Key
	// JSON is the whole payload as one line for any reader: blanks between
	// values removed, values as they were, except that the control characters
	// JSON permits (U+007F to U+009F) and the line separators U+2028 and
	// U+2029 are written as escapes. Numbers keep all their digits.
	JSON []byte
}

// moment is a NumericDate: seconds since 1970.
type moment struct {
	seconds int64
	present bool
}

// time returns the zero time for an absent moment.
func (m moment) time() time.Time {
	if !m.present {
		return time.Time{}
	}
	return time.Unix(m.seconds, 0)
}

// flag is a boolean claim that may be absent.
type flag struct{ present, set bool }

// is tells whether the flag is present and says v.
func (f flag) is(v bool) bool { return f.present && f.set == v }

// payload is the claims as the token states them.
type payload struct {
	policy      *Policy
	subject     string
	issuer      string   // empty: absent or not a string
	audiences   []string // of "aud"; empty: absent or of a form the policy does not take
	hasAudience bool     // "aud" is there, whatever it holds
	role        string   // empty: absent, null, or no string
	hasRole     bool     // present and not null
	session     string
	sessionAt   int // place of session in the policy's list
	expires     moment
	notBefore   moment
	issuedAt    moment // rounded up, to judge whether it is in the future
	issued      moment // rounded down, as it is returned in Claims
	bound       bool   // has a "cnf"
	other       string // a claim that shows another kind of token; empty: none
	client      string // "client_id" or "azp"
	stated      bool   // client is in the policy's AudienceClaim
	scope       string
	event       bool // "events" has that of a logout token
	identified  bool // "jti" is there
	anonymous   flag
	restricted  flag
	reason      flag   // "restricted_reason": present if it is there, set if it is not null
	reasonType  string // of that
	misfit      *flaw  // the first claim read here that is of the wrong kind
}

// readPayload reads the claims. It judges their form, not their content: text
// that is not one strict JSON object and values that cannot be read are errors.
// A claim that is not read here may be anything.
func readPayload(p *Policy, text []byte) (*payload, error) {
	c := &payload{policy: p}
	return c, object(text, claimNames, c.member)
}

func (c *payload) member(name []byte, value strictjson.Value) error {
	what := ""
	switch string(name) {
	case "sub":
		if c.fits(name, value, "\"", "a string") {
			if c.subject, what = identifier(value); what == "" && c.subject == "" {
				c.misfits(name, "is empty")
			}
		}
	case "iss":
		c.issuer = exactText(value)
	case "aud":
		c.audiences, c.hasAudience = c.audienceNames(value), true
	case "exp":
		c.expires, what = c.date(name, value, math.Floor)
	case "nbf":
		c.notBefore, what = c.date(name, value, math.Ceil)
	case "iat":
		c.issuedAt, what = c.date(name, value, math.Ceil)
		c.issued, _ = c.date(name, value, math.Floor)
	case "cnf":
		c.bound = true // whatever it holds: the daemon cannot check the proof
	case "at_hash", "c_hash", "events", "typ", "token_use":
		if c.otherKind(string(name), value) {
			c.other = string(name)
		}
	case "nonce", "jti":
		c.logoutMember(name, value)
	case "client_id", "azp", "scope":
		what = c.grant(name, value)
	case "role":
		c.role = exactText(value)
		c.hasRole = value.Kind() != 'n'
	case "is_anonymous":
		c.anonymous = c.boolean(name, value)
	case "is_restricted":
		c.restricted = c.boolean(name, value)
	case "restricted_reason":
		c.readReason(name, value)
	}
	c.checkEnded(name, value)
	// A value that is not a string names no session, and neither does one that no revocation could name.
	if at := slices.Index(c.policy.SessionClaims, string(name)); at >= 0 && what == "" && value.Kind() == '"' {
		var id string
		if id, what = identifier(value); id != "" && len(id) <= protocol.MaxID && (c.session == "" || at < c.sessionAt) {
			c.session, c.sessionAt = id, at
		}
	}
	if what != "" {
		return &flaw{string(name), what}
	}
	return nil
}

// misfits notes that a claim is not of the kind or form that it must have.
func (c *payload) misfits(name []byte, what string) {
	if c.misfit == nil {
		c.misfit = &flaw{string(name), what}
	}
}

// fits tells whether a claim is of one of the kinds. If not, it notes what the
// claim is and what it is wanted to be.
func (c *payload) fits(name []byte, value strictjson.Value, kinds, wanted string) bool {
	if strings.IndexByte(kinds, byte(value.Kind())) >= 0 {
		return true
	}
	is := map[strictjson.Kind]string{'"': "a string", '0': "a number", '{': "an object", '[': "an array", 'n': "null"}[value.Kind()]
	c.misfits(name, "is "+cmp.Or(is, "true or false")+" and has to be "+wanted)
	return false
}

// identifier returns a string that names somebody or something, or what is
// wrong with it.
func identifier(value strictjson.Value) (id, what string) {
	id, ok := strictjson.Identifier(value)
	if !ok {
		return "", "has a control character or half a surrogate pair"
	}
	return id, ""
}

// boolean reads a flag. If the policy does not use the flag, any form will do.
func (c *payload) boolean(name []byte, value strictjson.Value) flag {
	if !c.policy.StackFlags || !c.fits(name, value, "tf", "true or false") {
		return flag{}
	}
	return flag{present: true, set: value.Kind() == 't'}
}

// readReason reads why the user is restricted: an object with a "type", or null.
func (c *payload) readReason(name []byte, value strictjson.Value) {
	if !c.policy.StackFlags || !c.fits(name, value, "{n", "an object or null") {
		return
	}
	if c.reason = (flag{present: true, set: value.Kind() == '{'}); !c.reason.set {
		return
	}
	strictjson.Each(value, func(name []byte, value strictjson.Value) {
		if string(name) == "type" {
			c.reasonType = exactText(value)
		}
	})
}

// audienceNames returns the string, or the strings of the array if the policy
// takes arrays. One element of another form spoils the array.
func (c *payload) audienceNames(value strictjson.Value) (names []string) {
	if s, ok := strictjson.Text(value); ok {
		return []string{s}
	}
	if !c.policy.AudienceArray {
		return nil
	}
	err := strictjson.Elements(value, 0, func(element strictjson.Value) error {
		s, ok := strictjson.Text(element)
		if !ok {
			return errSpoilt
		}
		names = append(names, s)
		return nil
	})
	if err != nil {
		return nil
	}
	return names
}

// exactText returns a string as it is; empty for anything else.
func exactText(value strictjson.Value) string {
	s, ok := strictjson.Text(value)
	if !ok {
		return ""
	}
	return s
}

// date reads seconds since 1970 (RFC 7519 section 2): a JSON number whose size
// is below 2^53, so that every reader of JSON sees the same one. round brings a
// fraction to the second that is safe for the claim.
func (c *payload) date(name []byte, value strictjson.Value, round func(float64) float64) (m moment, what string) {
	if !c.fits(name, value, "0", "a number") {
		return moment{}, ""
	}
	const limit = 1 << 53
	if n, err := strconv.ParseInt(string(value), 10, 64); err == nil && -limit < n && n < limit {
		return moment{n, true}, ""
	}
	f, err := strconv.ParseFloat(string(value), 64)
	if err != nil || f <= -limit || f >= limit {
		return moment{}, "is not between -2^53 and 2^53"
	}
	return moment{int64(round(f)), true}, ""
}

// judge returns the audience that the claims are accepted for at the instant, or
// nil and the first reason against them. The order of the checks: bearer token, kind of
// token, required claims, issuer and audience, role, class of user, time, scope.
func (c *payload) judge(now time.Time) (*Audience, protocol.Reason) {
	switch {
	case c.bound:
		return nil, protocol.ReasonSenderConstrained
	case c.other != "", c.policy.Logout && !c.event:
		return nil, protocol.ReasonWrongType
	case c.misfit != nil, c.missing() != nil:
		return nil, protocol.ReasonMissingClaim
	}
	a, reason := c.policy.place(c.issuer, c.addressees())
	if a == nil {
		return nil, reason
	}
	if wanted := c.policy.Role; wanted != "" {
		if !c.hasRole {
			return nil, protocol.ReasonMissingClaim
		}
		if c.role != wanted {
			return nil, protocol.ReasonClassNotAllowed
		}
	}
	if c.contradicts(a.Class) || c.class(a) == ClassMachine && !c.policy.Machines {
		return nil, protocol.ReasonClassNotAllowed
	}
	if reason := c.untimely(now); reason != "" {
		return nil, reason
	}
	if c.lacksScope() {
		return nil, protocol.ReasonInsufficientScope
	}
	return a, ""
}

// untimely returns the reason why the claims are not in force at the instant; empty if they
// are. The leeway is for "nbf" and "iat" only. A claim that is absent is no reason: judge has
// demanded "exp" before.
func (c *payload) untimely(now time.Time) protocol.Reason {
	latest := now.Add(max(c.policy.Leeway, 0))
	switch {
	case c.expires.present && (c.expires.seconds <= 0 || !now.Before(c.expires.time())):
		return protocol.ReasonExpired
	case c.notBefore.time().After(latest), c.issuedAt.time().After(latest):
		return protocol.ReasonNotYetValid
	default:
		return ""
	}
}

// missing names a required claim that is absent; nil if all are there.
func (c *payload) missing() error {
	resource, logout := c.policy.Resource, c.policy.Logout
	switch {
	case c.subject == "" && !logout:
		return &flaw{"sub", "is absent"}
	case c.subject == "" && c.session == "":
		return &flaw{"sub", "is absent, and so is sid"}
	case !c.expires.present:
		return &flaw{"exp", "is absent"}
	case resource && c.client == "":
		return &flaw{"client_id", "is absent"}
	case (resource || logout) && !c.issuedAt.present:
		return &flaw{"iat", "is absent"}
	case logout && !c.identified:
		return &flaw{"jti", "is absent"}
	default:
		return nil
	}
}

// flaw says what is wrong with claims that are refused for the reason; nil if
// the reason says everything.
func (c *payload) flaw(reason protocol.Reason) error {
	switch {
	case reason == protocol.ReasonWrongType:
		return c.otherFlaw()
	case reason == protocol.ReasonWrongAudience:
		return c.audienceFlaw()
	case reason != protocol.ReasonMissingClaim:
		return nil
	case c.misfit != nil:
		return c.misfit
	case c.missing() != nil:
		return c.missing()
	default:
		return &flaw{"role", "is absent"}
	}
}

// contradicts tells whether the flags of the user disagree with each other or
// with the class that the audience stands for. An anonymous user is a restricted
// one, too, and there is a reason exactly if the user is restricted. A flag
// that is absent disagrees with nothing: older releases lack some or all of
// them. But every release that gives a reason also gives the flag
// is_restricted.
func (c *payload) contradicts(class Class) bool {
	switch {
	case !c.policy.StackFlags:
		return false
	case c.anonymous.is(true) && c.restricted.is(false),
		c.reason.is(true) && !c.restricted.is(true),
		c.reason.is(false) && c.restricted.is(true),
		c.reasonType == "anonymous" && c.anonymous.is(false):
		return true
	}
	switch class {
	case ClassNormal:
		return c.anonymous.is(true) || c.restricted.is(true)
	case ClassRestricted:
		return c.anonymous.is(true) || c.restricted.is(false)
	case ClassAnonymous:
		return c.anonymous.is(false) || c.restricted.is(false)
	default:
		return false
	}
}
