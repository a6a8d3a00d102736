package authrequest

import (
	"cmp"
	"errors"
	"net/http"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/client/httpauth"
	"github.com/neonauthd/neonauthd/protocol"
)

// outcome is the result of a request. The zero value is unknown.
type outcome uint8

const (
	unknown   outcome = iota // nothing was learnt; ask again
	accepted                 // a verified user who meets the location's requirements
	rejected                 // no token, or proof against it
	invalid                  // two different tokens, or one that cannot be read
	denied                   // a verified user who is not allowed here
	faulty                   // the web server asks for something that does not exist
	noRoute                  // not one of our paths
	badMethod                // a method that no web server asks with
)

func (o outcome) String() string {
	return [...]string{"unknown", "accepted", "rejected", "invalid-request", "denied", "faulty", "no-route", "bad-method"}[o]
}

// The reasons of this program, in addition to those of the protocol and of
// httpauth.
const (
	reasonTooLarge = "identity-too-large"
	reasonHeader   = "foreign-identity-header"
	reasonFault    = "misconfigured-location"
	reasonBusy     = string(protocol.CodeBusy)
	reasonDown     = "unreachable" // the daemon gave no answer
	reasonLess     = "no-profile"  // the location asks for the profile, and no token of this kind has one
	reasonLeft     = "cancelled"   // the web server took the question back before there was an answer
)

// finding is an outcome and what the reply needs. Only accepted has an
// identity.
type finding struct {
	outcome  outcome
	reason   string           // from a closed list; never text from outside
	refusal  httpauth.Refusal // of a request whose token was judged or could not be
	identity identity
	expires  time.Time        // when the token ends
	reuse    time.Duration    // how long the reply may be reused, whole seconds
	answer   *client.Accepted // the daemon's answer about a verified user, let in or not; nil: none
	vary     string           // the headers that were searched for a token; "" are those of the configuration file
}

// refused returns the finding of a refusal.
func refused(r httpauth.Refusal) finding {
	f := finding{refusal: r, reason: r.Reason}
	switch r.Status {
	case http.StatusBadRequest:
		f.outcome = invalid
	case http.StatusUnauthorized:
		f.outcome = rejected
	case http.StatusForbidden:
		f.outcome = denied
	default:
		f.outcome = unknown
		f.reason = cmp.Or(r.Reason, reasonDown)
	}
	return f
}

// unfit returns the refusal (403) of a verified user for a reason that has nothing to do with
// what the token grants. It has no error code: the only one for a 403, insufficient_scope, would
// send an OAuth client to ask for more scopes.
func unfit(reason string) finding {
	return refused(httpauth.Refusal{Status: http.StatusForbidden, Reason: reason})
}

// undecided returns a finding of this program itself: nothing could be learnt.
func undecided(reason string) finding { return refused(httpauth.Unavailable(reason, 0)) }

// named reports whether the identity says who is let in: by the team's id for a
// team, which has no user, and else by the user's id.
func (f *finding) named() bool {
	if f.answer != nil && f.answer.Principal == protocol.PrincipalTeam {
		return f.identity[fieldTeamID] != ""
	}
	return f.identity[fieldUserID] != ""
}

// status returns the status of an outcome that is about the web server's
// request itself; outcomes about the token have their status from httpauth.
func (f *finding) status(d *dialect) int {
	switch f.outcome {
	case accepted:
		return d.allowed
	case faulty:
		return http.StatusInternalServerError
	case noRoute:
		return http.StatusNotFound
	case badMethod:
		return http.StatusMethodNotAllowed
	case unknown, rejected, invalid, denied:
	}
	return f.refusal.Status
}

// judge turns the daemon's answer into a finding. asked is when the question
// was sent: the time in which the answer may be reused counts from then.
func judge(answer client.Answer, want *requirement, show *selection, asked, now time.Time) finding {
	if refusal, no := httpauth.RefusalOf(answer); no {
		f := refused(refusal)
		if withoutProfile(answer) {
			f.reason = reasonLess // any visitor can cause it, so it must not count as an outage
		}
		return f
	}
	a, ok := answer.(client.Accepted)
	if !ok {
		return undecided(reasonDown)
	}
	f := admit(&a, want, show, asked, now)
	f.answer = &a
	return f
}

// withoutProfile reports whether the daemon has said that no token of this kind has a profile, so
// that asking again does not help.
func withoutProfile(answer client.Answer) bool {
	u, ok := answer.(client.Unknown)
	reply, said := errors.AsType[*client.ReplyError](u.Err)
	return ok && said && u.Code == protocol.CodeUnavailable && reply.Text == protocol.TextNoProfile
}

// admit applies the requirements of the location to a verified user.
func admit(a *client.Accepted, want *requirement, show *selection, asked, now time.Time) finding {
	switch {
	case !now.Before(a.Expires):
		// The token was good when the daemon looked at it.
		return refused(httpauth.InvalidToken(string(protocol.ReasonExpired)))
	case a.Level < want.level:
		return undecided(reasonDown) // not what was asked for; the client has already checked this
	}
	p := show.principal(a)
	if refusal, no := want.user.Refusal(p.user); no {
		return refused(refusal)
	}
	id, err := p.identityOf(a.Age, show)
	if err != nil {
		return unfit(reasonTooLarge)
	}
	return finding{outcome: accepted, identity: id, expires: a.Expires, reuse: want.reuse(a, asked, now)}
}

// reuse returns how long the same answer would be valid for the location, in
// whole seconds.
func (r *requirement) reuse(a *client.Accepted, asked, now time.Time) time.Duration {
	since := now.Sub(asked)
	span := min(a.TTL-since, a.Expires.Sub(now))
	if r.live { // the age was rounded down
		span = min(span, r.maxAge-a.Age-time.Second-since)
	}
	if r.heard > 0 || r.clean {
		// With heard the answer only says that the daemon heard its fleet at that time. With clean
		// it depends on every header of the request, but caches compare only those in Vary.
		span = 0
	}
	return max(0, span).Truncate(time.Second)
}
