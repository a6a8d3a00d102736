package main

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/neonauthd/neonauthd/internal/pause"
	"github.com/neonauthd/neonauthd/protocol"
)

// again is the pause before a question is asked again.
const again = 2 * time.Millisecond

// load holds the questions and the counted results.
type load struct {
	socket    string
	questions []question
	pause     time.Duration // between two questions of an asker
	timeout   time.Duration // for one question, however often it has to be asked
	tally     tally
}

// run asks until ctx ends. Some askers open a connection for each question,
// others keep theirs. It waits for the answers to the questions that are in
// progress then.
func (l *load) run(ctx context.Context, fresh, kept int) {
	var askers sync.WaitGroup
	for n := range fresh + kept {
		askers.Go(func() {
			a := &asker{load: l, name: n, keeps: n >= fresh}
			defer a.hangUp()
			for ctx.Err() == nil {
				a.ask(&l.questions[rand.IntN(len(l.questions))])
				pause.For(ctx, l.pause)
			}
		})
	}
	askers.Wait()
}

// asker asks one question at a time.
type asker struct {
	load  *load
	name  int
	keeps bool

	asked int
	conn  net.Conn
	in    *bufio.Reader
	used  bool // an answer has come over conn
}

func (a *asker) hangUp() {
	if a.conn != nil {
		_ = a.conn.Close()
	}
	a.conn, a.in, a.used = nil, nil, false
}

// ask asks q until it is answered, and counts the result.
func (a *asker) ask(q *question) {
	t := &a.load.tally
	began := time.Now()
	a.asked++
	tag := fmt.Sprintf("%d.%d", a.name, a.asked)
	t.count(func(t *tally) { t.questions++ })
	for time.Since(began) < a.load.timeout {
		reply, ok := a.attempt(began, fmt.Sprintf("@%s %s %s\n", tag, protocol.VERIFY, q.token))
		if !ok {
			a.hangUp()
			pause.For(context.Background(), again)
			continue
		}
		t.answered(q.judge(reply, tag), reply, time.Since(began))
		if a.used = true; !a.keeps {
			a.hangUp()
		}
		return
	}
	t.count(func(t *tally) { t.unanswered++ })
}

// attempt sends line over the connection, opening one if there is none, and
// reads a reply. ok says whether a reply came; if not, the cause is counted.
func (a *asker) attempt(began time.Time, line string) (reply []byte, ok bool) {
	t := &a.load.tally
	if a.conn == nil {
		nc, err := net.DialTimeout("unix", a.load.socket, a.load.timeout)
		if err != nil {
			t.count(func(t *tally) { t.refused++; t.note("connect: " + err.Error()) })
			return nil, false
		}
		t.count(func(t *tally) { t.connects++ })
		a.conn, a.in = nc, bufio.NewReader(nc)
		_ = nc.SetDeadline(began.Add(a.load.timeout))
	}
	if a.keeps {
		_ = a.conn.SetDeadline(began.Add(a.load.timeout))
	}
	if _, err := a.conn.Write([]byte(line)); err != nil {
		// The daemon has not had the question, so it has not lost it either.
		t.count(func(t *tally) { t.foundClosed++ })
		return nil, false
	}
	if reply, err := a.in.ReadBytes('\n'); err == nil {
		return reply[:len(reply)-1], true
	}
	t.count(func(t *tally) {
		if a.used {
			t.lostKept++
		} else {
			t.lostNew++
		}
	})
	return nil, false
}
