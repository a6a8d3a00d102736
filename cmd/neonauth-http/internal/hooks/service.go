// Package hooks accepts deliveries of webhooks. It has the daemon forget cached profiles
// that have changed, and revoke the tokens of deleted users. Of the user in a delivery the
// package reads the id and nothing else. It keeps, caches and logs no other user data.
//
// It runs as a process of its own, apart from package authrequest: its requests come from
// the internet, it holds signing secrets, and it uses the daemon's admin socket.
package hooks

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/cmd/neonauth-http/internal/presence"
	"github.com/neonauthd/neonauthd/internal/connlimit"
	"github.com/neonauthd/neonauthd/internal/program"
	"github.com/neonauthd/neonauthd/internal/webhook"
)

// Bounds of what is worked on at once.
const (
	// MaxConns is how many connections there are at most.
	MaxConns = 256
	// MaxMonitors is how many connections of monitors there are at most.
	MaxMonitors = 64
	// small is how many bytes of a body are read in any case. Usual bodies are shorter.
	small = 64 << 10
	// maxLarge is how many longer bodies are read at once, since they are in memory
	// before their signatures can be checked. Further ones wait for a place. A sender
	// that sends nothing for the time largeQuiet loses its place if another one waits.
	maxLarge   = 16
	largeQuiet = connlimit.Lead / 2
	// conns is how many connections to the daemon there are at most. It takes 64 in
	// all.
	conns = 8
)

// base is the path prefix. The name of a project follows it.
const base = "/hooks/"

// Service accepts deliveries. It is an http.Handler and safe for concurrent use. Make it
// with New.
type Service struct {
	projects map[string]*project
	names    []string // of them
	daemon   *steerer
	now      func() time.Time
	log      *slog.Logger
	lines    program.Rare // the handler behind log
	metrics  *counters
	large    *connlimit.Places
	presence *presence.Daemon
	inFlight atomic.Int64
}

// New makes a Service for the daemon with the admin socket at the path socket. It writes
// warnings and errors to log. Its metrics show version.
func New(version, socket string, set *Settings, log *slog.Logger, now func() time.Time) *Service {
	lines := program.NewRare(log.Handler())
	s := &Service{
		projects: map[string]*project{},
		names:    set.Projects(),
		daemon:   &steerer{&client.Client{Socket: socket, Timeout: askTimeout, Conns: conns, Keep: -1, Name: "neonauth-http-hooks"}},
		now:      now,
		log:      slog.New(lines),
		lines:    lines,
		large:    connlimit.NewPlaces(maxLarge, largeQuiet),
	}
	for i := range set.projects {
		s.projects[set.projects[i].name] = &set.projects[i]
	}
	s.presence = presence.New(s.daemon.client, now, s.tellOfAbsence, func(away time.Duration) {
		s.log.Info("the daemon answers again", "away", away.Round(time.Millisecond).String())
	})
	s.metrics = newCounters(version, s.names, s.presence.Gauge, &s.inFlight)
	return s
}

// Close ends the connections to the daemon.
func (s *Service) Close() error { return errors.Join(s.presence.Close(), s.daemon.client.Close()) }

// Run logs how many repeated lines were left out, until ctx ends.
func (s *Service) Run(ctx context.Context) { s.lines.Run(ctx) }

// delivery is what is known about a request. Each step adds to it.
type delivery struct {
	project  *project // nil: none
	envelope webhook.Envelope
	event    webhook.Event
	reach    reach
	err      error // of the daemon
}

// ServeHTTP answers one delivery.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := s.now()
	s.inFlight.Add(1)
	defer s.inFlight.Add(-1)
	d := &delivery{}
	result := s.take(w, r, d)
	s.tell(d, result)
	s.metrics.count(d, result, s.now())
	s.metrics.duration.Update(s.now().Sub(began).Seconds())
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	if result == badMethod {
		h.Set("Allow", http.MethodPost)
	}
	if text := result.text(); text != "" {
		h.Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(result.status())
		_, _ = io.WriteString(w, text+"\n") // a sender that is gone needs none
		return
	}
	w.WriteHeader(result.status())
}

// take reads and checks a delivery and has the daemon follow it. After a panic the answer
// is 500, so that the sender tries again.
func (s *Service) take(w http.ResponseWriter, r *http.Request, d *delivery) (is result) {
	defer func() {
		if p := recover(); p != nil {
			// The value may hold what the request holds; the stack does not.
			s.complain(slog.LevelError, "a fault of ours; please report this line", fault, slog.String("stack", string(debug.Stack())))
			s.metrics.panics.Inc()
			is = fault
		}
	}()
	name, found := strings.CutPrefix(r.URL.Path, base)
	if d.project = s.projects[name]; !found || d.project == nil {
		return noProject
	}
	if is = s.judge(w, r, d); is != "" {
		return is
	}
	if d.event.Kind == webhook.Other {
		return ignored
	}
	// Go on if the sender has closed the connection: it would only deliver the event again.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), askTimeout)
	defer cancel()
	d.reach, d.err = s.daemon.follow(ctx, d.project.name, d.event)
	switch {
	case presence.Answers(d.err) || errors.Is(d.err, errReply):
		s.presence.Answered()
	case presence.NoAnswer(d.err):
		s.presence.Missed()
	}
	switch {
	case d.err != nil:
		return unavailable
	case !d.reach.whole():
		return partly
	}
	return done
}

// judge reads the event of a delivery into d. It returns "" if there is one, else why not.
// Cheap checks come first. The body is parsed only after its signature was checked.
func (s *Service) judge(w http.ResponseWriter, r *http.Request, d *delivery) result {
	if r.Method != http.MethodPost {
		return badMethod
	}
	var err error
	if d.envelope, err = webhook.ReadEnvelope(r.Header); err != nil {
		return badHeaders
	}
	if !d.envelope.Timely(s.now()) {
		return badTime
	}
	body, place, is := s.read(w, r)
	defer place.Leave()
	if is != "" {
		return is
	}
	if !d.envelope.Signed(d.project.secrets, body) {
		return badSignature
	}
	if d.event, err = webhook.ParseEvent(body); err != nil {
		return badBody
	}
	return ""
}

// read reads the body. It returns "" if the body is complete, else why not. A large body
// has a place, which the caller has to leave when it does not need the body any more.
func (s *Service) read(w http.ResponseWriter, r *http.Request) (body []byte, place *connlimit.Place, is result) {
	if r.ContentLength > webhook.MaxBody {
		return nil, nil, tooLarge
	}
	in := http.MaxBytesReader(w, r.Body, webhook.MaxBody)
	body, err := io.ReadAll(io.LimitReader(in, small+1))
	if err == nil && len(body) > small {
		ctx, cancel := context.WithTimeout(r.Context(), readTimeout) // afterwards nothing can be read
		defer cancel()
		if place = s.large.Take(ctx, connlimit.From(ctx)); place == nil {
			return nil, nil, busy
		}
		body, err = readRest(in, body, r.ContentLength)
	}
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return nil, place, tooLarge
	case err != nil:
		return nil, place, unread
	}
	return body, place, ""
}

// readRest reads the rest of a body that begins with head, and returns the whole body. The
// length of the body is -1 if it is not known. Memory is allocated once.
func readRest(in io.Reader, head []byte, length int64) ([]byte, error) {
	if length < 0 {
		length = webhook.MaxBody
	}
	whole := bytes.NewBuffer(make([]byte, 0, length+bytes.MinRead))
	whole.Write(head)
	_, err := whole.ReadFrom(in)
	return whole.Bytes(), err
}
