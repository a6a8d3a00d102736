// Package logout ends sessions when their issuer says that they have ended. It answers
// the verb LOGOUT. The caller needs no other permission than the logout token itself
// (OpenID Connect Back-Channel Logout 1.0), which package keyset verifies.
package logout

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/neonauthd/neonauthd/daemon/resolve"
	"github.com/neonauthd/neonauthd/daemon/resolve/wording"
	"github.com/neonauthd/neonauthd/daemon/revoke"
	"github.com/neonauthd/neonauthd/daemon/serve"
	"github.com/neonauthd/neonauthd/internal/program"
	"github.com/neonauthd/neonauthd/protocol"
)

const (
	// Time is how long a logout token may wait for the keys that judge it. Its sender
	// waits five seconds and tries only once, and the user who signs out waits with it.
	Time = 4 * time.Second
	// ClientsWait is how long the answer waits until programs that keep answers say that
	// they have forgotten them. A program that runs says so within a few milliseconds.
	// The answers that other programs keep end with their lease.
	ClientsWait = 250 * time.Millisecond
	// Reason is the reason of revocations that a logout token has made.
	Reason = "back-channel logout"
	// maxAnnouncing is how many revocations may be announced to the fleet at once;
	// further ones are told with Tell.
	maxAnnouncing = 16
	// label is the asker's name when logout tokens are judged. The tokens come from
	// outside, so together they have the share of one visitor.
	label = "LOGOUT"
	// complaintInterval is the interval of log lines of one kind.
	complaintInterval = 10 * time.Minute
)

// Config is the configuration of a Receiver. All fields are required.
type Config struct {
	// Judge judges a token; see resolve.Resolver.Logout.
	Judge func(context.Context, *resolve.Lookup) resolve.Ending
	// Projects returns all projects.
	Projects func() []*resolve.Project
	// Revocations is the list to which the ends of sessions are added.
	Revocations *revoke.List
	// Ended tells clients that keep answers which grounds of the answers have ended.
	Ended func(...resolve.Ground)
	// Settled waits until these clients have forgotten the answers.
	Settled func(context.Context) error
	// Announce tells the fleet, if there is one, and may take seconds. Tell does the
	// same within a second, without waiting.
	Announce, Tell func(revoke.Mark)
	// Log gets a line for each fault that an operator may have to mend.
	Log *slog.Logger
}

// Receiver answers LOGOUT. Make it with New, and end it with Wait. It is safe for
// concurrent use.
type Receiver struct {
	config     Config
	changing   sync.Mutex    // held until clients that keep answers are told of a change
	announcing chan struct{} // one for each announcement in progress
	group      sync.WaitGroup
	counts     struct{ accepted, rejected, unknown atomic.Uint64 }
}

// New returns a Receiver. It starts nothing.
func New(c Config) *Receiver {
	return &Receiver{config: c, announcing: make(chan struct{}, maxAnnouncing)}
}

// Wait waits for the announcements in progress. No token may be received after it.
func (r *Receiver) Wait() { r.group.Wait() }

// Counts returns how many logout tokens were accepted, how many were rejected, and for
// how many the outcome was unknown.
func (r *Receiver) Counts() (accepted, rejected, unknown uint64) {
	return r.counts.accepted.Load(), r.counts.rejected.Load(), r.counts.unknown.Load()
}

// Receive judges a logout token and ends what it names, in the project of l. If the
// token is good there, Receive does the same in every other project that takes logout
// tokens of that issuer for that client. When it returns an OK reply, the end is in the
// journal, and this host accepts no later lookup of what has ended. It does not wait for
// other hosts. It waits at most ClientsWait for programs that keep answers.
func (r *Receiver) Receive(ctx context.Context, l *resolve.Lookup) (protocol.Reply, *serve.Refusal) {
	reply, refused := r.receive(ctx, l)
	switch {
	case refused != nil:
		r.counts.unknown.Add(1)
	case reply.Status == protocol.NO:
		r.counts.rejected.Add(1)
	default:
		r.counts.accepted.Add(1)
	}
	return reply, refused
}

func (r *Receiver) receive(ctx context.Context, l *resolve.Lookup) (protocol.Reply, *serve.Refusal) {
	if !l.Project.TakesLogout() {
		return protocol.Reply{}, &serve.Refusal{Code: protocol.CodeMisconfigured, Advice: "this project takes no logout tokens: set logout_client_ids to the clients that they are sent for"}
	}
	l.Asker.For = label
	judging, stop := context.WithTimeout(ctx, Time)
	defer stop()
	e := r.config.Judge(judging, l)
	switch e.Status() {
	case protocol.NO:
		r.complain(l, e.Outcome, "a logout token was refused, so what it names goes on: if it was no attack, "+remedy(e.Reason()))
		return protocol.Reply{Status: protocol.NO, Word: []byte(e.Reason())}, nil
	case protocol.ERR:
		advice := "nothing was ended: it could not be told whether the logout token is good"
		if e.Cause == wording.UnusableKey {
			advice = e.Cause.Text()
		}
		return protocol.Reply{}, r.cannotTell(l, &e, advice)
	case protocol.OK:
	}
	changed, refused := r.end(l, &e)
	more, failed := r.elsewhere(judging, l, &e)
	if refused = cmp.Or(refused, failed); refused != nil {
		return protocol.Reply{}, refused
	}
	waiting, stop := context.WithTimeout(ctx, ClientsWait)
	defer stop()
	_ = r.config.Settled(waiting) // if a program has not confirmed, its lease ends by itself
	_, what := marks(l.Project, &e)
	return serve.Done(protocol.FieldEnded, what, protocol.FieldChanged, serve.Bit(changed || more)), nil
}

// remedy returns what can be wrong with a logout token of an honest sender that is refused for
// this reason.
func remedy(reason protocol.Reason) string {
	switch reason {
	case protocol.ReasonExpired, protocol.ReasonNotYetValid:
		return "see that this host's clock is right, and that the sender delivers its tokens at once"
	case protocol.ReasonMalformed, protocol.ReasonWrongType, protocol.ReasonMissingClaim:
		return "see that the sender sends logout tokens to this address (OpenID Connect Back-Channel Logout 1.0), and not another kind of token; neonauthctl logout tells more of one"
	case protocol.ReasonUnknownKey, protocol.ReasonBadSignature, protocol.ReasonWrongAlgorithm:
		return "see that the sender signs with the keys and algorithms of this project"
	default:
		return "compare its aud with logout_client_ids, and its iss with the project's issuer"
	}
}

// elsewhere ends what an accepted token names in the other projects that the token is
// for, because its sender has one address for each client, and sends the token once. A
// project with other keys than the first refuses the token, and nothing ends there.
func (r *Receiver) elsewhere(ctx context.Context, l *resolve.Lookup, accepted *resolve.Ending) (changed bool, refused *serve.Refusal) {
	for _, p := range r.config.Projects() {
		if p.Name() == l.Project.Name() || !p.MayTakeLogout(accepted) {
			continue
		}
		other := &resolve.Lookup{Project: p, Token: l.Token, Asker: l.Asker}
		e := r.config.Judge(ctx, other)
		switch e.Status() {
		case protocol.OK:
			is, failed := r.end(other, &e)
			changed, refused = changed || is, cmp.Or(refused, failed)
		case protocol.NO:
			r.complain(other, e.Outcome, "a logout token was accepted for another project and refused for this one, which takes tokens of the same issuer for the same client: see that both have the same key set")
		case protocol.ERR:
			refused = cmp.Or(refused, r.cannotTell(other, &e, "what the logout token names has ended in one project, and may go on in another that takes logout tokens for the same client; the daemon's log names it"))
		}
	}
	return changed, refused
}

// marks returns the marks to revoke for an accepted token. If tokens of the session may
// name no session, all tokens of the user that name none are revoked too. Tokens of the
// user's other sessions are among them: these sessions have to fetch new tokens.
func marks(p *resolve.Project, e *resolve.Ending) (all []revoke.Mark, ended string) {
	name := p.Name()
	if e.Session == "" {
		return []revoke.Mark{{Kind: revoke.KindSubject, Project: name, Value: e.Subject}}, protocol.EndedSubject
	}
	all = []revoke.Mark{{Kind: revoke.KindSession, Project: name, Value: e.Session}}
	if every, _ := p.NamesSessions(); !every && e.Subject != "" {
		all = append(all, revoke.Mark{Kind: revoke.KindSessionless, Project: name, Value: e.Subject})
	}
	return all, protocol.EndedSession
}

// end ends in l's project what an accepted token names.
func (r *Receiver) end(l *resolve.Lookup, e *resolve.Ending) (changed bool, refused *serve.Refusal) {
	all, _ := marks(l.Project, e)
	changed, err := r.change(all, l, e.Issued)
	if errors.Is(err, revoke.ErrFull) {
		r.complain(l, protocol.Unknown(protocol.CodeBusy), "a logout token did not end what it names, for there are too many revocations; shorten session_lifetime to what refresh tokens live")
		return changed, &serve.Refusal{Code: protocol.CodeBusy, Advice: "what it names has not ended: there is no room for more revocations"}
	}
	if err != nil {
		r.config.Log.Error("a logout is not saved: it is in force, and a restart would forget it; mend the state directory", "project", l.Project.Name(), "error", err)
		return changed, &serve.Refusal{Code: protocol.CodeUnavailable, Advice: protocol.TextNotSaved}
	}
	if _, some := l.Project.NamesSessions(); !some && e.Session != "" && e.Subject == "" {
		r.complain(l, protocol.Unknown(protocol.CodeMisconfigured), "a logout token names a session and no user, and session JWTs name a user and no session: they go on until they end; have logout tokens sent that have a sub")
		return changed, &serve.Refusal{Code: protocol.CodeMisconfigured, Advice: protocol.TextTokensStay}
	}
	return changed, nil
}

// change revokes, and tells clients that keep answers and the fleet. A call that finds
// nothing left to change returns only after the clients were told.
func (r *Receiver) change(all []revoke.Mark, l *resolve.Lookup, ended time.Time) (changed bool, err error) {
	r.changing.Lock()
	defer r.changing.Unlock()
	var inForce []resolve.Ground
	for _, m := range all {
		is, failed := r.config.Revocations.End(m, revoke.Origin{By: l.Asker.ID.User(), Reason: Reason}, ended)
		if is || errors.Is(failed, revoke.ErrNotSaved) {
			inForce = append(inForce, m)
		}
		changed, err = changed || is, errors.Join(err, failed)
	}
	if len(inForce) > 0 {
		r.config.Ended(inForce...)
	}
	for _, m := range inForce {
		r.announce(m)
	}
	return changed, err
}

// announce tells the fleet, without delaying the answer.
func (r *Receiver) announce(m revoke.Mark) {
	select {
	case r.announcing <- struct{}{}:
		r.group.Go(func() {
			defer func() { <-r.announcing }()
			r.config.Announce(m)
		})
	default:
		r.config.Tell(m)
	}
}

// cannotTell logs and returns that the token could not be judged for l's project.
func (r *Receiver) cannotTell(l *resolve.Lookup, e *resolve.Ending, advice string) *serve.Refusal {
	if e.Cause == wording.ClockUnset {
		r.complain(l, e.Outcome, "no logout token can be judged while this host's clock shows a time before this program was made, and its sender tries once: what it names goes on until its tokens end; set the clock")
		return &serve.Refusal{Code: e.Code(), RetryAfter: e.RetryAfter, Advice: e.Cause.Text()}
	}
	r.complain(l, e.Outcome, "it could not be told whether a logout token is good, and its sender tries once: what it names goes on until its tokens end; see the upstream and the key set")
	return &serve.Refusal{Code: e.Code(), RetryAfter: e.RetryAfter, Advice: advice}
}

func (r *Receiver) complain(l *resolve.Lookup, is protocol.Outcome, message string) {
	project, word := l.Project.Name(), is.Word()
	r.config.Log.LogAttrs(context.Background(), slog.LevelWarn, message,
		program.Every(complaintInterval, project, word), slog.String("project", project), slog.String("why", word))
}
