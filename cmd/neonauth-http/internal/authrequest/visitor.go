package authrequest

import (
	"net/http"
	"net/netip"
	"strings"
	"sync"
)

// visitorHeader is where a web server says who its visitor is, in place of one
// that a visitor sent. Nothing is decided by it: visitors that are told apart
// take turns, and one of them cannot use up what all have.
const visitorHeader = "X-Neonauth-Visitor"

// maxVisitor bounds what is taken for a visitor's address.
const maxVisitor = 64

// fromVisitorHeader takes exactly one header. "" is nobody that could be told
// from others.
func fromVisitorHeader(r *http.Request) string {
	all := r.Header[visitorHeader]
	if len(all) != 1 {
		return ""
	}
	return visitor(all[0])
}

// fromForwarded takes the last address of X-Forwarded-For, which is the one that
// the web server itself has put there.
func fromForwarded(r *http.Request) string {
	all := r.Header["X-Forwarded-For"]
	if len(all) == 0 {
		return ""
	}
	last := all[len(all)-1]
	return visitor(strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:]))
}

// visitor is who has an address. A visitor of IPv6 has a whole network of 64
// bits, and as many addresses as it likes.
func visitor(address string) string {
	if len(address) > maxVisitor {
		return ""
	}
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	if ip = ip.Unmap(); ip.Is4() {
		return ip.String()
	}
	network, err := ip.WithZone("").Prefix(64)
	if err != nil {
		return address
	}
	return network.String()
}

// maxPerVisitor is how many requests of one visitor are worked on at once. What
// the daemon knows takes microseconds; so many at once wait for an upstream, and
// more would keep others from its connections.
const maxPerVisitor = 32

// visitors are those whose requests are being worked on. Safe for concurrent use;
// the zero value is ready.
type visitors struct {
	mu   sync.Mutex
	here map[string]int // requests
}

// enter counts one more request of a visitor, which leave has to end, or reports
// that there are too many. Those whom nobody can tell from others are not bounded.
func (v *visitors) enter(visitor string) bool {
	if visitor == "" {
		return true
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.here[visitor] >= maxPerVisitor {
		return false
	}
	if v.here == nil {
		v.here = map[string]int{}
	}
	v.here[visitor]++
	return true
}

func (v *visitors) leave(visitor string) {
	if visitor == "" {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.here[visitor]--; v.here[visitor] == 0 {
		delete(v.here, visitor)
	}
}
