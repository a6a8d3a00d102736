package keyring

import "slices"

// Origin is where a key set comes from, and who vouches that it does. Whoever is
// trusted no longer may have vouched for a set of somebody else's.
type Origin struct {
	// URL is the key set's own, or that of the issuer that it is discovered at.
	URL string `json:"url"`
	// Authorities are the fingerprints of those that are trusted in the system's
	// place; none: the system's.
	Authorities []string `json:"authorities,omitempty"`
	// PlainHTTP tells that it may have come over plain http, for which nobody vouches.
	PlainHTTP bool `json:"plain_http,omitempty"`
}

// Admits reports whether what came from before may count as from o: from the same
// place, and vouched for by nobody who is not trusted any more.
func (o *Origin) Admits(before *Origin) bool {
	if o.URL != before.URL || before.PlainHTTP && !o.PlainHTTP {
		return false
	}
	if len(before.Authorities) == 0 {
		return len(o.Authorities) == 0
	}
	return !slices.ContainsFunc(before.Authorities, func(a string) bool { return !slices.Contains(o.Authorities, a) })
}
