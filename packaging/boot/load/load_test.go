package main

import (
	"bufio"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/protocol"
)

// folder returns one whose name is short, because a socket's path must be.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "na-load-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// answering serves connections at a socket, each by a call of serve.
func answering(t *testing.T, serve func(connection int, in *bufio.Reader, nc net.Conn)) string {
	t.Helper()
	path := filepath.Join(folder(t), "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for n := 1; ; n++ {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer nc.Close()
				serve(n, bufio.NewReader(nc), nc)
			}()
		}
	}()
	return path
}

func TestRepliesAreJudgedByStatusSubjectReasonAndTag(t *testing.T) {
	yes := question{status: protocol.OK, word: "ada", token: "a.b.c"}
	no := question{status: protocol.NO, word: "expired", token: "a.b.c"}
	for _, c := range []struct {
		q     question
		reply string
		want  judgement
	}{
		{yes, "@t OK level=claims project=main sub=ada {}", right},
		{yes, "@t OK level=claims project=main sub=bob {}", wrong},
		{yes, "@t OK level=claims project=main {}", wrong},
		{yes, "@u OK level=claims project=main sub=ada {}", wrong},
		{yes, "OK level=claims project=main sub=ada {}", wrong},
		{yes, "@t NO expired", wrong},
		{yes, "@t ERR unavailable retry-after=1", unknown},
		{yes, "", wrong},
		{no, "@t NO expired", right},
		{no, "@t NO bad-signature", wrong},
		{no, "@t OK level=claims project=main sub=expired {}", wrong},
		{no, "@t ERR busy", unknown},
	} {
		if got := c.q.judge([]byte(c.reply), "t"); got != c.want {
			t.Errorf("%+v answered %q is judged %d, want %d", c.q, c.reply, got, c.want)
		}
	}
}

func TestEveryFateOfAQuestionIsCounted(t *testing.T) {
	for name, c := range map[string]struct {
		reply      string
		hangUp     func(connection int, line string) bool
		fresh, own int
		want       string // within the report
	}{
		"answered": {"OK sub=ada", nil, 1, 0, "wrong=0 unknown=0 unanswered=0"},
		"a lie":    {"NO expired", nil, 1, 0, "right=0 wrong=1 unknown=0 unanswered=0"},
		"no word":  {"ERR busy", nil, 1, 0, "right=0 wrong=0 unknown=1 unanswered=0"},
		"cut off on a new connection": {"OK sub=ada", func(n int, _ string) bool { return n == 1 },
			1, 0, "connects=2 refused=0 found-closed=0 lost-new=1 lost-kept=0"},
		"cut off on a kept one": {"OK sub=ada", func(n int, line string) bool { return n == 1 && !strings.HasPrefix(line, "@0.1 ") },
			0, 1, "connects=2 refused=0 found-closed=0 lost-new=0 lost-kept=1"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			socket := answering(t, func(n int, in *bufio.Reader, nc net.Conn) {
				for {
					line, err := in.ReadString('\n')
					if err != nil || c.hangUp != nil && c.hangUp(n, line) {
						return
					}
					if c.hangUp == nil || n > 1 {
						cancel() // enough has been asked
					}
					tag, _, _ := strings.Cut(line, " ")
					_, _ = nc.Write([]byte(tag + " " + c.reply + "\n"))
				}
			})
			l := &load{socket: socket, questions: []question{{status: protocol.OK, word: "ada", token: "a.b.c"}}, timeout: time.Minute}
			l.run(ctx, c.fresh, c.own)
			var report strings.Builder
			if err := l.tally.report(&report); err != nil || !strings.Contains(report.String(), c.want) {
				t.Errorf("%v, %s lacks %s", err, report.String(), c.want)
			}
		})
	}
}

func TestRefusedAndUnansweredAreCounted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	l := &load{socket: filepath.Join(folder(t), "nobody"), questions: []question{{}}, timeout: 20 * time.Millisecond}
	(&asker{load: l}).ask(&l.questions[0])
	l.run(ctx, 1, 1) // asks nothing
	if l.tally.refused == 0 || l.tally.unanswered != 1 || l.tally.questions != 1 {
		t.Errorf("refused %d, unanswered %d of %d", l.tally.refused, l.tally.unanswered, l.tally.questions)
	}
}
