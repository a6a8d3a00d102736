// Package middleware puts a net/http handler behind neonauthd.
//
//	guard := &middleware.Guard{Client: &client.Client{}}
//	http.Handle("/account", guard.Wrap(account))
//
// Inside, middleware.From(r.Context()) tells who is asking. A request whose
// token is bad gets 401 with the challenge of RFC 6750, one whose user may not
// come in 403, and one about which nothing could be learnt 503 with
// Retry-After: never 401, which would log the user out.
package middleware

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/protocol"
)

const (
	// DefaultRetryAfter is what a 503 advises when the daemon does not.
	DefaultRetryAfter = time.Second

	// maxRetryAfter bounds the advice: the daemon may well be back earlier.
	maxRetryAfter = time.Minute
)

// Guard lets requests with an accepted token through and answers the others.
// Its zero value works and asks this host's daemon about the token in the
// Authorization header, at level claims. Fields are set before use and not
// changed after it; a Guard is safe for concurrent use. Guards should share a
// Client.
//
// Place it behind whatever answers CORS preflights: those carry no token.
type Guard struct {
	// Client asks the daemon. Nil: a Client of the Guard's own, as its zero
	// value is.
	Client *client.Client

	// Options go with every lookup.
	Options []client.Option

	// Profile asks for the user's profile too.
	Profile bool

	// Token finds the token in a request. Nil: Bearer.
	Token func(*http.Request) (token string, found Found)

	// Optional lets a request without any token through, without an Accepted
	// in its context. One with a bad token is answered all the same.
	Optional bool

	// Allow says whether the user may have what the request asks for; if
	// not, the answer is 403. Nil: everybody may.
	Allow func(*http.Request, client.Accepted) bool

	// Realm is named in challenges. Empty: none is.
	Realm string

	// Refuse writes the body of an answer, and may add headers. The status
	// has to be the one given; WWW-Authenticate, Retry-After and
	// Cache-Control are set already. Nil: the status's text, as text/plain.
	Refuse func(w http.ResponseWriter, r *http.Request, status int, why client.Answer)

	own client.Client
}

// Found says what a search for a token came to.
type Found uint8

// The results of a search for a token. The zero value is FoundNone.
const (
	FoundNone      Found = iota // the request carries none
	FoundOne                    // it carries one
	FoundConfusing              // it carries several, or something of no shape: 400
)

// Bearer finds the token in the Authorization header (RFC 6750 section 2.1).
// Several such headers are confusing: a proxy might have judged another one.
// Another scheme than Bearer is no token.
func Bearer(r *http.Request) (string, Found) {
	headers := r.Header.Values("Authorization")
	switch len(headers) {
	case 0:
		return "", FoundNone
	case 1:
		return bearer(headers[0])
	}
	return "", FoundConfusing
}

func bearer(header string) (string, Found) {
	const scheme = "bearer"
	n := len(scheme)
	if len(header) < n || !equalFold(header[:n], scheme) {
		return "", FoundNone
	}
	rest := header[n:]
	if rest == "" || rest[0] != ' ' {
		return "", FoundNone // another scheme that begins the same
	}
	for rest != "" && rest[0] == ' ' {
		rest = rest[1:]
	}
	if rest == "" {
		return "", FoundConfusing
	}
	return rest, FoundOne
}

// equalFold compares ASCII only: strings.EqualFold knows a long s.
func equalFold(s, lower string) bool {
	for i := range len(s) {
		if s[i]|0x20 != lower[i] {
			return false
		}
	}
	return true
}

// Cookie returns a search for the token in the cookie of that name, for use as
// Guard.Token. Several cookies of that name are confusing.
func Cookie(name string) func(*http.Request) (string, Found) {
	return func(r *http.Request) (string, Found) {
		cookies := r.CookiesNamed(name)
		switch {
		case len(cookies) == 0 || len(cookies) == 1 && cookies[0].Value == "":
			return "", FoundNone
		case len(cookies) > 1:
			return "", FoundConfusing
		}
		return cookies[0].Value, FoundOne
	}
}

type key struct{}

// From returns the answer under which a request was let through. ok is false
// outside a Guard, and inside an Optional one for a request without a token.
func From(ctx context.Context) (a client.Accepted, ok bool) {
	a, ok = ctx.Value(key{}).(client.Accepted)
	return a, ok
}

// Wrap returns a handler that lets accepted requests through to next.
func (g *Guard) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		find := g.Token
		if find == nil {
			find = Bearer
		}
		token, found := find(r)
		switch {
		case found == FoundConfusing:
			g.refuse(w, r, http.StatusBadRequest, "invalid_request", client.Rejected{Reason: protocol.ReasonMalformed})
			return
		case found == FoundNone && g.Optional:
			next.ServeHTTP(w, r)
			return
		case found == FoundNone:
			// RFC 6750 section 3.1: no error code for a request without any
			// authentication information.
			g.refuse(w, r, http.StatusUnauthorized, "", nil)
			return
		}
		g.decide(w, r, next, g.ask(r.Context(), token))
	})
}

func (g *Guard) ask(ctx context.Context, token string) client.Answer {
	c := g.Client
	if c == nil {
		c = &g.own
	}
	if g.Profile {
		return c.Profile(ctx, token, g.Options...)
	}
	return c.Verify(ctx, token, g.Options...)
}

// decide is the one place where an answer becomes a status.
func (g *Guard) decide(w http.ResponseWriter, r *http.Request, next http.Handler, answer client.Answer) {
	switch a := answer.(type) {
	case client.Accepted:
		if g.Allow != nil && !g.Allow(r, a) {
			g.refuse(w, r, http.StatusForbidden, "insufficient_scope", a)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, a)))
	case client.Rejected:
		if a.Reason == protocol.ReasonClassNotAllowed {
			// The token is genuine; another login of the same kind of user
			// would not help.
			g.refuse(w, r, http.StatusForbidden, "insufficient_scope", a)
			return
		}
		g.refuse(w, r, http.StatusUnauthorized, "invalid_token", a)
	case client.Unknown:
		w.Header().Set("Retry-After", retryAfter(a.RetryAfter))
		g.refuse(w, r, http.StatusServiceUnavailable, "", a)
	}
}

// retryAfter is whole seconds, rounded up, at least one.
func retryAfter(d time.Duration) string {
	if d <= 0 {
		d = DefaultRetryAfter
	}
	d = min(d, maxRetryAfter)
	return strconv.Itoa(int((d + time.Second - 1) / time.Second))
}

// refuse answers a request that does not get through.
func (g *Guard) refuse(w http.ResponseWriter, r *http.Request, status int, code string, why client.Answer) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	if status != http.StatusServiceUnavailable {
		h.Set("WWW-Authenticate", g.challenge(code, why))
	}
	if g.Refuse != nil {
		g.Refuse(w, r, status, why)
		return
	}
	http.Error(w, http.StatusText(status), status)
}
