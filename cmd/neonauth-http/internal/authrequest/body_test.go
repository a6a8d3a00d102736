package authrequest

import (
	"log/slog"
	"strings"
	"testing"
	"time"
)

// TestBehindABodyThereIsNoOtherQuestion: after a request with a body the connection ends, because two readers could
// disagree where the body ends and the next request begins.
func TestBehindABodyThereIsNoOtherQuestion(t *testing.T) {
	t.Parallel()
	set, err := Load("")
	if err != nil {
		t.Fatal(err)
	}
	const next = "GET /nginx HTTP/1.1\nHost: x\nAuthorization: Bearer " + theToken + "\n\n"
	for sent, answers := range map[string]int{
		"GET /nginx HTTP/1.1\nHost: x\n\n" + next:                                                                           2,
		"GET /nginx HTTP/1.1\nHost: x\nContent-Length: 0\n\n" + next:                                                        2,
		"GET /nginx HTTP/1.1\nHost: x\nContent-Length: 2\n\n\n" + next:                                                      1,
		"GET /nginx HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n0\n\n" + next:                                          1,
		"GET /nginx HTTP/1.1\nHost: x\nContent-Length: 5\nTransfer-Encoding: chunked\n\n0\n\n" + next:                       1,
		"POST /envoy HTTP/1.1\nHost: x\nX-Neonauth-Require:\nContent-Length: 5\nTransfer-Encoding: chunked\n\n0\n\n" + next: 1,
		"GET /nowhere HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n0\n\n" + next:                                        1,
	} {
		c := new(pickyDaemon).client()
		got := play(New("dev", c, set, slog.New(slog.DiscardHandler), time.Now), []byte(strings.ReplaceAll(sent, "\n", "\r\n")))
		_ = c.Close()
		if n := strings.Count(got, "HTTP/1.1 "); n != answers || strings.Contains(got, "HTTP/1.1 204 ") != (answers == 2) {
			t.Errorf("%q has %d answers, want %d:\n%s", sent, n, answers, got)
		}
	}
}
