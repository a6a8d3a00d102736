package demo

import (
	"time"

	"github.com/neonauthd/neonauthd/daemon/standin"
)

// Names of the demo's users, which stand before the @ of their addresses.
const (
	defaultUser    = "ada"  // with a team and a verified address
	restrictedUser = "rita" // whom the daemon's project does not admit
	leaver         = "bob"  // whose address is not verified, and whom the demo's webhook is about
)

// domain is the domain of the users' addresses (RFC 2606).
const domain = "@example.org"

// users returns the users of every demo. The id of a name follows from the
// seed.
func users(id func(name string) string) []standin.User {
	all := []standin.User{
		{Name: "Ada Lovelace", Email: defaultUser + domain, EmailVerified: true, Team: standin.Team{ID: id("team analysts"), Name: "Analysts"}},
		{Name: "Grace Hopper", Email: "grace" + domain, EmailVerified: true},
		{Name: "Bob", Email: leaver + domain},
		{Name: "Rita", Email: restrictedUser + domain, Restricted: true},
	}
	for i := range all {
		all[i].ID = id(all[i].Email)
		all[i].SignedUpAt = time.Date(2026, time.January, 5, 9, 0, i, 0, time.UTC)
	}
	return all
}
