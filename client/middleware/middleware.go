// Package middleware protects a net/http handler with neonauthd.
//
//	guard := &middleware.Guard{Client: &client.Client{}}
//	http.Handle("GET /account", guard.Wrap(http.HandlerFunc(account)))
//
// In the handler, middleware.UserFrom(r.Context()) returns the user. The Guard
// refuses all other requests:
//
//   - 401 with the challenge of RFC 6750: the request has no token, or a bad one
//   - 403: the user is verified, but not allowed
//   - 400: the request has two different tokens, or one that cannot be read
//   - 503 with Retry-After: nothing was learnt about the token. It is never 401,
//     which would log the user out.
//
// Package httpauth defines these rules.
package middleware

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/client/httpauth"
)

// DefaultRetryAfter is the Retry-After of a 503 when the daemon advises none.
const DefaultRetryAfter time.Duration = httpauth.DefaultRetryAfter

// Guard lets requests with an accepted token through to a handler and refuses
// all others. The zero value is ready to use: it asks the daemon of this host,
// at level claims, about the token in the headers of httpauth.Headers. Set the
// fields before use, and do not change them afterwards. A Guard is safe for
// concurrent use. Guards should share a Client; Guards without a Client share
// one.
//
// A CORS preflight carries no token. The Guard lets it through without an
// Accepted in its context, so a handler whose route names no method must check
// ok of UserFrom. Put the middleware that adds CORS headers around the Guard: a
// browser shows a 401 without CORS headers to the page as a network error. Put
// it around the http.ServeMux too: the mux answers OPTIONS with 405 for a
// pattern such as "GET /account".
//
// Nothing else goes through without a check. A request for an Upgrade, such as
// that of a WebSocket, is checked like every other.
type Guard struct {
	// Client asks the daemon. Use a *client.Client, and in a test a
	// *clienttest.Fake. Nil: a client.Client with its zero value, which all
	// Guards without a Client share.
	Client client.Asker

	// Options are passed with every lookup. MaxAge and FallbackClaims need
	// Profile, Heard needs a second or more, and WithProject a name.
	Options []client.Option

	// Profile makes the Guard ask for the user's profile, with Client.Profile
	// instead of Client.Verify.
	Profile bool

	// Places are the places where a request may carry its token, in addition to
	// httpauth.Headers, which always count. Before you name a cookie, read
	// about request forgery at httpauth.Place.
	Places []httpauth.Place

	// Token finds the token in a request, instead of the search in
	// httpauth.Headers and Places. Nil: these places are searched.
	Token func(*http.Request) (token string, found Found)

	// Optional lets a request without a token through, without an Accepted in
	// its context. A request with a bad token is refused all the same.
	Optional bool

	// Require are the conditions that a user must meet; otherwise the response
	// is 403 with the reason. The zero value admits normal users. To admit
	// other kinds, which the daemon's project must admit too, set
	// Require.Kinds.
	Require httpauth.Requirements

	// Allow decides whether a user who meets Require may have what the request
	// asks for. If it returns false, the response is 403. Nil: every such user
	// may.
	Allow func(*http.Request, client.Accepted) bool

	// Realm is the realm of the challenges. Empty: challenges have none.
	Realm string

	// Resource is the protected resource (RFC 9728) that the handler serves.
	// Challenges then name the address of its metadata. The Guard serves the
	// metadata if it receives the requests for it; if it does not, register the
	// Resource itself for MetadataPath. Nil: none.
	Resource *httpauth.Resource

	// Refuse writes the body of a refusal, and may add headers.
	// WWW-Authenticate, Retry-After and Cache-Control are set already. Refuse
	// must not choose another status than the given one, which is sent even if
	// Refuse does not call WriteHeader. why is nil for a request that was
	// refused without asking the daemon. Nil: the body is the text of the
	// status, as text/plain.
	Refuse func(w http.ResponseWriter, r *http.Request, status int, why client.Answer)

	// OnUnknown is called for each answer that makes a 503, for example because
	// the daemon cannot be reached. The request waits for its return. Nil: the
	// Guard logs a line to slog.Default with the path of the socket and the
	// cause, the first time at once and then at most once a minute.
	OnUnknown func(*http.Request, client.Unknown)

	trace trace
}

// shared is the Client of Guards that have none. A program that makes a Guard for
// each request then has the connections of one Client.
//
//nolint:gochecknoglobals // what all Guards share belongs to none of them, as http.DefaultClient does
var shared client.Client

type key struct{}

// From returns the daemon's answer for a request that the Guard let through. ok
// is false outside a Guard, for a CORS preflight, and inside an Optional Guard
// for a request without a token.
func From(ctx context.Context) (a client.Accepted, ok bool) {
	a, ok = ctx.Value(key{}).(client.Accepted)
	return a, ok
}

// ofNobody returns the request without the answer that an outer Guard has put
// into its context.
func ofNobody(r *http.Request) *http.Request {
	if _, ok := From(r.Context()); !ok {
		return r
	}
	return r.WithContext(context.WithValue(r.Context(), key{}, nil))
}

// UserFrom returns the user of a request that the Guard let through. ok is
// false in the same cases as for From; the User is then empty.
func UserFrom(ctx context.Context) (u client.User, ok bool) {
	a, ok := From(ctx)
	if !ok {
		return client.User{}, false
	}
	return a.User(), true
}

// Wrap returns a handler that lets accepted requests through to next. It panics
// if Options, Places or Require are not valid, or if the Guard or next is nil.
func (g *Guard) Wrap(next http.Handler) http.Handler {
	if g == nil {
		panic("neonauthd: Wrap wants a Guard, and got a nil *Guard: write guard := &middleware.Guard{}")
	}
	if f, ok := next.(http.HandlerFunc); next == nil || ok && f == nil {
		panic("neonauthd: Wrap wants the handler that the Guard protects, and got nil")
	}
	g.check()
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

// check panics if Options or Require are not valid, before the first request.
// Verify would ignore an option that is for the profile only: a cached verdict
// would pass for a live one.
func (g *Guard) check() {
	if !g.Profile && slices.ContainsFunc(g.Options, client.Option.OnlyForProfile) {
		panic("neonauthd: Guard.Options: client.MaxAge or client.FallbackClaims has no effect without the profile: set Profile: true, or leave it out")
	}
	if slices.ContainsFunc(g.Options, client.Option.AlwaysUnknown) {
		panic("neonauthd: Guard.Options: each request would get 503: client.Heard needs a second or more, and client.WithProject a name that is not empty")
	}
	if err := g.Require.Check(); err != nil {
		panic("neonauthd: Guard.Require: " + err.Error())
	}
}

// asker returns the Guard's Client, or else the shared one.
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

// judge returns the refusal for the answer. refused is false if the request may
// go through.
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

// refuse sends the refusal.
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
