package middleware

import (
	"net/http"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/client/httpauth"
)

// Found is the result of Guard.Token.
type Found uint8

// The results of a search for a token. The zero value is FoundNone.
const (
	FoundNone       Found = iota // the request carries no token
	FoundOne                     // the request carries one token
	FoundTwo                     // the request carries two different tokens, or a list of tokens: 400
	FoundUnreadable              // the request carries a token that cannot be read: 400
)

// Bearer searches only the Authorization header, as httpauth.Authorization
// does. Use it as Guard.Token.
func Bearer(r *http.Request) (string, Found) { return only(httpauth.Authorization)(r) }

// Cookie returns a search for the token in the cookie with this name, and in no
// other place. Use it as Guard.Token. Cookie panics if no cookie can have the
// name. For a cookie that counts beside the headers, use Guard.Places instead.
// Read about request forgery at httpauth.Place.
func Cookie(name string) func(*http.Request) (string, Found) { return only(httpauth.Cookie(name)) }

// only returns a search in one place.
func only(place httpauth.Place) func(*http.Request) (string, Found) {
	search := mustSearch(place)
	return func(r *http.Request) (string, Found) {
		found := search.Find(r.Header, client.LevelClaims)
		switch {
		case found.Fault == httpauth.FaultUnreadable:
			return "", FoundUnreadable
		case found.Fault != "" || len(found.Tokens) > 1:
			return "", FoundTwo
		case len(found.Tokens) == 1:
			return found.Tokens[0], FoundOne
		}
		return "", FoundNone
	}
}

func mustSearch(places ...httpauth.Place) *httpauth.Search {
	search, err := httpauth.NewSearch(places...)
	if err != nil {
		panic("neonauthd: " + err.Error()) // a mistake in the program, found before the first request
	}
	return search
}

// search returns the function that finds the token of a request.
func (g *Guard) search() func(*http.Request) httpauth.Result {
	if g.Token != nil {
		return g.ownSearch
	}
	level := client.LevelClaims
	if g.Profile {
		level = client.LevelProfile
	}
	search := mustSearch(append(httpauth.Headers(), g.Places...)...)
	return func(r *http.Request) httpauth.Result { return search.Find(r.Header, level) }
}

// ownSearch translates the result of Guard.Token into a Result. A token that is
// empty is asked about all the same: the answer is malformed, where no token
// would let the request through if Optional is set.
func (g *Guard) ownSearch(r *http.Request) httpauth.Result {
	switch token, found := g.Token(r); found {
	case FoundOne:
		return httpauth.Result{Tokens: []string{token}}
	case FoundTwo:
		return httpauth.Result{Fault: httpauth.FaultTwoTokens}
	case FoundUnreadable:
		return httpauth.Result{Fault: httpauth.FaultUnreadable}
	case FoundNone:
	}
	return httpauth.Result{}
}
