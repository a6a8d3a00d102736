package authrequest

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
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
