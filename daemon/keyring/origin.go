package keyring

import "slices"

// Origin is where a key set comes from, and which authorities have proved that. An
// authority that is not trusted any more may have vouched for somebody else's key set.
type Origin struct {
	// URL is the URL of the key set, or of the issuer whose metadata name the key set.
	URL string `json:"url"`
	// Authorities are the fingerprints of the authorities that are trusted in place of
	// the system's; none: the system's are trusted.
	Authorities []string `json:"authorities,omitempty"`
	// PlainHTTP tells that the key set may have come over plain HTTP, which proves no
	// origin.
	PlainHTTP bool `json:"plain_http,omitempty"`
}

// Admits reports whether a key set of the origin before may count as one of o: it
// comes from the same URL, and all authorities that may have vouched for it are still
// trusted.
func (o *Origin) Admits(before *Origin) bool {
	if o.URL != before.URL || before.PlainHTTP && !o.PlainHTTP {
		return false
	}
	if len(before.Authorities) == 0 {
		return len(o.Authorities) == 0
	}
	return !slices.ContainsFunc(before.Authorities, func(a string) bool { return !slices.Contains(o.Authorities, a) })
}

// same reports whether the key sets of both come from the same place, with the same proof.
func (o *Origin) same(other *Origin) bool {
	return o.URL == other.URL && o.PlainHTTP == other.PlainHTTP && slices.Equal(o.Authorities, other.Authorities)
}
