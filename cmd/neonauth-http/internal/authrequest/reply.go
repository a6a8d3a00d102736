package authrequest

import (
	"cmp"
	"log/slog"
	"net/http"
	"strconv"
	"time"
)

// reply is the only function that writes a status. It sends a 2xx only with the
// id of a user, machine or team in the headers of the same reply, and only while
// the token is valid. Any other 2xx would be a mistake in this program, and becomes a 500.
func (s *Service) reply(w http.ResponseWriter, r *http.Request, d *dialect, set *Settings, f *finding) {
	status, now := f.status(d), s.now()
	if status/100 == 2 && (f.outcome != accepted || !f.named() || !now.Before(f.expires)) {
		s.complain(slog.LevelError, "a request was about to be let through without a verified user")
		s.metrics.unproved.Inc()
		*f = finding{outcome: faulty, reason: reasonFault}
		status = f.status(d)
	}
	h := w.Header()
	h["Vary"] = []string{cmp.Or(f.vary, set.tokens.Vary())}
	if f.outcome == accepted {
		f.identity.write(h)
		h["Cache-Control"] = []string{"private, max-age=" + strconv.FormatInt(int64(f.reuse/time.Second), 10)}
		// For a proxy that is configured to ignore "private", such as nginx
		// with proxy_ignore_headers Cache-Control. It uses an answer until the
		// second that Expires names is over.
		h["Expires"] = []string{now.Add(f.reuse - time.Second).UTC().Format(http.TimeFormat)}
		w.WriteHeader(status)
		s.metrics.count(d, f)
		return
	}
	h["Cache-Control"] = []string{"no-store"}
	h["Content-Type"] = []string{"application/json"}
	if f.outcome == rejected {
		comeback(h, r.Header)
	}
	switch f.outcome {
	case unknown, rejected, invalid, denied:
		f.refusal.SetHeaders(h, set.realm)
	case badMethod:
		h["Allow"] = []string{"GET, HEAD"}
	case accepted, faulty, noRoute:
	}
	body := `{"outcome":"` + f.outcome.String() + `","reason":"` + f.reason + "\"}\n"
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write([]byte(body)) // it fails only if the web server has left
	}
	s.metrics.count(d, f)
}
