package standin

import (
	"context"
	"net/http"
	"sync"
)

// Endpoint names what was called, for counters and faults. An endpoint may belong to a wider one.
type Endpoint string

// The endpoints. Keys stands for all three key sets, and Any for everything but the control interface.
const (
	Any        Endpoint = "any"
	Keys       Endpoint = "keys"
	StackKeys  Endpoint = "stack-keys"
	NeonKeys   Endpoint = "neon-keys"
	OIDCKeys   Endpoint = "oidc-keys"
	Me         Endpoint = "me"             // Stack: GET /api/v1/users/me
	APIKeys    Endpoint = "api-keys"       // Stack: POST /api/v1/{user,team}-api-keys/check
	Access     Endpoint = "access"         // sign-in, refresh, sign-out and /token of every preset
	GetSession Endpoint = "session"        // Neon: GET /neondb/auth/get-session
	Userinfo   Endpoint = "userinfo"       // OpenID Connect
	Discovery  Endpoint = "discovery"      // OpenID Connect
	Base       Endpoint = "base-discovery" // Better Auth's, where its issuer is its base URL

	Introspection Endpoint = "introspection" // Neon and OpenID Connect: POST of RFC 7662
)

// Endpoints lists every endpoint.
func Endpoints() []Endpoint {
	return []Endpoint{Any, Keys, StackKeys, NeonKeys, OIDCKeys, Me, APIKeys, Access, GetSession, Userinfo, Discovery, Base, Introspection}
}

// scopes are the endpoint itself and the wider ones, narrowest first.
func (e Endpoint) scopes() []Endpoint {
	switch e {
	case Any:
		return []Endpoint{Any}
	case StackKeys, NeonKeys, OIDCKeys:
		return []Endpoint{e, Keys, Any}
	default:
		return []Endpoint{e, Any}
	}
}

// calls counts requests and wakes those who wait for one.
type calls struct {
	mu      sync.Mutex
	total   map[Endpoint]int
	running map[Endpoint]int
	peak    map[Endpoint]int
	last    map[Endpoint]http.Header
	changed chan struct{} // closed and replaced at every change
}

func newCalls() *calls {
	return &calls{total: map[Endpoint]int{}, running: map[Endpoint]int{}, peak: map[Endpoint]int{},
		last: map[Endpoint]http.Header{}, changed: make(chan struct{})}
}

// begin counts a request; the function returned ends it.
func (c *calls) begin(e Endpoint, header http.Header) func() {
	c.add(e, 1, header)
	return func() { c.add(e, -1, nil) }
}

func (c *calls) add(e Endpoint, step int, header http.Header) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, scope := range e.scopes() {
		c.running[scope] += step
		c.peak[scope] = max(c.peak[scope], c.running[scope])
		if step > 0 {
			c.total[scope]++
			c.last[scope] = header.Clone()
		}
	}
	close(c.changed)
	c.changed = make(chan struct{})
}

// Calls counts the requests that reached an endpoint so far, faulted ones included.
func (s *Standin) Calls(e Endpoint) int {
	s.calls.mu.Lock()
	defer s.calls.mu.Unlock()
	return s.calls.total[e]
}

// Running counts the requests at an endpoint that have no complete answer yet.
func (s *Standin) Running(e Endpoint) int {
	s.calls.mu.Lock()
	defer s.calls.mu.Unlock()
	return s.calls.running[e]
}

// PeakCalls is the most requests that an endpoint ever had at the same time.
func (s *Standin) PeakCalls(e Endpoint) int {
	s.calls.mu.Lock()
	defer s.calls.mu.Unlock()
	return s.calls.peak[e]
}

// LastHeader is a copy of the header of the latest request to an endpoint; nil before the first.
func (s *Standin) LastHeader(e Endpoint) http.Header {
	s.calls.mu.Lock()
	defer s.calls.mu.Unlock()
	return s.calls.last[e].Clone()
}

// AwaitCalls waits until an endpoint has been called at least n times. The error is the context's.
func (s *Standin) AwaitCalls(ctx context.Context, e Endpoint, n int) error {
	return s.calls.await(ctx, func() bool { return s.calls.total[e] >= n })
}

// AwaitIdle waits until no request is being answered at an endpoint. The error is the context's.
func (s *Standin) AwaitIdle(ctx context.Context, e Endpoint) error {
	return s.calls.await(ctx, func() bool { return s.calls.running[e] == 0 })
}

func (c *calls) await(ctx context.Context, reached func() bool) error {
	for {
		c.mu.Lock()
		done, changed := reached(), c.changed
		c.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
