package daemon

import (
	"strings"
	"testing"
)

func TestLogQuotesWhatStrangersSay(t *testing.T) {
	w := newLiveDaemon(t, nil)
	before := strings.Count(w.log.String(), "\n")
	// CR, LF, an escape sequence, a right-to-left override.
	w.dial().Ask("HELLO 1 a%%0D%%0Afake%%1B[31m%%E2%%80%%AE")
	log := w.log.String()
	if strings.ContainsAny(log, "\r\x1b\u202e") {
		t.Error("what a client said reached the log as it was")
	}
	if n := strings.Count(log, "client said hello"); n != 1 || strings.Contains(log, "\nfake") || before == 0 {
		t.Errorf("one event in %d lines", n)
	}
}

func TestLogTellsStartAndStop(t *testing.T) {
	w := newLiveDaemon(t, nil)
	w.dial().Ask("VERIFY %s", w.token())
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
