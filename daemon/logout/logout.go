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
	"github.com/neonauthd/neonauthd/daemon/revoke"
	"github.com/neonauthd/neonauthd/daemon/serve"
	"github.com/neonauthd/neonauthd/internal/program"
	"github.com/neonauthd/neonauthd/protocol"
)

const (
	// Time is how long a logout token may wait for the keys that judge it. Its sender
	// waits five seconds, tries once, and has the user who signs out wait too.
	Time = 4 * time.Second
	// Patience is how long the answer waits for programs that keep answers to say that
	// they have forgotten. Those that run say so within a millisecond or a few. What the
	// others keep ends with their lease.
	Patience = 250 * time.Millisecond
	// Reason is what a revocation says that a logout token has made.
	Reason = "back-channel logout"
	// MaxAnnouncing is how many revocations at once are told to the fleet the quick way.
	MaxAnnouncing = 16
	// label is for whom logout tokens are judged: they come from outside, and have one
	// visitor's share of what is scarce.
	label = "LOGOUT"
	// complaintInterval is the least time between two log lines of one kind.
	complaintInterval = 10 * time.Minute
)

// Config is what a Receiver is made of. All of it is required.
type Config struct {
	// Judge says what a token comes to; see resolve.Resolver.Logout.
	Judge func(context.Context, *resolve.Lookup) resolve.Ending
	// Projects are those there are.
	Projects func() []*resolve.Project
	// Revocations keep what has ended.
	Revocations *revoke.List
	// Ended tells those who keep answers what has ended.
	Ended func(...resolve.Ground)
	// Settled waits until they have forgotten it.
	Settled func(context.Context) error
	// Announce tells the fleet, if there is one, and may take seconds. Tell does so
	// within a second and does not wait.
	Announce, Tell func(revoke.Mark)
	// Log hears of what an operator may have to mend.
	Log *slog.Logger
}

// Receiver answers LOGOUT. Make it with New, end it with Wait. Safe for concurrent use.
type Receiver struct {
	config     Config
	changing   sync.Mutex    // held until those who keep answers are told of a change
	announcing chan struct{} // one for each announcement under way
	group      sync.WaitGroup
	counts     struct{ accepted, rejected, unknown atomic.Uint64 }
}

// New returns a Receiver. It starts nothing.
func New(c Config) *Receiver {
	return &Receiver{config: c, announcing: make(chan struct{}, MaxAnnouncing)}
}

// Wait waits for what is being announced. Nothing more may be received.
func (r *Receiver) Wait() { r.group.Wait() }

// Counts are how many logout tokens were accepted and rejected, and of how many it
// could not be told.
func (r *Receiver) Counts() (accepted, rejected, unknown uint64) {
	return r.counts.accepted.Load(), r.counts.rejected.Load(), r.counts.unknown.Load()
}

// Receive judges a logout token and ends what it names: in the project that it is given
// to and, if it is good there, in every other one that takes logout tokens of that
// issuer for that client. When it returns that it has,
// the end is in the journal, and no lookup that begins then is accepted here. It waits
// neither for other hosts nor, for more than Patience, for programs that keep answers.
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
		r.complain(l, e.Outcome, "a logout token was refused, so what it names goes on: if it was no attack, compare its aud with logout_client_ids, and its iss with the project's issuer")
		return protocol.Reply{Status: protocol.NO, Word: []byte(e.Reason())}, nil
	case protocol.ERR:
		return protocol.Reply{}, r.cannotTell(l, &e, "nothing was ended: it could not be told whether the logout token is good")
	case protocol.OK:
	}
	changed, refused := r.end(l, &e)
	more, failed := r.elsewhere(judging, l, &e)
	if refused = cmp.Or(refused, failed); refused != nil {
		return protocol.Reply{}, refused
	}
	waiting, stop := context.WithTimeout(ctx, Patience)
	defer stop()
	_ = r.config.Settled(waiting) // the leases of those that have not said so end by themselves
	_, what := marks(l.Project, &e)
	return serve.Done(protocol.FieldEnded, what, protocol.FieldChanged, map[bool]string{true: "1", false: "0"}[changed || more]), nil
}

// elsewhere ends what an accepted token names in the other projects that it is for:
// its sender has one address for each client, and sends it once. A project that has
// other keys than the first refuses it, and nothing of it ends there.
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

// marks are what has to be revoked for what an accepted token says to be true. Where a
// token of the session may name none, it has to go with all of its user's that name
// none: those of other sessions have to be fetched anew, and can be.
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

// end puts in force what an accepted token says of l's project.
func (r *Receiver) end(l *resolve.Lookup, e *resolve.Ending) (changed bool, refused *serve.Refusal) {
	all, _ := marks(l.Project, e)
	changed, err := r.change(all, l, e.Issued)
	if errors.Is(err, revoke.ErrFull) {
		r.complain(l, protocol.Unknown(protocol.CodeBusy), "a logout token did not end what it names, for there are too many revocations; shorten session_lifetime to what refresh tokens live")
		return changed, &serve.Refusal{Code: protocol.CodeBusy, Advice: "what it names has not ended: there is no room for more revocations"}
	}
	if err != nil {
		r.config.Log.Error("a logout is not saved: it is in force, and a restart would forget it; mend the state directory", "project", l.Project.Name(), "error", err)
		return changed, &serve.Refusal{Code: protocol.CodeUnavailable, Advice: revoke.ErrNotSaved.Error()}
	}
	if _, some := l.Project.NamesSessions(); !some && e.Session != "" && e.Subject == "" {
		r.complain(l, protocol.Unknown(protocol.CodeMisconfigured), "a logout token names a session and no user, and session JWTs name a user and no session: they go on until they end; have logout tokens sent that have a sub")
		return changed, &serve.Refusal{Code: protocol.CodeMisconfigured, Advice: "the session is revoked, but its JWTs go on until they end, for they name no session and the logout token names no user: it needs a sub"}
	}
	return changed, nil
}

// change revokes, and tells those who keep answers and the fleet. Whoever finds that
// nothing is left to change has waited until the former were told.
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

// announce tells the fleet behind the answer.
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

// cannotTell says that nothing was learnt about the token for l's project.
func (r *Receiver) cannotTell(l *resolve.Lookup, e *resolve.Ending, advice string) *serve.Refusal {
	r.complain(l, e.Outcome, "it could not be told whether a logout token is good, and its sender tries once: what it names goes on until its tokens end; see the upstream and the key set")
	return &serve.Refusal{Code: e.Code(), RetryAfter: e.RetryAfter, Advice: advice}
}

func (r *Receiver) complain(l *resolve.Lookup, is protocol.Outcome, message string) {
	project, word := l.Project.Name(), is.Word()
	r.config.Log.LogAttrs(context.Background(), slog.LevelWarn, message,
		program.Every(complaintInterval, project, word), slog.String("project", project), slog.String("why", word))
}
