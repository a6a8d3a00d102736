package httpauth

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/protocol"
)

// Search looks for the token of a request in a list of places. NewSearch makes
// a Search; the zero value finds nothing. A Search does not change and is safe
// for concurrent use.
type Search struct {
	places []Place
	vary   string
}

// NewSearch returns a search in these places. The order of the arguments does
// not matter, and a place that is named twice counts once. The error names the
// place that is not valid, and says what would be valid.
func NewSearch(places ...Place) (*Search, error) {
	if len(places) == 0 {
		return nil, errors.New("the list names no place, so no request could carry a token")
	}
	s := new(Search)
	var names []string
	for _, p := range places {
		p, err := p.check()
		if err != nil {
			return nil, err
		}
		if !slices.Contains(s.places, p) {
			s.places = append(s.places, p)
			names = append(names, p.vary()...)
		}
	}
	slices.SortStableFunc(s.places, func(a, b Place) int { return a.rank() - b.rank() })
	slices.Sort(names)
	s.vary = strings.Join(slices.Compact(names), ", ")
	return s, nil
}

// Vary returns the value of the response header Vary for content that depends
// on the token: the names of the headers that this search reads.
func (s *Search) Vary() string { return s.vary }

// MaxCookieTokens is how many different tokens the SDK's cookies of one request
// may hold. It also bounds how many lookups one request can cause.
const MaxCookieTokens = 4

// Fault says why a request is invalid by itself, before the daemon is asked.
// The zero value is no fault.
type Fault string

// The faults.
const (
	// FaultTwoTokens: the request carries two different tokens, a list of
	// tokens, or Bearer beside another scheme. The next reader of the request
	// might use a token that was not verified.
	FaultTwoTokens Fault = "two-tokens"

	// FaultUnreadable: the token cannot be read, for example because its
	// envelope is not base64.
	FaultUnreadable Fault = "unreadable-token"
)

// Result is the result of a search. The zero value is a request without a
// token.
type Result struct {
	// Tokens holds one token or none. Only cookies of an SDK can give several,
	// because a browser keeps one cookie for each domain and path. Ask then
	// asks about them in this order, and the first accepted token counts.
	Tokens []string

	// Fault, if not empty, is the result, and Tokens is empty.
	Fault Fault
}

// Find looks for the token in the headers of a request. level is the level of
// the lookup that will follow: a session cookie counts only for
// client.LevelProfile.
//
// Blanks around a token are ignored, an empty value counts as absent, and the
// same token in several places counts once.
func (s *Search) Find(h http.Header, level client.Level) Result {
	var f finder
	for _, p := range s.places {
		f.look(h, p, level)
	}
	return f.result()
}

// finder is one search while it runs.
type finder struct {
	token   string   // outside the SDKs' cookies
	cookies []string // the different tokens in the SDKs' cookies
	fault   Fault
}

func (f *finder) look(h http.Header, p Place, level client.Level) {
	switch p {
	case Authorization:
		f.lookInAuthorization(h["Authorization"])
	case SDKHeaders:
		f.lookInHeader(h[stackAccessToken])
		f.lookInHeader(h[hexclaveAccessToken])
		for _, value := range h[stackAuth] {
			f.foundInObject([]byte(trim(value)))
		}
	case SDKCookies:
		f.lookInSDKCookies(h)
	case SessionCookie:
		if level == client.LevelProfile {
			f.foundCookies(cookies(h, sessionCookie))
		}
	default:
		if name, ok := strings.CutPrefix(string(p), headerPrefix); ok {
			f.lookInHeader(h[name])
		} else if name, ok := strings.CutPrefix(string(p), cookiePrefix); ok {
			for _, value := range cookies(h, name) {
				f.found(value)
			}
		}
	}
}

// found takes a token from any place but the SDKs' cookies.
func (f *finder) found(token string) {
	switch token = trim(token); {
	case token == "" || token == f.token:
	case f.token == "":
		f.token = token
	default:
		f.fail(FaultTwoTokens)
	}
}

// foundCookies takes the tokens from cookies with one name.
func (f *finder) foundCookies(tokens []string) {
	for _, token := range tokens {
		switch {
		case token == "" || slices.Contains(f.cookies, token):
		case len(f.cookies) == MaxCookieTokens:
			f.fail(FaultTwoTokens)
		default:
			f.cookies = append(f.cookies, token)
		}
	}
}

// fail records a fault. The first fault counts.
func (f *finder) fail(fault Fault) {
	if f.fault == "" {
		f.fault = fault
	}
}

func (f *finder) result() Result {
	switch {
	case f.fault != "":
		return Result{Fault: f.fault}
	case f.token == "":
		return Result{Tokens: f.cookies}
	case len(f.cookies) > 0 && !slices.Contains(f.cookies, f.token):
		return Result{Fault: FaultTwoTokens}
	}
	return Result{Tokens: []string{f.token}}
}

// Ask calls ask with each token in turn until the answer is not a rejection. It
// returns the answer that counts, and the token that this answer is about.
//
// An Unknown ends the search too: its token may be the good one, and a later
// token of another user must not take its place. If there is no token, the
// answer is nil.
func (r Result) Ask(ask func(token string) client.Answer) (answer client.Answer, token string) {
	for _, next := range r.Tokens {
		a := ask(next)
		rejected, no := a.(client.Rejected)
		if !no {
			return a, next
		}
		if answer == nil || protocol.Rejected(rejected.Reason).HTTPStatus() == http.StatusForbidden {
			// The first of several rejections counts. A later one with status
			// 403 replaces it: its token is genuine, so logging in again would
			// not help.
			answer, token = a, next
		}
	}
	return answer, token
}
