// Package middleware puts a net/http handler behind neonauthd.
//
//	guard := &middleware.Guard{Client: &client.Client{}}
//	http.Handle("GET /account", guard.Wrap(http.HandlerFunc(account)))
//
// Inside, middleware.UserFrom(r.Context()) tells who is asking. A request whose
// token is bad gets 401 with the challenge of RFC 6750, one whose user may not
// come in 403, one with two different tokens 400, and one about which nothing
// could be learnt 503 with Retry-After: never 401, which would log the user
// out. Package httpauth has the rules.
package middleware

import (
	"context"
	"net/http"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/client/httpauth"
)

// DefaultRetryAfter is what a 503 advises when the daemon does not.
const DefaultRetryAfter time.Duration = httpauth.DefaultRetryAfter

// Guard lets requests with an accepted token through and answers the others.
// Its zero value works: it asks this host's daemon, at level claims, about the
// token in x-stack-access-token, Authorization or the SDK's other headers.
// Fields are set before use and not changed after it; a Guard is safe for
// concurrent use. Guards should share a Client, as those without one do.
//
// A CORS preflight carries no token. It goes through to the handler, without an
// Accepted in its context: a handler whose route has no method checks ok of
// UserFrom. What adds CORS headers has to stand around the Guard, and around
// the http.ServeMux too, since that answers OPTIONS for a pattern such as
// "GET /account" with 405 by itself: a browser shows a 401 without CORS headers
// to its page as a network error.
// Nothing else goes through unasked: a request for an Upgrade, such as that of
// a WebSocket, is judged like every other.
type Guard struct {
	// Client asks the daemon: a *client.Client, or in a test a
	// *clienttest.Fake. Nil: the one client.Client that all Guards without one
	// share, which is as its zero value is.
	Client client.Asker

	// Options go with every lookup.
	Options []client.Option

	// Profile asks for the user's profile too.
	Profile bool

	// Places are where a request may carry its token besides the headers of
	// httpauth.Headers, which always count. About cookies read first what
	// httpauth.Place says of forged requests.
	Places []httpauth.Place

	// Token finds the token in a request, in place of all that. Nil: the
	// headers and Places are searched.
	Token func(*http.Request) (token string, found Found)

	// Optional lets a request without any token through, without an Accepted
	// in its context. One with a bad token is answered all the same.
	Optional bool

	// Require is what a user has to be besides: one who is not gets 403 with
	// the reason. Its zero value admits normal users. For others, whom the
	// daemon's project has to allow too, name the kinds.
	Require httpauth.Requirements

	// Allow says whether the user, who meets Require, may have what the
	// request asks for; if not, the answer is 403. Nil: everybody may.
	Allow func(*http.Request, client.Accepted) bool

	// Realm is named in challenges. Empty: none is.
	Realm string

	// Resource is the protected resource that the handler is (RFC 9728). Challenges name the address of its metadata, and the
	// Guard serves that where it sees requests for it; where it does not, let the Resource handle MetadataPath itself. Nil:
	// none.
	Resource *httpauth.Resource

	// Refuse writes the body of an answer, and may add headers. The status
	// has to be the one given, and is where none is said; WWW-Authenticate, Retry-After and
	// Cache-Control are set already. why is nil for a request that was refused
	// without asking the daemon. Nil: the status's text, as text/plain.
	Refuse func(w http.ResponseWriter, r *http.Request, status int, why client.Answer)

	// OnUnknown is told of each answer that makes a 503, such as that the
	// daemon cannot be reached. It is called while the request waits. Nil: a
	// line goes to slog.Default, the first time at once and then at most once
	// a minute, with the socket's path and the cause.
	OnUnknown func(*http.Request, client.Unknown)

	trace trace
}

// shared is the Client of Guards that have none. A program that makes a Guard for
// each request then has the connections of one Client.
//
//nolint:gochecknoglobals // what all Guards share belongs to none of them, as http.DefaultClient does
var shared client.Client

type key struct{}

// From returns the answer under which a request was let through. ok is false
// outside a Guard, for a CORS preflight, and inside an Optional Guard for a
// request without a token.
func From(ctx context.Context) (a client.Accepted, ok bool) {
	a, ok = ctx.Value(key{}).(client.Accepted)
	return a, ok
}

// ofNobody is the request without what a Guard around this one has said of it.
func ofNobody(r *http.Request) *http.Request {
	if _, ok := From(r.Context()); !ok {
		return r
	}
	return r.WithContext(context.WithValue(r.Context(), key{}, nil))
}

// UserFrom returns the user of a request that was let through. ok is false where
// that of From is: nobody is asking then, and the User is empty.
func UserFrom(ctx context.Context) (u client.User, ok bool) {
	a, ok := From(ctx)
	if !ok {
		return client.User{}, false
	}
	return a.User(), true
}

// Wrap returns a handler that lets accepted requests through to next. It panics
// when one of Places is none, and when the Guard or next is nil.
func (g *Guard) Wrap(next http.Handler) http.Handler {
	if g == nil {
		panic("neonauthd: Wrap wants a Guard, and got a nil *Guard: write guard := &middleware.Guard{}")
	}
	if f, ok := next.(http.HandlerFunc); next == nil || ok && f == nil {
		panic("neonauthd: Wrap wants the handler that the Guard protects, and got nil")
	}
	find := g.search()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if g.Resource != nil && g.Resource.Describes(r.URL.EscapedPath()) {
			g.Resource.Describe(w, r.Method)
			return
		}
		if httpauth.Preflight(r) {
			next.ServeHTTP(w, ofNobody(r))
			return
		}
		found := find(r)
		if refusal, refused := found.Refusal(); refused {
			if g.Optional && found.Fault == "" {
				next.ServeHTTP(w, ofNobody(r))
				return
			}
			g.refuse(w, r, refusal, nil)
			return
		}
		answer, _ := found.Ask(func(token string) client.Answer { return g.ask(r.Context(), token) })
		g.decide(w, r, next, answer)
	})
}

// asker is whom the Guard asks.
func (g *Guard) asker() client.Asker {
	if c, ok := g.Client.(*client.Client); g.Client == nil || ok && c == nil {
		return &shared
	}
	return g.Client
}

func (g *Guard) ask(ctx context.Context, token string) client.Answer {
	c := g.asker()
	if g.Profile {
		return c.Profile(ctx, token, g.Options...)
	}
	return c.Verify(ctx, token, g.Options...)
}

// decide lets a request through or refuses it, by the daemon's answer.
func (g *Guard) decide(w http.ResponseWriter, r *http.Request, next http.Handler, answer client.Answer) {
	refusal, refused := g.judge(r, answer)
	a, ok := answer.(client.Accepted)
	if refused || !ok {
		g.refuse(w, r, refusal, answer)
		return
	}
	next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, a)))
}

// judge is what the answer means for the request.
func (g *Guard) judge(r *http.Request, answer client.Answer) (refusal httpauth.Refusal, refused bool) {
	switch a := answer.(type) {
	case client.Accepted:
		if refusal, refused := g.Require.Refusal(a.User()); refused {
			return refusal, true
		}
		if g.Allow != nil && !g.Allow(r, a) {
			return httpauth.Denied(""), true
		}
	case client.Unknown:
		g.traceUnknown(r, a)
	case client.Rejected:
	}
	return httpauth.RefusalOf(answer)
}

// refuse answers a request that does not get through.
func (g *Guard) refuse(w http.ResponseWriter, r *http.Request, refusal httpauth.Refusal, why client.Answer) {
	if g.Resource != nil {
		refusal.ResourceMetadata = g.Resource.MetadataURL()
	}
	refusal.SetHeaders(w.Header(), g.Realm)
	if g.Refuse != nil {
		refusing := &refusing{ResponseWriter: w, status: refusal.Status}
		g.Refuse(refusing, r, refusal.Status, why)
		refusing.begin()
		return
	}
	http.Error(w, http.StatusText(refusal.Status), refusal.Status)
}
