package soak_test

import (
	"context"
	"fmt"
	"io"
	rnd "math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin"
	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/internal/pause"
)

// maxBatch is how many questions are asked in one write.
const maxBatch = 24

// ask asks questions on one connection after the other until ctx ends.
func (s *soak) ask(ctx context.Context) {
	for ctx.Err() == nil {
		run := s.model.run.Load()
		caller, err := e2e.Dial(s.host.folder.Socket())
		if err != nil {
			s.lost(run, "connect", err)
			pause.For(ctx, 20*time.Millisecond)
			continue
		}
		for batches := 0; err == nil && ctx.Err() == nil && batches < 500; batches++ {
			run = s.model.run.Load()
			err = s.batch(caller, run)
		}
		if err != nil {
			s.lost(run, "ask", err)
		}
		caller.Conn.Close()
	}
}

// lost counts a failed question or connection. While the same run of the daemon
// is up, none may fail.
func (s *soak) lost(run int64, doing string, err error) {
	if up := run%2 == 1; up && s.model.run.Load() == run {
		s.found(&wrong{"no answer", fmt.Sprintf("%s: %v", doing, err)}, nil, nil)
		return
	}
	s.counts.add("cut off by a restart", 1)
}

// batch sends several questions in one write and judges the answers.
func (s *soak) batch(caller *e2e.Caller, run int64) error {
	if err := caller.Conn.SetDeadline(time.Now().Add(e2e.Timeout)); err != nil {
		return err
	}
	tagged := rnd.IntN(5) > 0
	questions := make([]*question, 1+rnd.IntN(maxBatch))
	var text strings.Builder
	for i := range questions {
		questions[i] = s.question(s.pool.pick(), run)
		if tagged {
			questions[i].tag = fmt.Sprint("@", i)
			text.WriteString(questions[i].tag + " ")
		}
		text.WriteString(questions[i].line() + "\n")
	}
	sent := time.Now()
	if _, err := io.WriteString(caller.Conn, text.String()); err != nil {
		return err
	}
	for i := range questions {
		line, err := caller.Line()
		if err != nil {
			return err
		}
		a := &answer{line: line, came: time.Now(), run: s.model.run.Load()}
		if tagged {
			tag, rest, _ := strings.Cut(line, " ")
			if i = slices.IndexFunc(questions, func(q *question) bool { return q != nil && q.tag == tag }); i < 0 {
				s.found(&wrong{mixedUp, "no open question has this tag"}, nil, a)
				return nil
			}
			a.line = rest
		}
		q := questions[i]
		questions[i] = nil
		q.sent = sent
		s.heard("answers", q, a)
	}
	return nil
}

// question makes a random question about a token.
func (s *soak) question(t *token, run int64) *question {
	q := &question{verb: "VERIFY", project: t.project, token: t, maxAge: -1, run: run}
	if n := rnd.IntN(20); n == 0 { // maybe with another project
		q.project = s.model.projects[rnd.IntN(len(s.model.projects))]
	}
	if q.project.preset != standin.Stack || t.anonymous || rnd.IntN(3) > 0 {
		return q
	}
	q.verb = "PROFILE"
	q.fallback = rnd.IntN(4) == 0
	if n := rnd.IntN(12); n < 3 {
		q.maxAge = n
	}
	return q
}

// line returns the question as it is sent.
func (q *question) line() string {
	line := q.verb + " project=" + q.project.name
	if q.maxAge >= 0 {
		line += fmt.Sprint(" max-age=", q.maxAge)
	}
	if q.fallback {
		line += " fallback=claims"
	}
	return line + " " + q.token.text
}

// heard judges an answer, and counts it under a name.
func (s *soak) heard(name string, q *question, a *answer) {
	s.counts.add(name, 1)
	words := strings.SplitN(a.line, " ", 3)
	name += " " + words[0]
	if len(words) > 1 && words[0] != "OK" {
		name += " " + words[1]
	} else if r, ok := readOK(a.line); ok {
		name += " " + r.level + " " + r.source
	}
	s.counts.add(name, 1)
	if found := s.model.judge(q, a); found != nil {
		s.found(found, q, a)
	}
}
