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

// TestTheLogSaysWhatHasToBeMended asks for a project that the daemon does not have.
// The operator reads which and what to do; the visitor reads neither.
func TestTheLogSaysWhatHasToBeMended(t *testing.T) {
	t.Parallel()
	const token = "asked.a.b"
	for _, code := range []protocol.Code{protocol.CodeUnknownProject, protocol.CodeForbidden, protocol.CodeMisconfigured, protocol.CodeBadRequest} {
		asks := httpauthtest.Client(t, map[string]string{token: "ERR " + string(code) + " some words"})
		var log bytes.Buffer
		set, err := new(file).settings()
		if err != nil {
			t.Fatal(err)
		}
		s := New("dev", asks, set, slog.New(slog.NewTextHandler(&log, nil)), time.Now)
		r := httptest.NewRequest(http.MethodGet, "/nginx?project=typo", http.NoBody)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		for _, want := range []string{"project=typo", "code=" + string(code), strings.ReplaceAll(httpauth.Hint(code), `"`, `\"`)} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("%s: the log lacks %q: %s", code, want, log.String())
			}
		}
		if w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "typo") || strings.Contains(w.Body.String(), "neonauthctl") {
			t.Errorf("%s: the visitor reads %d %s", code, w.Code, w.Body)
		}
	}
}
