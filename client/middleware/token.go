package middleware

import (
	"net/http"

	"github.com/neonauthd/neonauthd/client"
	"github.com/neonauthd/neonauthd/client/httpauth"
)

// Found says what a search of Guard.Token came to.
type Found uint8

// The results of a search for a token. The zero value is FoundNone.
const (
	FoundNone      Found = iota // the request carries none
	FoundOne                    // it carries one
	FoundConfusing              // it carries several, or something of no shape: 400
)

// Bearer finds the token in the Authorization header alone, for use as
// Guard.Token: httpauth.Authorization and no other place.
func Bearer(r *http.Request) (string, Found) { return only(httpauth.Authorization)(r) }

// Cookie returns a search for the token in the cookie of that name alone, for
// use as Guard.Token. It panics when no cookie can have the name. Put the
// cookie into Guard.Places for one that counts besides the headers; about
// forged requests read httpauth.Place.
func Cookie(name string) func(*http.Request) (string, Found) { return only(httpauth.Cookie(name)) }

// only is a search in one place.
func only(place httpauth.Place) func(*http.Request) (string, Found) {
	search := mustSearch(place)
	return func(r *http.Request) (string, Found) {
		found := search.Find(r.Header, client.LevelClaims)
		switch {
		case found.Fault != "" || len(found.Tokens) > 1:
			return "", FoundConfusing
		case len(found.Tokens) == 1:
			return found.Tokens[0], FoundOne
		}
		return "", FoundNone
	}
}

func mustSearch(places ...httpauth.Place) *httpauth.Search {
	search, err := httpauth.NewSearch(places...)
	if err != nil {
		panic("middleware: " + err.Error()) // a fault of the program, known before the first request
	}
	return search
}

// search returns what finds the Guard's tokens.
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

// ownSearch puts what Guard.Token found into httpauth's words. A token that is
// empty is asked about: it is malformed, and nobody gets in as nobody.
func (g *Guard) ownSearch(r *http.Request) httpauth.Result {
	switch token, found := g.Token(r); found {
	case FoundOne:
		return httpauth.Result{Tokens: []string{token}}
	case FoundConfusing:
		return httpauth.Result{Fault: httpauth.FaultUnreadable}
	case FoundNone:
	}
	return httpauth.Result{}
}
