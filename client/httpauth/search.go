package httpauth

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/protocol"
)

// Search looks for the token of a request in some places. NewSearch makes one;
// the zero value finds nothing. It does not change and is safe for concurrent
// use.
type Search struct {
	places []Place
	vary   string
}

// NewSearch returns a search in these places, whatever their order, each of
// them once. The error names the place that is none, and what would be right.
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

// Vary is the value of the header Vary for what depends on the token: the
// headers in which this search looks.
func (s *Search) Vary() string { return s.vary }

// MaxCookieTokens bounds the different tokens that one request's SDK cookies
// may hold, and with them the lookups that it can cause.
const MaxCookieTokens = 4

// Fault says why a request is wrong in itself, whatever the daemon would say
// about what it carries. The zero value is no fault.
type Fault string

// The faults.
const (
	// FaultTwoTokens: the request carries two different tokens, a list of
	// them, or Bearer beside another scheme. Whoever reads it next might
	// take the other one for the one that was judged.
	FaultTwoTokens Fault = "two-tokens"

	// FaultUnreadable: what carries the token cannot be read, such as an
	// envelope that is no base64.
	FaultUnreadable Fault = "unreadable-token"
)

// Result is what a search came to. The zero value is a request without a token.
type Result struct {
	// Tokens has one token, or none. Only cookies of an SDK can add up to
	// several, since a browser keeps one for each domain and path: then they
	// are asked about in this order, and the first that is accepted counts.
	Tokens []string

	// Fault, if there is one, is the result, and there are no Tokens.
	Fault Fault
}

// Find looks for the token. The level is the one to be asked about: a session
// cookie counts for client.LevelProfile only.
//
// Blanks around a token are not part of it, an empty value counts as absent,
// and one token in several places is one token.
func (s *Search) Find(h http.Header, level client.Level) Result {
	var f finder
	for _, p := range s.places {
		f.look(h, p, level)
	}
	return f.result()
}

// finder is a search under way.
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

// found takes a token from anywhere but the SDKs' cookies.
func (f *finder) found(token string) {
	switch token = trim(token); {
	case token == "" || token == f.token:
	case f.token == "":
		f.token = token
	default:
		f.fail(FaultTwoTokens)
	}
}

// foundCookies takes the tokens from cookies of one name.
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

// fail keeps the first fault.
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

// Ask asks about each token in turn as long as the answers are rejections, and
// returns the one that counts with the token that it is about. An Unknown ends
// it too: the token may be the good one, and then another user's must not take
// its place. Without any token the answer is nil.
func (r Result) Ask(ask func(token string) client.Answer) (answer client.Answer, token string) {
	for _, next := range r.Tokens {
		a := ask(next)
		rejected, no := a.(client.Rejected)
		if !no {
			return a, next
		}
		if answer == nil || protocol.Rejected(rejected.Reason).HTTPStatus() == http.StatusForbidden {
			// Of several rejections the first counts, or the one of a
			// genuine token, whose user another login would not help.
			answer, token = a, next
		}
	}
	return answer, token
}
