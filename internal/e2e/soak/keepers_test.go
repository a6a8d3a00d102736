package soak_test

import (
	"bytes"
	"context"
	"fmt"
	rnd "math/rand/v2"
	"net"
	"sync/atomic"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/internal/pause"
)

// keepers is how many goroutines ask through a client that keeps answers.
const keepers = 3

// keep asks through a client of its own, which answers from its memory as long
// as the daemon reports what has ended. So the same answers are right as for
// the daemon.
func (s *soak) keep(ctx context.Context) {
	c := &client.Client{Timeout: 2 * time.Second, Dial: func(ctx context.Context) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, "unix", s.host.folder.Socket())
		return &slow{Conn: conn}, err
	}}
	defer c.Close()
	var visitors [40]*token // users that the program sees again and again for a while
	for n := range visitors {
		visitors[n] = s.pool.good()
	}
	for n := 1; ctx.Err() == nil; n++ {
		at := &visitors[rnd.IntN(len(visitors))]
		switch {
		case rnd.IntN(1000) == 0:
			*at = s.pool.pick()
		case (*at).expires < time.Now().Unix()-1:
			*at = s.pool.good()
		}
		q := s.question(*at, s.model.run.Load())
		q.kept, q.sent = true, time.Now()
		line := spelled(q.ask(ctx, c))
		a := &answer{line: line, came: time.Now(), run: s.model.run.Load()}
		if line == "" {
			s.counts.add("client unreached", 1)
			pause.For(ctx, 10*time.Millisecond)
		} else {
			s.heard("client", q, a)
		}
		if n%32 == 0 {
			pause.For(ctx, time.Millisecond)
		}
	}
}

// slow is a connection of a program that sometimes does not read its watch for
// a while. A daemon that revokes has to wait for this.
type slow struct {
	net.Conn
	watch atomic.Bool
}

func (c *slow) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("WATCH")) {
		c.watch.Store(true)
	}
	return c.Conn.Write(p)
}

func (c *slow) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.watch.Load() && rnd.IntN(6) == 0 {
		time.Sleep(time.Duration(rnd.IntN(400)) * time.Millisecond)
	}
	return n, err
}

// ask asks the question through a client.
func (q *question) ask(ctx context.Context, c *client.Client) client.Answer {
	options := []client.Option{client.WithProject(q.project.name)}
	if q.verb == "VERIFY" {
		return c.Verify(ctx, q.token.text, options...)
	}
	if q.maxAge >= 0 {
		options = append(options, client.MaxAge(time.Duration(q.maxAge)*time.Second))
	}
	if q.fallback {
		options = append(options, client.FallbackClaims())
	}
	return c.Profile(ctx, q.token.text, options...)
}

// spelled returns an answer as the daemon would have written it; "" if the
// client has no answer of the daemon.
func spelled(a client.Answer) string {
	switch a := a.(type) {
	case client.Accepted:
		return fmt.Sprintf("OK level=%s project=%s sub=%s age=%d ttl=%d exp=%d source=%s %s",
			a.Level, a.Project, a.Subject, a.Age/time.Second, a.TTL/time.Second, a.Expires.Unix(), a.Source, a.JSON)
	case client.Rejected:
		return "NO " + string(a.Reason)
	case client.Unknown:
		if a.Code != "" {
			return "ERR " + string(a.Code)
		}
	}
	return ""
}
