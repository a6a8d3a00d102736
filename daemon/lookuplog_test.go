package daemon

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/daemon/config"
	"github.com/neonauthd/neonauthd/daemon/standin"
)

// TestEachLookupIsALineAtLevelDebug: the line says who asked what and the outcome.
// It has nothing of the token or its user.
func TestEachLookupIsALineAtLevelDebug(t *testing.T) {
	w := newLiveDaemon(t, nil)
	caller, token := w.dial(), w.token()
	expired := w.upstream.StackToken(standin.TokenSpec{Subject: w.user.ID, Lifetime: -time.Minute})
	for _, c := range []struct{ request, line string }{
		{"VERIFY " + token, `verb=VERIFY project=main outcome=accepted level=claims source=upstream duration=\S+ digest=[0-9a-f]{12}`},
		{"VERIFY " + token, `verb=VERIFY project=main outcome=accepted level=claims source=cache duration=\S+ digest=[0-9a-f]{12}`},
		{"@tag PROFILE " + token, `verb=PROFILE project=main outcome=accepted level=profile source=upstream duration=\S+ digest=[0-9a-f]{12}`},
		{"VERIFY " + expired, `verb=VERIFY project=main outcome=rejected reason=expired duration=\S+ digest=[0-9a-f]{12}`},
		{"VERIFY project=neon canary", `verb=VERIFY project=neon outcome=rejected reason=malformed duration=\S+`},
		{"VERIFY project=canary " + token, `code=unknown-project`},
		{"CANARY " + token, `code=unknown-verb`},
	} {
		before := len(w.log.String())
		caller.Ask("%s", c.request)
		want := regexp.MustCompile(fmt.Sprintf(`level=DEBUG msg=(lookup|"request refused") uid=%d %s\n`, os.Getuid(), c.line))
		if log := w.log.String()[before:]; !want.MatchString(log) {
			t.Errorf("%.20s: want %s\n%s", c.request, want, log)
		}
	}
	for _, secret := range []string{token, strings.Split(token, ".")[1], expired, w.user.ID, w.user.Email, "canary", "CANARY"} {
		if strings.Contains(w.log.String(), secret) {
			t.Errorf("the log has %.20q", secret)
		}
	}
}

// TestTheFormOfTheLogChangesByARestartOnly, and a reload that changes the form says
// so.
func TestTheFormOfTheLogChangesByARestartOnly(t *testing.T) {
	next := config.Default()
	next.LogFormat = config.LogJSON
	before := config.Default()
	if err := checkFixed(&before, &next); err == nil || !strings.HasPrefix(err.Error(), "log_format: ") {
		t.Error(err)
	}
	if err := checkFixed(&before, &before); err != nil {
		t.Error(err)
	}
}
