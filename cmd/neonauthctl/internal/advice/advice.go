// Package advice says what to do next, for each way in which a command can
// fail.
package advice

import (
	"cmp"
	"strings"

	"github.com/neonauthd/neonauthd/internal/credential"
	"github.com/neonauthd/neonauthd/protocol"
)

// Rejected returns what to do about a token that is rejected for this reason.
func Rejected(reason protocol.Reason) string {
	switch reason {
	case protocol.ReasonMalformed:
		return "see that it is the access token, whole and alone: three segments with dots between"
	case protocol.ReasonBadSignature:
		return "see that the token is whole, and of this project: neonauthctl explain shows which key it names"
	case protocol.ReasonUnknownKey:
		return "the token is of another environment, or of a key that was withdrawn: neonauthctl keys lists those there are"
	case protocol.ReasonExpired:
		return "have the client renew its token; if it should still be good, see this host's clock: neonauthctl explain"
	case protocol.ReasonNotYetValid:
		return "this host's clock is behind the issuer's: timedatectl; neonauthctl explain shows both"
	case protocol.ReasonWrongIssuer:
		return "the token is of another project, or base_url and issuers lack its issuer: neonauthctl explain shows both"
	case protocol.ReasonWrongAudience:
		return "the token is for another project, or audiences lacks its own: neonauthctl explain shows both"
	case protocol.ReasonWrongAlgorithm:
		return "have the issuer sign with an algorithm of the project's: neonauthctl explain shows both"
	case protocol.ReasonMissingClaim:
		return "see that it is the access token, not an ID token: neonauthctl explain names the claim"
	case protocol.ReasonSenderConstrained:
		return "have the client ask for a bearer token: this one is bound to a key (DPoP, mutual TLS)"
	case protocol.ReasonWrongType:
		return "see that it is an access token of the kind that the project takes: neonauthctl explain names what tells"
	case protocol.ReasonInsufficientScope:
		return "have the client ask for the scopes that the project demands: neonauthctl explain"
	case protocol.ReasonClassNotAllowed:
		return "allow, in the project's configuration, says which restricted or anonymous users, machines or teams are admitted"
	case protocol.ReasonUserNotFound:
		return "the upstream has no such user: see whether the user was deleted, or is of another project"
	case protocol.ReasonRevoked:
		return "it, its session, its user or its key is revoked, by somebody here or by a logout token: neonauthctl revocations shows it, and unrevoke takes it back; an API key that is not listed there was revoked at the upstream"
	case protocol.ReasonRejectedUpstream:
		return "the upstream refuses it, so its session has ended there: have the user sign in again"
	}
	return "neonauthctl explain shows the check that failed"
}

// Explained is Rejected for people who are reading the output of explain.
func Explained(reason protocol.Reason) string {
	text, _, _ := strings.Cut(Rejected(reason), "neonauthctl explain")
	return cmp.Or(strings.TrimRight(text, ":; "), "see the check that failed")
}

// Looks returns what the text looks like, if that can be the cause of this
// reason. A token that was correctly signed, and has ended or is of somebody who is not
// admitted, has the right form. So has a credential that the upstream has judged: only one
// that no upstream was asked about is malformed.
func Looks(reason protocol.Reason, looks credential.Finding) credential.Finding {
	if looks.ForUpstream() && reason != protocol.ReasonMalformed {
		return credential.Finding{}
	}
	switch reason {
	case protocol.ReasonExpired, protocol.ReasonNotYetValid, protocol.ReasonSenderConstrained, protocol.ReasonUserNotFound,
		protocol.ReasonRevoked, protocol.ReasonRejectedUpstream, protocol.ReasonClassNotAllowed, protocol.ReasonInsufficientScope:
		return credential.Finding{}
	default:
		return looks
	}
}

// Unknown returns what to do when the daemon could not tell, for this code.
func Unknown(code protocol.Code) string {
	switch code {
	case protocol.CodeBadRequest:
		return "the daemon and this program are of different versions, perhaps: compare neonauthctl hello with neonauthctl --version"
	case protocol.CodeUnknownVerb:
		return "the daemon is older than this program: neonauthctl hello shows its version"
	case protocol.CodeUnknownProject:
		return "neonauthctl hello lists the projects"
	case protocol.CodeLineTooLong:
		return "give less: a request has at most 16384 bytes"
	case protocol.CodeForbidden:
		return "no [[caller]] rule of the configuration is for this user or one of its groups: have one admit it"
	case protocol.CodeNeedsProfile:
		return "only the upstream can judge this credential: neonauthctl profile asks it"
	case protocol.CodeUnavailable:
		return "look at the upstream: neonauthctl stats shows why it does not answer (failures), its circuit and its budget"
	case protocol.CodeMisconfigured:
		return "mend the configuration: the daemon's log (journalctl -u neonauthd) and neonauthd --check name the fault"
	case protocol.CodeBusy:
		return "a limit is reached, which the daemon's log names (journalctl -u neonauthd); ask again later"
	case protocol.CodeDeadline:
		return "the upstream takes longer than this command waits: repeat it, or give it more time with --timeout"
	case protocol.CodeKeysPending:
		return "ask again in a moment: the key set is fetched for it at most once per jwks_cooldown (30s, if not set); if it stays so, neonauthctl keys shows why fetches fail"
	}
	return "the daemon's log (journalctl -u neonauthd) may tell more"
}

// Forbidden is Unknown for CodeForbidden, of which the daemon said text.
func Forbidden(text string) string {
	switch text {
	case protocol.TextNoLevel:
		return "the [[caller]] rule that is for this user lacks the level in its levels: have it added, or ask for the other level (neonauthctl verify is claims, profile is profile)"
	case protocol.TextNoProject:
		return "the [[caller]] rule that is for this user lacks the project in its projects: have it added; neonauthctl hello lists the projects that this user may ask about"
	}
	return Unknown(protocol.CodeForbidden)
}

// Unavailable is Unknown for CodeUnavailable, of which the daemon said text.
func Unavailable(text string) string {
	switch text {
	case protocol.TextUnheard:
		return "the upstream is not the cause: this host accepts nothing before it hears its fleet again; see that it reaches the engine of [fleet]: neonauthctl fleet shows since when it has not heard the others, and the daemon's log (journalctl -u neonauthd) why"
	case protocol.TextNoProfile:
		return "the upstream is not the cause, and asking again does not help: neonauthctl verify asks about the token alone, and applications ask PROFILE with fallback=claims or VERIFY; what the project introspects has a profile ([project.introspection])"
	case protocol.TextClockUnset:
		return "the upstream is not the cause: this host accepts nothing before its clock is right; set it, and see that something keeps it: timedatectl"
	}
	return Unknown(protocol.CodeUnavailable)
}

// Misconfigured is Unknown for CodeMisconfigured, of which the daemon said text.
func Misconfigured(text string) string {
	if text == protocol.TextUnusableKey {
		return "neonauthctl keys shows which key of the key set cannot be used, and why: have the issuer publish one that can; until then nobody gets in with a token that this key has signed"
	}
	return Unknown(protocol.CodeMisconfigured)
}

// Logout returns what to do about a logout token that is refused for this
// reason.
func Logout(reason protocol.Reason) string {
	switch reason {
	case protocol.ReasonMalformed:
		return "see that it is the logout token, whole and alone: three segments with dots between"
	case protocol.ReasonWrongType:
		return "see that it is a logout token, with events and without nonce: another kind of token ends nothing"
	case protocol.ReasonWrongAudience:
		return "its aud is none of the project's logout_client_ids: add that client, or name the project that has it"
	case protocol.ReasonWrongIssuer:
		return "its iss is not the project's issuer: name the project that has that issuer"
	case protocol.ReasonExpired:
		return "logout tokens are good for minutes: revoke the session by its id, with neonauthctl revoke session"
	case protocol.ReasonMissingClaim:
		return "see that it has iat, exp, jti, and sid or sub, each of its kind"
	default:
		return Rejected(reason)
	}
}

// Refused returns what to do when the daemon refuses a verb that is not a
// lookup. text is what the daemon said.
func Refused(verb protocol.Verb, code protocol.Code, text string) string {
	switch {
	case code == protocol.CodeUnavailable:
		return undone(verb, text)
	case verb == protocol.LOGOUT:
		return logout(code, text)
	case code == protocol.CodeBadRequest && (verb == protocol.REVOKE || verb == protocol.UNREVOKE || verb == protocol.PURGE):
		return "nothing was changed: give what the daemon asks for; neonauthctl " + strings.ToLower(string(verb)) + " --help shows the forms"
	case code == protocol.CodeForbidden:
		return "this is the socket for applications: give the admin socket with --admin-socket"
	case code == protocol.CodeMisconfigured && verb == protocol.RELOAD:
		return reload(text)
	case code == protocol.CodeBusy && verb == protocol.REVOKE:
		return "nothing was revoked: revoke the key, or take others back"
	}
	return Unknown(code)
}

// undone returns what to do about a verb that the daemon answers with ERR
// unavailable and this text: something is left to do, or nothing was done.
func undone(verb protocol.Verb, text string) string {
	const mend = ": mend the state directory (neonauthd's log names the fault) and repeat the command, which saves what is missing"
	switch {
	case verb == protocol.LOGOUT && text == protocol.TextClockUnset:
		return "nothing was ended, and the sender tries once: end the session with neonauthctl revoke; " + Unavailable(text)
	case text == protocol.TextStopping:
		return "on this host nothing is left to do: a second after the daemon has stopped, no client uses what it has kept; if it is in a fleet, repeat the command on another host, which tells how many know of it"
	case text != protocol.TextNotSaved:
		return Unknown(protocol.CodeUnavailable)
	case verb == protocol.UNREVOKE:
		return "the revocation is taken back but that is not saved, so a restart would bring it back" + mend
	case verb == protocol.PURGE:
		return "the purge is done, but if this host restarts, the fleet's hosts that have not heard of it will not be told" + mend
	case verb == protocol.LOGOUT:
		return "a restart would forget the logout, which is in force" + mend
	}
	return "a restart would forget the revocation, which is in force" + mend
}

// logout returns what to do about a logout token that could not be judged, or
// did not end everything, of which the daemon said text.
func logout(code protocol.Code, text string) string {
	switch {
	case code == protocol.CodeMisconfigured && text == protocol.TextTokensStay:
		return "have the issuer put the user into its logout tokens (sub); for this user, neonauthctl revoke subject ends them now"
	case code == protocol.CodeMisconfigured && text == protocol.TextUnusableKey:
		return "nothing was ended, and the sender tries once: end the session with neonauthctl revoke; " + Misconfigured(text)
	case code == protocol.CodeMisconfigured:
		return "the project takes no logout tokens: set its logout_client_ids, or name another with --project"
	case code == protocol.CodeBusy:
		return "nothing was ended: if too many sessions are revoked, shorten session_lifetime; else ask again later"
	}
	return Unknown(code)
}

// reload returns what to do about a refused reload, of which the daemon said text.
func reload(text string) string {
	switch {
	case strings.Contains(text, protocol.TextRestart):
		return "the configuration in force before stays in force: systemctl restart neonauthd, or take the change back"
	case strings.Contains(text, protocol.TextNoFile):
		return "there is nothing to read again: what it does was decided when it was started"
	}
	return "the configuration in force before stays in force: mend the file, and try it with neonauthd --check"
}
