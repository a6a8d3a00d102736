package protocol

// Status is the first word of a reply: one of the three outcomes. The zero value is [ERR], "could not tell".
type Status uint8

// The three outcomes.
const (
	// ERR means unknown: the request was wrong or the daemon cannot tell. It is followed by a [Code].
	ERR Status = iota
	// OK means accepted, or for verbs that ask about no token, done.
	OK
	// NO means rejected: the daemon holds proof. It is followed by a [Reason].
	NO
)

// String returns the status as it stands on the wire. A value outside the three reads as ERR.
func (s Status) String() string {
	switch s {
	case OK:
		return "OK"
	case NO:
		return "NO"
	default:
		return "ERR"
	}
}

// Name returns the outcome's name in logs, metrics and the answers of EXPLAIN and STATS: accepted, rejected or unknown. A value
// outside the three is unknown.
func (s Status) Name() string {
	switch s {
	case OK:
		return "accepted"
	case NO:
		return "rejected"
	default:
		return "unknown"
	}
}

// Verb is the word that says what a request asks for.
type Verb string

// Verbs of both sockets.
const (
	// VERIFY asks for a verdict at level claims.
	VERIFY Verb = "VERIFY"
	// PROFILE asks for a verdict at level profile.
	PROFILE Verb = "PROFILE"
	// LOGOUT ends the session that a logout token names, or, if it names none, every token of its subject issued until
	// then.
	LOGOUT Verb = "LOGOUT"
	// WATCH turns the connection into a watch, on which the daemon tells the client what to forget.
	WATCH Verb = "WATCH"
	// SEEN says on a watch up to which revision the client has forgotten, and asks to extend the lease.
	SEEN Verb = "SEEN"
	// PING asks whether the connection is served.
	PING Verb = "PING"
	// HELLO tells the client's version and name and asks for the daemon's.
	HELLO Verb = "HELLO"
	// QUIT asks for every outstanding reply and then the end of the connection.
	QUIT Verb = "QUIT"
)

// Verbs of the admin socket only.
const (
	// STATS asks for counters and gauges.
	STATS Verb = "STATS"
	// KEYS asks for the key sets in use.
	KEYS Verb = "KEYS"
	// EXPLAIN asks for every check of one token with its result.
	EXPLAIN Verb = "EXPLAIN"
	// REVOKE makes the daemon reject tokens from now on.
	REVOKE Verb = "REVOKE"
	// UNREVOKE takes one REVOKE back.
	UNREVOKE Verb = "UNREVOKE"
	// REVOCATIONS asks for the list of revocations.
	REVOCATIONS Verb = "REVOCATIONS"
	// PURGE drops cached entries.
	PURGE Verb = "PURGE"
	// RELOAD reads the configuration again.
	RELOAD Verb = "RELOAD"
	// LEVEL sets how much is logged.
	LEVEL Verb = "LEVEL"
	// FLEET asks for the hosts of the fleet, as this one sees them.
	FLEET Verb = "FLEET"
)

// Verbs returns the verbs of the ordinary socket, in the order of protocol.md. The slice is the caller's.
func Verbs() []Verb {
	return []Verb{VERIFY, PROFILE, LOGOUT, WATCH, SEEN, PING, HELLO, QUIT}
}

// AdminVerbs returns the verbs that only the admin socket serves, in the order of protocol.md. The admin socket serves
// [Verbs] as well. The slice is the caller's.
func AdminVerbs() []Verb {
	return []Verb{STATS, KEYS, EXPLAIN, REVOKE, UNREVOKE, REVOCATIONS, PURGE, RELOAD, LEVEL, FLEET}
}

// Reason says which proof a rejection rests on. The list is closed for one protocol [Version].
type Reason string

// The reasons; protocol.md names the proof behind each.
const (
	// ReasonMalformed: the text is not a token at all.
	ReasonMalformed Reason = "malformed"
	// ReasonWrongType: the typ or a claim says that the token is of another kind: not an access token, or not one for
	// this project.
	ReasonWrongType Reason = "wrong-type"
	// ReasonBadSignature: the named key did not sign this text.
	ReasonBadSignature Reason = "bad-signature"
	// ReasonUnknownKey: a key set that was fetched after the daemon first met this key id has no key of that id, or the id
	// is not 1 to 128 bytes of printable ASCII.
	ReasonUnknownKey Reason = "unknown-key"
	// ReasonExpired: signed, and its exp is in the past.
	ReasonExpired Reason = "expired"
	// ReasonNotYetValid: signed, and its nbf or iat is in the future.
	ReasonNotYetValid Reason = "not-yet-valid"
	// ReasonWrongIssuer: signed, by an issuer that the project does not accept.
	ReasonWrongIssuer Reason = "wrong-issuer"
	// ReasonWrongAudience: signed, for somebody else.
	ReasonWrongAudience Reason = "wrong-audience"
	// ReasonWrongAlgorithm: the header names an algorithm that the key or the project does not have.
	ReasonWrongAlgorithm Reason = "wrong-algorithm"
	// ReasonMissingClaim: signed, but a claim that has to be there is absent or of the wrong kind.
	ReasonMissingClaim Reason = "missing-claim"
	// ReasonSenderConstrained: signed, but bound to a key by its cnf: no bearer token.
	ReasonSenderConstrained Reason = "sender-constrained"
	// ReasonClassNotAllowed: for a class (anonymous or restricted users, machines, teams) or a role that the project does
	// not admit.
	ReasonClassNotAllowed Reason = "class-not-allowed"
	// ReasonInsufficientScope: signed and in force, but without a scope that the project demands.
	ReasonInsufficientScope Reason = "insufficient-scope"
	// ReasonUserNotFound: the upstream says that the user is gone.
	ReasonUserNotFound Reason = "user-not-found"
	// ReasonRevoked: an operator, the token's issuer or, for an API key, the upstream has revoked the token, its session,
	// its user or its key.
	ReasonRevoked Reason = "revoked"
	// ReasonRejectedUpstream: the upstream refused this token with a code that means a rejection.
	ReasonRejectedUpstream Reason = "rejected-upstream"
)

// Reasons returns every reason, in the order of protocol.md. The slice is the caller's.
func Reasons() []Reason {
	return []Reason{
		ReasonMalformed, ReasonWrongType, ReasonBadSignature, ReasonUnknownKey, ReasonExpired, ReasonNotYetValid, ReasonWrongIssuer,
		ReasonWrongAudience, ReasonWrongAlgorithm, ReasonMissingClaim, ReasonSenderConstrained, ReasonClassNotAllowed,
		ReasonInsufficientScope, ReasonUserNotFound, ReasonRevoked, ReasonRejectedUpstream,
	}
}

// Code says why a request has no verdict. The list is closed for one protocol [Version].
type Code string

// The codes. The first six say that the request is wrong, the others that the daemon cannot tell.
const (
	// CodeBadRequest: the line breaks the grammar or the verb's rules.
	CodeBadRequest Code = "bad-request"
	// CodeUnknownVerb: well-formed, but this daemon has no such verb.
	CodeUnknownVerb Code = "unknown-verb"
	// CodeUnknownProject: no project of that name is configured.
	CodeUnknownProject Code = "unknown-project"
	// CodeLineTooLong: the line exceeds [MaxRequestLine]. The connection ends.
	CodeLineTooLong Code = "line-too-long"
	// CodeForbidden: the caller may not ask this, or not on this socket.
	CodeForbidden Code = "forbidden"
	// CodeNeedsProfile: only the upstream can judge this credential: ask PROFILE.
	CodeNeedsProfile Code = "needs-profile"
	// CodeUnavailable: the upstream gives no usable answer now.
	CodeUnavailable Code = "unavailable"
	// CodeMisconfigured: only an operator can repair it.
	CodeMisconfigured Code = "misconfigured"
	// CodeBusy: a limit of the daemon is reached.
	CodeBusy Code = "busy"
	// CodeDeadline: the caller's deadline, or the default one, passed before the verdict.
	CodeDeadline Code = "deadline"
	// CodeKeysPending: the keys that decide are not fetched yet.
	CodeKeysPending Code = "keys-pending"
)

// Codes returns every code, in the order of protocol.md. The slice is the caller's.
func Codes() []Code {
	return []Code{
		CodeBadRequest, CodeUnknownVerb, CodeUnknownProject, CodeLineTooLong, CodeForbidden, CodeNeedsProfile,
		CodeUnavailable, CodeMisconfigured, CodeBusy, CodeDeadline, CodeKeysPending,
	}
}

// Names of fields in requests.
const (
	// FieldProject names the project. Also in replies.
	FieldProject = "project"
	// FieldMaxAge is the greatest age of a profile that the caller accepts, in seconds.
	FieldMaxAge = "max-age"
	// FieldDeadline is the time within which the caller wants an answer, in milliseconds.
	FieldDeadline = "deadline"
	// FieldFallback names the level ([LevelClaims]) that the caller accepts if the profile is not available.
	FieldFallback = "fallback"
	// FieldHeard is a number of seconds: an answer is accepted only if the daemon has heard its fleet within that time.
	// In replies: how many seconds ago the daemon has heard its fleet, rounded up.
	FieldHeard = "heard"
	// FieldFor is a label that the caller chooses for whom it asks, such as one of a web server's visitors: up to [MaxFor]
	// letters, digits, "-" and "_". It divides the caller's share of what is scarce, and changes no answer.
	FieldFor = "for"
	// FieldKeep is 1 when the caller wants to keep the answer ([FieldRev], [FieldHandles]).
	FieldKeep = "keep"
	// FieldReason says, for people, why something is revoked: up to [MaxReason] bytes.
	FieldReason = "reason"
	// FieldAfter is the entry after which the list continues.
	FieldAfter = "after"
	// FieldHits counts the answers that the client has given from its own memory since the last [SEEN].
	FieldHits = "hits"
)

// Texts of ERR misconfigured to RELOAD where no fault of the file is the cause.
const (
	// TextRestart follows the names of the keys that were changed and that only a restart can change.
	TextRestart = "cannot change by a reload; restart to change it"
	// TextNoFile is the answer of a daemon that has no file to read again, such as that of "neonauthd demo".
	TextNoFile = "this daemon was started without a configuration file"
)

// Texts of ERR forbidden to a lookup whose caller a rule admits, but not to the level or the project that it names.
const (
	// TextNoLevel says that the caller's rule lacks the level of the lookup.
	TextNoLevel = "this caller may not ask for this level"
	// TextNoProject says that the caller's rule lacks the project of the lookup.
	TextNoProject = "this caller may not ask about this project"
)

// TextUnusableKey is the text of ERR misconfigured where asking again does not help before the issuer publishes another key.
// LOGOUT is answered so too.
const TextUnusableKey = "the key set has a key that may have signed this token, and the daemon cannot use that key: EXPLAIN and KEYS tell why"

// Texts of ERR unavailable to a lookup where the upstream is not the cause.
const (
	// TextUnheard says that the token would be accepted if the daemon had heard its fleet.
	TextUnheard = "this host has not heard its fleet for too long, so a revocation may be missing"
	// TextClockUnset says that the daemon judges nothing by a clock that was never set. It is an answer to LOGOUT too.
	TextClockUnset = "this host's clock shows a time before this program was made, so nothing is judged by it"
	// TextNoProfile says that asking again does not help: the upstream has nothing at level profile for such a token.
	TextNoProfile = "there is no profile behind a token of this kind: ask VERIFY, or PROFILE with fallback=claims"
)

// Texts of ERR unavailable to a verb that changes something.
const (
	// TextNotSaved says that the change is in force on this host, and would not survive a restart.
	TextNotSaved = "in force, but not saved"
	// TextStopping says that the change is in force and saved, but the daemon stops before all clients confirmed it.
	TextStopping = "done, but the daemon stops before every client that keeps answers has said that it has forgotten: for a second more some may be used"
)

// TextTokensStay is the text of ERR misconfigured to LOGOUT if the project takes logout tokens, but this one cannot end
// every token that it should.
const TextTokensStay = "the session is revoked, but its JWTs go on until they end, for they name no session and the logout token names no user: it needs a sub"

// Names of fields in replies.
const (
	// FieldLevel is what was established: [LevelClaims] or [LevelProfile]. In the reply to LEVEL: the log level.
	FieldLevel = "level"
	// FieldSubject is the token's sub: the id of the user, the machine or the team that [FieldPrincipal] says.
	FieldSubject = "sub"
	// FieldPrincipal is who the sub is: [PrincipalUser], [PrincipalMachine] or [PrincipalTeam].
	FieldPrincipal = "principal"
	// FieldAge is the age of the evidence in seconds.
	FieldAge = "age"
	// FieldTTL is how long the caller may reuse the answer, in seconds.
	FieldTTL = "ttl"
	// FieldExpires is the instant at which the token expires, in seconds since 1970.
	FieldExpires = "exp"
	// FieldSource is [SourceUpstream], [SourceCache] or [SourceStale].
	FieldSource = "source"
	// FieldRetryAfter is the time after which asking again can help, in seconds.
	FieldRetryAfter = "retry-after"
	// FieldVersion is the daemon's release.
	FieldVersion = "version"
	// FieldProtocol is the protocol version that the connection speaks.
	FieldProtocol = "protocol"
	// FieldMaxLine is [MaxRequestLine] as the daemon has it.
	FieldMaxLine = "max-line"
	// FieldInFlight is how many requests of one connection the daemon works on at once.
	FieldInFlight = "in-flight"
	// FieldProjects lists the projects that the caller may ask about, joined by commas.
	FieldProjects = "projects"
	// FieldEnded is what a logout token has ended: [EndedSession] or [EndedSubject].
	FieldEnded = "ended"
	// FieldChanged is 1 when a command changed something, else 0.
	FieldChanged = "changed"
	// FieldEntries counts what an admin command concerned.
	FieldEntries = "entries"
	// FieldKnown is 0 if the project's key set does not have the key that is revoked.
	FieldKnown = "known"
	// FieldReached is the number of hosts of the fleet on which an admin command is in force, [FieldOf] the number of
	// hosts that have to be reached, and [FieldSilent] the number of those that are not heard and may still accept.
	FieldReached = "reached"
	// FieldOf is how many hosts there are; see [FieldReached].
	FieldOf = "of"
	// FieldSilent is how many hosts are silent; see [FieldReached].
	FieldSilent = "silent"
	// FieldFleet is [FleetBlind] when the daemon does not hear its fleet.
	FieldFleet = "fleet"
	// FieldRev is a [Revision] in the replies to lookups and to [WATCH]; on a watch and in [SEEN] its count alone.
	FieldRev = "rev"
	// FieldHandles names what an accepted answer depends on, 1 to [MaxHandles] handles joined by commas.
	FieldHandles = "handles"
	// FieldForget names on a watch what has ended, 1 to [MaxForget] handles joined by commas, or [ForgetAll].
	FieldForget = "forget"
	// FieldLease is how long kept answers may be used, in milliseconds from the moment of asking.
	FieldLease = "lease"
)

// FleetBlind says that the daemon does not hear its fleet: the other hosts are told when it does.
const FleetBlind = "blind"

// What a logout token ends.
const (
	// EndedSession: the session that it names, and no other of the user.
	EndedSession = "session"
	// EndedSubject: it names no session, so every token of the user that was issued until then.
	EndedSubject = "subject"
)

// Levels: how much of a token and its user was established.
const (
	// LevelClaims: the signature and the claims.
	LevelClaims = "claims"
	// LevelProfile: the claims, and the user's profile from the upstream.
	LevelProfile = "profile"
)

// Principals: who an accepted token stands for.
const (
	// PrincipalUser: somebody who has signed in, of whatever class.
	PrincipalUser = "user"
	// PrincipalMachine: a client that acts for itself; nobody has signed in.
	PrincipalMachine = "machine"
	// PrincipalTeam: a team, whose API key it is; nobody has signed in.
	PrincipalTeam = "team"
)

// Sources: where the evidence of an accepted answer came from.
const (
	// SourceUpstream: established for this lookup.
	SourceUpstream = "upstream"
	// SourceCache: established earlier, and fresh.
	SourceCache = "cache"
	// SourceStale: established earlier, past its fresh time, and the upstream fails.
	SourceStale = "stale"
)
