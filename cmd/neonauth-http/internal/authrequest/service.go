// Package authrequest answers the authorisation requests of web servers (nginx,
// Caddy, HAProxy, Traefik, Envoy) by asking neonauthd. It holds no secret. It
// keeps accepted answers until the daemon reports that they have ended. It
// decides by the token and by what the web server's configuration requires,
// never by a path, a method or a forwarded address.
package authrequest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/client/httpauth"
	"github.com/neonauthd/neonauthd/cmd/neonauth-http/internal/presence"
	"github.com/neonauthd/neonauthd/internal/accesslog"
	"github.com/neonauthd/neonauthd/internal/program"
	"github.com/neonauthd/neonauthd/protocol"
)

// maxInFlight bounds the requests that are processed at the same time. More
// than the daemon's own limit would only wait there.
const maxInFlight = 4096

// MaxConns is the greatest number of connections to the daemon: so many lookups
// can wait for an upstream. One visitor can use an eighth of them.
const MaxConns = 8 * maxPerVisitor

// Service answers authorisation requests. It is an http.Handler, safe for
// concurrent use. Make one with New.
type Service struct {
	dialects []*dialect
	settings atomic.Pointer[Settings] // replaced whole by a reload
	asker    *asker
	now      func() time.Time
	log      *slog.Logger
	lines    program.Rare // the handler behind log
	metrics  *counters
	slots    chan struct{}
	visitors visitors
	access   *accesslog.Log // nil: none
}

// New returns a Service that asks c, uses the settings and logs to log. version
// is the version in its metrics.
func New(version string, c *client.Client, set *Settings, log *slog.Logger, now func() time.Time) *Service {
	lines := program.NewRare(log.Handler())
	s := &Service{
		dialects: dialects(),
		asker:    &asker{client: c, now: now},
		now:      now,
		log:      slog.New(lines),
		lines:    lines,
		slots:    make(chan struct{}, maxInFlight),
	}
	s.asker.daemon = presence.New(c, now, func(cause error) {
		s.complain(slog.LevelWarn, "the daemon is not reachable", slog.String("error", cause.Error()))
	}, func(away time.Duration) {
		s.log.Info("the daemon answers again", "away", away.Round(time.Millisecond).String())
	})
	s.settings.Store(set)
	s.metrics = newCounters(version, s.dialects, func() float64 { return float64(len(s.slots)) }, s.asker.daemon.Gauge, func() float64 { return float64(s.access.Lost()) })
	return s
}

// Use sets the settings of requests that begin from now on.
func (s *Service) Use(set *Settings) {
	s.settings.Store(set)
	s.metrics.reloads[1].Inc()
}

// Kept counts a reload that failed, so that the old settings stay in force.
func (s *Service) Kept() { s.metrics.reloads[0].Inc() }

// Refused counts a connection above the limit.
func (s *Service) Refused() { s.metrics.refused.Inc() }

// LoggedOut counts the outcome of a logout token.
func (s *Service) LoggedOut(outcome protocol.Status) { s.metrics.logouts[outcome].Inc() }

// Log returns the logger for problems, which logs each kind rarely.
func (s *Service) Log() *slog.Logger { return s.log }

// Run logs how many lines were left out, and writes the access log, until ctx
// ends.
func (s *Service) Run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { s.access.Run(ctx) })
	s.lines.Run(ctx)
	wg.Wait()
}

// Check processes a request without a token, which must never be let through,
// and returns an error if the outcome is wrong.
func (s *Service) Check(ctx context.Context) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "/nginx", http.NoBody)
	if err != nil {
		return err
	}
	if f, _ := s.find(r, s.dialects[0], s.settings.Load()); f.outcome != rejected || f.reason != httpauth.ReasonNoToken {
		return fmt.Errorf("a request without a token was answered %s %s", f.outcome, f.reason)
	}
	return nil
}

// ServeHTTP answers one request.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := s.now()
	if r.ContentLength != 0 {
		// No web server asks with a body. If one passes on the body of a
		// visitor, and the two ends disagree where the body ends, its rest
		// would be taken for the next request, and the next visitor would get
		// that request's answer.
		w.Header()["Connection"] = []string{"close"}
	}
	set := s.settings.Load()
	if one := set.described(r); one != nil {
		one.Describe(w, r.Method)
		return
	}
	d := route(s.dialects, r.URL.Path)
	var f finding
	var want requirement
	if d == nil {
		d = new(dialect) // without a status for "accepted"
		f = finding{outcome: noRoute, reason: "no-route"}
	} else {
		f, want = s.find(r, d, set)
	}
	s.reply(w, r, d, set, &f)
	took := s.now().Sub(began)
	s.metrics.duration.Update(took.Seconds())
	s.record(began, took, d, &want, &f)
}

// find returns the finding for the web server's request. A panic becomes a
// finding too: nothing was learnt.
func (s *Service) find(r *http.Request, d *dialect, set *Settings) (f finding, want requirement) {
	defer func() {
		if p := recover(); p != nil {
			// The panic's value may contain parts of the request; the stack
			// does not.
			s.complain(slog.LevelError, "a fault of ours; please report this line", slog.String("stack", string(debug.Stack())))
			s.metrics.panics.Inc()
			f = undecided(reasonDown)
		}
	}()
	if !d.anyMethod && r.Method != http.MethodGet && r.Method != http.MethodHead {
		return finding{outcome: badMethod, reason: "bad-method"}, want
	}
	query, ok := d.wish(r)
	if !ok {
		s.complain(slog.LevelWarn, "the web server does not send what it asks for: have it set the header, once in each request, as the recipe does", slog.String("dialect", d.name), slog.String("header", wishHeader))
		return finding{outcome: faulty, reason: reasonFault}, requirement{}
	}
	want, err := parseRequirement(query)
	if err != nil {
		s.complain(slog.LevelWarn, "the web server asks for something that does not exist: mend the parameter where its configuration asks this program", slog.String("dialect", d.name), slog.String("error", err.Error()))
		return finding{outcome: faulty, reason: reasonFault}, requirement{}
	}
	tokens := cmp.Or(want.tokens, set.tokens)
	defer func() {
		f.vary = tokens.Vary()
		if one := set.of(want.project); one != nil {
			f.refusal.ResourceMetadata = one.MetadataURL()
		}
	}()
	found := tokens.Find(r.Header, want.level)
	if refusal, no := found.Refusal(); no {
		return refused(refusal), want
	}
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	default:
		return undecided(reasonBusy), want
	}
	visitor := d.visitor(r)
	if !s.visitors.enter(visitor) {
		return undecided(reasonBusy), want
	}
	defer s.visitors.leave(visitor)
	asked := s.now()
	answer, _ := found.Ask(func(token string) client.Answer {
		return s.asker.ask(r.Context(), &want, question{token, visitor}, asked.Add(set.timeout), set.restartWait)
	})
	if _, nothing := answer.(client.Unknown); nothing && r.Context().Err() != nil {
		return undecided(reasonLeft), want
	}
	s.tellOfUnknown(answer)
	f = judge(answer, &want, set.show, asked, s.now())
	if f.reason == reasonTooLarge {
		s.complain(slog.LevelWarn, "a verified user is refused, because the identity does not fit into the headers; set fields in the configuration file to the headers that your application reads")
	}
	if f.outcome == accepted && want.clean && namesItself(r.Header, tokens.Vary()) {
		return unfit(reasonHeader), want
	}
	return f, want
}

// project returns the project that the question named, if the code shows that
// the daemon has it. Otherwise the text in its place may be anything, even a
// token, and is not logged.
func project(u client.Unknown) []slog.Attr {
	e, ok := errors.AsType[*client.ReplyError](u.Err)
	if known := u.Code == protocol.CodeForbidden || u.Code == protocol.CodeMisconfigured; !ok || !known || e.Project == "" {
		return nil
	}
	return []slog.Attr{slog.String("project", e.Project)}
}

// complaintInterval is the shortest time between two log lines of one kind,
// because visitors can cause them with requests.
const complaintInterval = 10 * time.Second

// complain logs a problem with requests, each kind rarely.
func (s *Service) complain(level slog.Level, message string, attrs ...slog.Attr) {
	s.log.LogAttrs(context.Background(), level, message, append(attrs, program.Every(complaintInterval))...)
}

// Watch pings the daemon until ctx ends, and logs when it does not answer, or when what
// listens there is no daemon. So the operator hears of a wrong path, or of a daemon that
// hangs, before a visitor does, and the metric is right also while there are no visitors.
func (s *Service) Watch(ctx context.Context) {
	s.asker.daemon.Watch(ctx, func() time.Duration { return s.settings.Load().restartWait }, s.tellOfGarbled)
	_ = s.asker.daemon.Close() // always nil
}

func (s *Service) tellOfGarbled(err error) {
	s.complain(slog.LevelWarn, "the daemon's answer cannot be used; if this goes on, see that --socket is the daemon's, and that the versions fit", slog.String("error", err.Error()))
}

// tellOfUnknown logs an answer whose cause only the operator can remove.
func (s *Service) tellOfUnknown(answer client.Answer) {
	u, ok := answer.(client.Unknown)
	if !ok {
		return
	}
	switch u.Code {
	case protocol.CodeBadRequest, protocol.CodeUnknownVerb, protocol.CodeUnknownProject, protocol.CodeLineTooLong,
		protocol.CodeForbidden, protocol.CodeMisconfigured:
		s.complain(slog.LevelWarn, "the daemon refuses the question", append(project(u), slog.String("code", string(u.Code)), slog.String("hint", httpauth.Hint(u.Code)))...)
	case protocol.CodeNeedsProfile:
		s.complain(slog.LevelWarn, "a request carries a credential that only the upstream can judge; if that is how users sign in, ask with level=profile at this location")
	case protocol.CodeUnavailable:
		if withoutProfile(u) { // everything else passes by itself
			s.complain(slog.LevelWarn, "a request carries a token that has no profile behind it; if that is how users sign in, leave level=profile out at this location")
		}
	case protocol.CodeBusy, protocol.CodeDeadline, protocol.CodeKeysPending: // these pass by themselves
	case "":
		switch {
		case errors.Is(u.Err, client.ErrGarbled):
			s.tellOfGarbled(u.Err)
		case presence.NoAnswer(u.Err) && s.asker.daemon.Away():
			s.asker.daemon.Tell(u.Err)
		}
	}
}
