package program

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestLinesForTheJournalBeginWithTheirPriority(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(newHandler(&out, slog.LevelDebug, false, true)).With("project", "main").WithGroup("g")
	log.Debug("a")
	log.Info("b", "level", "own") // in a group, so it is not the level of the line
	log.Warn("c")
	log.Error("d", "n", 1)
	want := "<7>msg=a project=main\n<6>msg=b project=main g.level=own\n<4>msg=c project=main\n<3>msg=d project=main g.n=1\n"
	if got := out.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestLinesElsewhereBeginWithTimeAndLevel(t *testing.T) {
	var out bytes.Buffer
	NewLogger(&out, slog.LevelWarn, false).Warn("c")
	NewLogger(&out, slog.LevelWarn, false).Info("b")
	if got := out.String(); !strings.HasPrefix(got, "time=") || !strings.HasSuffix(got, " level=WARN msg=c\n") || strings.Count(got, "\n") != 1 {
		t.Errorf("got\n%s", got)
	}
}

func TestSeveralErrorsAreOneText(t *testing.T) {
	for _, journaled := range []bool{false, true} {
		var out bytes.Buffer
		slog.New(newHandler(&out, slog.LevelInfo, false, journaled)).Error("x", "error", errors.Join(errors.New("a"), errors.New("b")))
		if got := out.String(); !strings.HasSuffix(got, ` error="a; b"`+"\n") {
			t.Errorf("journaled %v: %s", journaled, got)
		}
	}
}

// TestLinesAreJSONWhereThatIsWanted: each line is an object with time and
// level; in the journal the priority is before it.
func TestLinesAreJSONWhereThatIsWanted(t *testing.T) {
	for _, journaled := range []bool{false, true} {
		var out bytes.Buffer
		log := slog.New(NewRare(newHandler(&out, slog.LevelDebug, true, journaled)))
		log.Debug("a \"b\"\n", slog.Int("n", 1), Every(time.Second))
		log.Error("c", "error", errors.New("<d>"))
		for i, line := range strings.Split(strings.TrimSpace(out.String()), "\n") {
			priority := []string{"<7>", "<3>"}[i]
			if is := strings.HasPrefix(line, priority); is != journaled {
				t.Errorf("journaled %v: %s", journaled, line)
			}
			var object map[string]any
			if err := json.Unmarshal([]byte(strings.TrimPrefix(line, priority)), &object); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			if object["time"] == nil || object["level"] == nil || object["msg"] != []string{"a \"b\"\n", "c"}[i] || len(object) != 4 {
				t.Errorf("%s", line)
			}
		}
	}
}

// TestADurationSaysItsUnit: as text it has the unit; in JSON it is a number of
// seconds, as in the access log.
func TestADurationSaysItsUnit(t *testing.T) {
	for _, journaled := range []bool{false, true} {
		for asJSON, want := range map[bool]string{
			false: "msg=a within=1m30s g.duration=17µs g.none=0s\n",
			true:  `"msg":"a","within":90,"g":{"duration":0.000017,"none":0}}` + "\n",
		} {
			var out bytes.Buffer
			log := slog.New(newHandler(&out, slog.LevelInfo, asJSON, journaled)).With("within", 90*time.Second).WithGroup("g")
			log.Info("a", "duration", 17*time.Microsecond, "none", time.Duration(0))
			if got := out.String(); !strings.HasSuffix(got, want) {
				t.Errorf("journaled %v: %s, want %s", journaled, got, want)
			}
		}
	}
}
