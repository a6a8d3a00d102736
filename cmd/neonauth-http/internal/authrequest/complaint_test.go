package authrequest

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/client/httpauth"
	"github.com/neonauthd/neonauthd/internal/httpauthtest"
	"github.com/neonauthd/neonauthd/protocol"
)

// TestTheLogSaysWhatHasToBeMended: the operator reads what to do, and the project's name
// if the daemon has such a project; the visitor reads neither.
func TestTheLogSaysWhatHasToBeMended(t *testing.T) {
	t.Parallel()
	const token = "asked.a.b"
	for code, known := range map[protocol.Code]bool{
		protocol.CodeForbidden: true, protocol.CodeMisconfigured: true, protocol.CodeUnknownProject: false, protocol.CodeBadRequest: false,
	} {
		asks := httpauthtest.Client(t, map[string]string{token: "ERR " + string(code) + " some words"})
		var log bytes.Buffer
		set, err := new(file).settings()
		if err != nil {
			t.Fatal(err)
		}
		s := New("dev", asks, set, slog.New(slog.NewTextHandler(&log, nil)), time.Now)
		r := httptest.NewRequest(http.MethodGet, "/nginx?project=named", http.NoBody)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if named := strings.Contains(log.String(), "project=named"); named != known {
			t.Errorf("%s: is the project named? %v: %s", code, named, log.String())
		}
		for _, want := range []string{"code=" + string(code), strings.ReplaceAll(httpauth.Hint(code), `"`, `\"`)} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("%s: the log lacks %q: %s", code, want, log.String())
			}
		}
		if w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "named") || strings.Contains(w.Body.String(), "neonauthctl") {
			t.Errorf("%s: the visitor reads %d %s", code, w.Code, w.Body)
		}
	}
}

// TestATokenWithoutAProfileIsLogged, because asking again does not help, and has a reason of its
// own, because any visitor can send one. Another outage of the daemon's passes by itself.
func TestATokenWithoutAProfileIsLogged(t *testing.T) {
	t.Parallel()
	const token = "asked.a.b"
	for text, logged := range map[string]bool{" " + protocol.TextNoProfile: true, "": false} {
		asks := httpauthtest.Client(t, map[string]string{token: "ERR unavailable" + text})
		var log bytes.Buffer
		set, err := new(file).settings()
		if err != nil {
			t.Fatal(err)
		}
		s := New("dev", asks, set, slog.New(slog.NewTextHandler(&log, nil)), time.Now)
		r := httptest.NewRequest(http.MethodGet, "/nginx?level=profile", http.NoBody)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != http.StatusServiceUnavailable || strings.Contains(log.String(), "no profile behind it") != logged {
			t.Errorf("%q: %d; the log: %s", text, w.Code, log.String())
		}
		reason := map[bool]string{true: "no-profile", false: "unavailable"}[logged]
		if page := scrape(s); !strings.Contains(page, `neonauth_http_reasons_total{reason="`+reason+`"} 1`) {
			t.Errorf("%q is not counted as %s", text, reason)
		}
	}
}

// TestAnAnswerThatCannotBeUsedIsLogged: the operator reads that another program listens on the
// socket, or one of another version, and the log does not hold what it said.
func TestAnAnswerThatCannotBeUsedIsLogged(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	set, err := new(file).settings()
	if err != nil {
		t.Fatal(err)
	}
	s := New("dev", fakeDaemon("220 mail.example.org private\n"), set, slog.New(slog.NewTextHandler(&log, nil)), time.Now)
	r := httptest.NewRequest(http.MethodGet, "/nginx", http.NoBody)
	r.Header.Set("Authorization", "Bearer asked.a.b")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(log.String(), "the daemon's answer cannot be used") || strings.Contains(log.String(), "private") {
		t.Errorf("%d; the log: %s", w.Code, log.String())
	}
}
