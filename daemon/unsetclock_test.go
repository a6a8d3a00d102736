package daemon

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/internal/e2e"
	"github.com/neonauthd/neonauthd/protocol"
)

// TestAClockThatWasNeverSetIsToldAsTheCause in every place where an operator looks.
func TestAClockThatWasNeverSetIsToldAsTheCause(t *testing.T) {
	w, m := newMonitoredDaemon(t, withoutOIDC)
	token := w.token()
	if reply := w.dial().Ask("VERIFY %s", token); head(reply) != "OK" {
		t.Fatal(reply)
	}
	session, err := w.upstream.SignIn(w.user.ID)
	if err != nil {
		t.Fatal(err)
	}
	w.halt()
	w.log.Reset()
	w.floor = w.clock.now().Add(time.Hour).Round(0) // by the wall clock alone, as that of the program
	w.start()
	for _, request := range []string{"VERIFY " + token, "PROFILE " + token, "PROFILE project=neon " + session.NeonCookie} {
		if reply := w.dial().Ask("%s", request); reply != "ERR unavailable "+protocol.TextClockUnset {
			t.Errorf("%s: %q", request, reply)
		}
	}
	if status, _, body := m.do(http.MethodGet, "/readyz", nil); status != http.StatusServiceUnavailable || !strings.Contains(body, "clock was never set") {
		t.Errorf("readyz: %d %s", status, body)
	}
	if status := w.daemon.status(); !strings.Contains(status, "; this host's clock was never set, and nothing is accepted") {
		t.Errorf("status: %s", status)
	}
	if !strings.Contains(w.log.String(), "level=ERROR msg=\"this host's clock shows a time before this program was made: nothing is accepted") {
		t.Errorf("log: %s", w.log)
	}
	if x, detail := w.explained("main", token, "clock"); x.Outcome != "unknown" || x.HTTP != 503 || detail != "fail: "+protocol.TextClockUnset {
		t.Errorf("EXPLAIN: %s %d, %q", x.Outcome, x.HTTP, detail)
	}
	w.clock.Step(time.Hour)
	if reply := w.dial().Ask("VERIFY %s", w.token()); strings.Contains(reply, protocol.TextClockUnset) {
		t.Errorf("with a clock that was set: %s", reply)
	}
	if status := w.daemon.status(); strings.Contains(status, "never set") {
		t.Errorf("status with a clock that was set: %s", status)
	}
}

// TestAnUnsetClockIsLoggedWhenItBeginsAndEnds, once each.
func TestAnUnsetClockIsLoggedWhenItBeginsAndEnds(t *testing.T) {
	var u unsetClock
	log := &e2e.Output{}
	for _, is := range []bool{false, true, true, false, false, true} {
		u.look(is, time.Unix(7, 0), slog.New(slog.NewTextHandler(log, nil)))
	}
	var levels []string
	for line := range strings.Lines(log.String()) {
		_, rest, _ := strings.Cut(line, "level=")
		level, _, _ := strings.Cut(rest, " ")
		levels = append(levels, level)
		if !strings.Contains(line, "clock=1970-01-01T00:00:07Z") {
			t.Errorf("the line does not say what the clock shows: %s", line)
		}
	}
	if got := strings.Join(levels, " "); got != "ERROR INFO ERROR" {
		t.Errorf("lines %q", got)
	}
}
