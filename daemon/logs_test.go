package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestLogKeepsAFloodDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &logBuffer{}
		h := newThrifty(slog.NewTextHandler(out, nil))
		log := slog.New(h).With("project", "main")
		for range 1000 {
			log.Warn("flood")
		}
		log.Warn("another")
		if n := strings.Count(out.String(), "msg=flood"); n != MaxLines {
			t.Errorf("%d lines of a flood, want %d", n, MaxLines)
		}
		if !strings.Contains(out.String(), "msg=another") {
			t.Error("a flood of one kind kept out another")
		}
		if n := h.unsaid.Load(); n != 1000-MaxLines {
			t.Errorf("%d lines counted as left out", n)
		}
		<-time.After(time.Second)
		log.Warn("flood")
		want := fmt.Sprintf("level=WARN msg=\"more lines of this kind were left out\" kind=flood lines=%d\n", 1000-MaxLines)
		if got := out.String(); !strings.Contains(got, want) || strings.Count(got, "msg=flood") != MaxLines+1 {
			t.Errorf("a second later: no count, or no line:\n%s", got[strings.LastIndex(got, "another"):])
		}
	})
}

func TestLogTellsWhatItLeftOutThoughTheFloodIsOver(t *testing.T) {
	out := &logBuffer{}
	h := newThrifty(slog.NewTextHandler(out, nil))
	for range MaxLines + 7 {
		slog.New(h).Error("flood")
	}
	for range 2 {
		h.tell(time.Now())
	}
	if n := strings.Count(out.String(), "kind=flood lines=7\n"); n != 1 {
		t.Errorf("the count was told %d times, want once", n)
	}
}

func TestLogBoundsItsKinds(t *testing.T) {
	out := &logBuffer{}
	h := newThrifty(slog.NewTextHandler(out, nil))
	for i := range 3 * maxKinds {
		record := slog.NewRecord(time.Time{}, slog.LevelInfo, fmt.Sprint("kind ", i), 0)
		if err := h.Handle(context.Background(), record); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(h.kinds); n > maxKinds {
		t.Errorf("%d kinds are remembered, over %d", n, maxKinds)
	}
}

func TestLogQuotesWhatStrangersSay(t *testing.T) {
	w := newWorld(t, nil)
	before := strings.Count(w.log.String(), "\n")
	// CR, LF, an escape sequence, a right-to-left override.
	w.dial().ask("HELLO 1 a%%0D%%0Afake%%1B[31m%%E2%%80%%AE")
	log := w.log.String()
	if strings.ContainsAny(log, "\r\x1b\u202e") {
		t.Error("what a client said reached the log as it was")
	}
	if n := strings.Count(log, "client said hello"); n != 1 || strings.Contains(log, "\nfake") || before == 0 {
		t.Errorf("one event in %d lines", n)
	}
}

func TestLogTellsStartAndStop(t *testing.T) {
	w := newWorld(t, nil)
	w.dial().ask("VERIFY %s", w.token())
	w.halt()
	log := w.log.String()
	for _, want := range []string{
		"level=INFO msg=serving version=test", "projects=main,neon,oidc socket=" + w.socket() + " admin_socket=" + w.adminSocket(),
		"level=INFO msg=stopped", "accepted=1 rejected=0 unknown=0",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("not in the log: %s\n%s", want, log)
		}
	}
}
