package authrequest

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/client/httpauth"
)

// replyTo returns what reply makes of a finding, and the service that made it.
func replyTo(t *testing.T, f *finding) (*httptest.ResponseRecorder, *Service) {
	t.Helper()
	s := quietService(t, fakeDaemon(okReply()))
	w := httptest.NewRecorder()
	s.reply(w, httptest.NewRequest(http.MethodGet, "/nginx", http.NoBody), s.dialects[0], s.settings.Load(), f)
	return w, s
}

// userID returns an identity with a user's id only.
func userID(id string) (all identity) {
	all[fieldUserID] = id
	return all
}

// No finding that is wrong gets a 2xx, whatever made it so: the place that
// writes the status looks by itself.
func TestNoReplyLetsInWithoutProof(t *testing.T) {
	t.Parallel()
	later := time.Now().Add(time.Hour)
	team := &client.Accepted{Principal: "team"}
	for name, test := range map[string]struct {
		f        finding
		status   int
		unproved uint64
	}{
		"a user":                   {finding{outcome: accepted, identity: userID("u"), expires: later}, http.StatusNoContent, 0},
		"nobody":                   {finding{outcome: accepted, expires: later}, http.StatusInternalServerError, 1},
		"a team without its id":    {finding{outcome: accepted, answer: team, identity: userID("u"), expires: later}, http.StatusInternalServerError, 1},
		"a token that has ended":   {finding{outcome: accepted, identity: userID("u"), expires: time.Now()}, http.StatusInternalServerError, 1},
		"a token without an end":   {finding{outcome: accepted, identity: userID("u")}, http.StatusInternalServerError, 1},
		"a rejection with 204":     {finding{outcome: rejected, refusal: httpauth.Refusal{Status: http.StatusNoContent}, identity: userID("u"), expires: later}, http.StatusInternalServerError, 1},
		"nothing learnt, with 200": {finding{refusal: httpauth.Refusal{Status: http.StatusOK}, identity: userID("u"), expires: later}, http.StatusInternalServerError, 1},
	} {
		w, s := replyTo(t, &test.f)
		if got := s.metrics.unproved.Get(); w.Code != test.status || got != test.unproved {
			t.Errorf("%s: %d, and %d counted", name, w.Code, got)
		}
		if w.Code/100 != 2 && (len(w.Header()["X-Auth-User-Id"]) != 0 || w.Header().Get("Cache-Control") != "no-store") {
			t.Errorf("%s: %v", name, w.Header())
		}
	}
}

// A web server keeps an answer until the second that Expires names is over.
func TestExpiresEndsBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	for _, reuse := range []time.Duration{0, time.Second, time.Minute} {
		f := finding{outcome: accepted, identity: userID("u"), expires: time.Now().Add(time.Hour), reuse: reuse}
		w, _ := replyTo(t, &f)
		ends := time.Now().Add(reuse)
		expires, err := http.ParseTime(w.Header().Get("Expires"))
		if err != nil || expires.Add(time.Second).After(ends) {
			t.Errorf("to be reused for %s: Expires is %s before that: %v", reuse, ends.Sub(expires), err)
		}
	}
}
