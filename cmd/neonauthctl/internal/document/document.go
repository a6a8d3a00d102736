// Package document has the JSON documents that neonauthctl --json prints;
// docs/output.md describes their members.
package document

import "encoding/json"

// Accepted is an accepted lookup.
type Accepted struct {
	Outcome   string          `json:"outcome"`
	Level     string          `json:"level"`
	Project   string          `json:"project"`
	Subject   string          `json:"subject"`
	Principal string          `json:"principal"` // what Subject is the id of
	Age       int64           `json:"age"`
	TTL       int64           `json:"ttl"`
	Expires   int64           `json:"expires"`
	Source    string          `json:"source"`
	Claims    json.RawMessage `json:"claims,omitempty"`
	Profile   json.RawMessage `json:"profile,omitempty"`
}

// Rejected is a rejected lookup.
type Rejected struct {
	Outcome string `json:"outcome"`
	Reason  string `json:"reason"`
	Given   string `json:"given"` // what the text looks like; "": a token
	Next    string `json:"next"`
}

// Unknown is a lookup that learnt nothing about the token.
type Unknown struct {
	Outcome    string `json:"outcome"`
	Code       string `json:"code"`
	RetryAfter int64  `json:"retry_after"`
	Error      string `json:"error"`
	Next       string `json:"next"`
}

// Logout is the document of logout for a valid logout token; for others it
// prints a Rejected.
type Logout struct {
	Outcome string `json:"outcome"`
	Ended   string `json:"ended"`
	Changed bool   `json:"changed"` // false: the session had ended already
}

// Ping is the document of ping.
type Ping struct {
	OK      bool    `json:"ok"`
	Seconds float64 `json:"seconds"`
}

// Hello is the document of hello.
type Hello struct {
	Version  string   `json:"version"`
	Protocol int      `json:"protocol"`
	MaxLine  int      `json:"max_line"`
	InFlight int      `json:"in_flight"`
	Projects []string `json:"projects"`
}

// Change is the document of revoke, unrevoke and purge. purge has no Changed.
type Change struct {
	Changed *bool  `json:"changed,omitempty"`
	Entries int64  `json:"entries"`
	Fleet   *Reach `json:"fleet,omitempty"`
	// UnknownKey: the project's key set does not have the revoked key now.
	UnknownKey bool `json:"unknown_key,omitempty"`
}

// Revocations is the document of revocations.
type Revocations struct {
	Revocations []Revocation `json:"revocations"`
}

// Revocation is one revocation in force.
type Revocation struct {
	Project string  `json:"project"`
	Kind    string  `json:"kind"`
	Value   string  `json:"value"`
	Since   int64   `json:"since"` // 0: not known
	Until   int64   `json:"until"` // 0: until unrevoke
	UID     *uint32 `json:"uid,omitempty"`
	Reason  string  `json:"reason"`
}

// Reach says on how many hosts of a fleet a change is in force.
type Reach struct {
	Reached int64 `json:"reached"`
	Of      int64 `json:"of"`
	Silent  int64 `json:"silent"` // hosts of these that are not heard and may still accept
	Blind   bool  `json:"blind"`  // this host does not hear the fleet
}

// Level is the document of level.
type Level struct {
	Level string `json:"level"`
}

// OK is the document of a command without a result.
type OK struct {
	OK bool `json:"ok"`
}

// Failure is the document of a command that failed, except lookups.
type Failure struct {
	Code       string `json:"code"`
	RetryAfter int64  `json:"retry_after"`
	Error      string `json:"error"`
	Next       string `json:"next"`
}
