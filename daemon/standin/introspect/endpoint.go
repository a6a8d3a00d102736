// Package introspect answers as the introspection endpoint of Better Auth's OAuth provider does (RFC 7662), its order
// of checks, its leniencies and its oddities included. It knows no user and mints nothing: its user tells it which
// clients and tokens there are.
package introspect

import (
	"encoding/base64"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin/ordered"
)

// Client is an OAuth client that asks.
type Client struct {
	ID string
	// Secret is its secret; empty: a public client, which may not ask.
	Secret string
	// Basic tells that it is registered for the header Authorization, and not for the form.
	Basic bool
	// Disabled clients are refused.
	Disabled bool
	// Resources are those it is linked to. It may ask about tokens for them, and about its own tokens.
	Resources []string
}

// token is an access token, or a refresh token, that was given out.
type token struct {
	claims    ordered.Object // those of the JWT, or those on record for an opaque token
	client    string         // the client that got it
	resources []string       // the resources that it is for
	alive     bool           // it has not ended
	opaque    bool           // it is no JWT: then "active" comes first
	refresh   bool           // it is a refresh token, which is not found with the hint access_token
	bound     bool           // to a key
}

// finding is the result of a search for a text.
type finding int

const (
	nothing finding = iota // no token that is known
	failing                // a JWT that is not of this issuer: the genuine endpoint fails on it
	found                  // a token
)

// endpoint answers questions.
type endpoint struct {
	client func(id string) (Client, bool)
	find   func(text string) (token, finding)
}

const form = "application/x-www-form-urlencoded"

func (e *endpoint) answer(w http.ResponseWriter, r *http.Request) {
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case kind != form:
		write(w, http.StatusUnsupportedMediaType, ordered.Object{
			{"message", `Content-Type "` + r.Header.Get("Content-Type") + `" is not allowed. Allowed types: ` + form}, {"code", "UNSUPPORTED_MEDIA_TYPE"}})
		return
	case r.ParseForm() != nil || r.PostForm.Get("token") == "":
		write(w, http.StatusBadRequest, ordered.Object{{"error", "invalid_request"}, {"error_description", "token is required"}})
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
	client, refused := e.authenticate(r)
	if refused != nil {
		refused.write(w)
		return
	}
	e.tell(w, &client, r.PostForm.Get("token"), r.PostForm.Get("token_type_hint"))
}

// refusal is why a client was refused.
type refusal struct {
	status    int
	challenge bool
	text      string
}

func (f *refusal) write(w http.ResponseWriter) {
	if f.challenge {
		w.Header().Set("WWW-Authenticate", "Basic")
	}
	write(w, f.status, ordered.Object{{"error_description", f.text}, {"error", "invalid_client"}})
}

func (e *endpoint) authenticate(r *http.Request) (Client, *refusal) {
	id, secret, basic := credentials(r)
	if id == "" || secret == "" {
		return Client{}, &refusal{http.StatusUnauthorized, false, "missing required credentials"}
	}
	// A wrong secret in the form is a bad request; in the header the client is unauthorized.
	status := http.StatusBadRequest
	if basic {
		status = http.StatusUnauthorized
	}
	c, known := e.client(id)
	switch {
	case !known:
		return c, &refusal{http.StatusBadRequest, false, "missing client"}
	case c.Disabled:
		return c, &refusal{http.StatusBadRequest, false, "client is disabled"}
	case c.Secret == "":
		return c, &refusal{http.StatusUnauthorized, false, "missing required credentials"}
	case c.Basic != basic:
		name := map[bool]string{true: "client_secret_basic", false: "client_secret_post"}
		return c, &refusal{http.StatusUnauthorized, basic, "client registered for " + name[c.Basic] + " cannot use " + name[basic]}
	case c.Secret != secret:
		return c, &refusal{status, basic, "invalid client_secret"}
	}
	return c, nil
}

// credentials are those of the header Authorization, each part percent-encoded, or else of the form.
func credentials(r *http.Request) (id, secret string, basic bool) {
	text, basic := strings.CutPrefix(r.Header.Get("Authorization"), "Basic ")
	if !basic {
		return r.PostForm.Get("client_id"), r.PostForm.Get("client_secret"), false
	}
	both, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return "", "", true
	}
	id, secret, _ = strings.Cut(string(both), ":")
	id, err = url.QueryUnescape(id)
	secret, err2 := url.QueryUnescape(secret)
	if err != nil || err2 != nil {
		return "", "", true
	}
	return id, secret, true
}

// tell answers the client's question about a text. It says more than inactive only about a token of the client, or for
// a resource of the client.
func (e *endpoint) tell(w http.ResponseWriter, client *Client, text, hint string) {
	// The genuine endpoint removes these, and so calls more than one spelling of a token active.
	text = strings.TrimSuffix(strings.TrimPrefix(text, "Bearer "), "\n")
	t, is := e.find(text)
	concerned := t.client == client.ID || slices.ContainsFunc(t.resources, func(r string) bool { return slices.Contains(client.Resources, r) })
	switch {
	case is == failing:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusInternalServerError)
	case is == nothing, !t.alive, !concerned, t.refresh && hint == "access_token":
		write(w, http.StatusOK, ordered.Object{{"active", false}})
	default:
		active := ordered.Object{{"active", true}}
		body := slices.Concat(t.claims, active)
		if t.opaque {
			body = slices.Concat(active, t.claims)
		}
		write(w, http.StatusOK, append(body, ordered.Member{"token_type", map[bool]string{false: "Bearer", true: "DPoP"}[t.bound]}))
	}
}

func write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(ordered.Encode(body))
}

// Meter counts requests as Better Auth's limiter does: so many, until a whole window has passed after the last one that
// was let through. The zero value has counted none. It is for one goroutine at a time.
type Meter struct {
	count int
	last  time.Time
}

// Window is that of Better Auth's limiter by default.
const Window = time.Minute

// Refuse counts a request at an instant, or tells in how many seconds the next one may come.
func (m *Meter) Refuse(most int, now time.Time) (after int, refused bool) {
	since := now.Sub(m.last)
	switch {
	case m.count >= most && since < Window:
		return int((Window - since + time.Second - 1) / time.Second), true
	case since > Window:
		m.count = 0
	}
	m.count, m.last = m.count+1, now
	return 0, false
}
