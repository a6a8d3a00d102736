package program

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

func TestLinesForTheJournalBeginWithTheirPriority(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(newHandler(&out, slog.LevelDebug, true)).With("project", "main").WithGroup("g")
	log.Debug("a")
	log.Info("b", "level", "own") // in a group, so no level of the line
	log.Warn("c")
	log.Error("d", "n", 1)
	want := "<7>msg=a project=main\n<6>msg=b project=main g.level=own\n<4>msg=c project=main\n<3>msg=d project=main g.n=1\n"
	if got := out.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestLinesElsewhereBeginWithTimeAndLevel(t *testing.T) {
	var out bytes.Buffer
	NewLogger(&out, slog.LevelWarn).Warn("c")
	NewLogger(&out, slog.LevelWarn).Info("b")
	if got := out.String(); !strings.HasPrefix(got, "time=") || !strings.HasSuffix(got, " level=WARN msg=c\n") || strings.Count(got, "\n") != 1 {
		t.Errorf("got\n%s", got)
	}
}
