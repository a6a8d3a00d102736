package authrequest

import (
	"net/http"
	"net/netip"
	"strings"
	"sync"
)

// visitorHeader is the header in which a web server names its visitor; the web
// server replaces a header that the visitor sent. The name does not influence
// the decision: it divides the program's capacity among visitors, so that one
// visitor cannot use up all of it.
const visitorHeader = "X-Neonauth-Visitor"

// maxVisitor bounds the length of a visitor's address.
const maxVisitor = 64

// fromVisitorHeader requires exactly one header. "": the visitor is not known.
func fromVisitorHeader(r *http.Request) string {
	all := r.Header[visitorHeader]
	if len(all) != 1 {
		return ""
	}
	return visitor(all[0])
}

// fromForwarded returns the last address of X-Forwarded-For, which the web
// server itself has added.
func fromForwarded(r *http.Request) string {
	all := r.Header["X-Forwarded-For"]
	if len(all) == 0 {
		return ""
	}
	last := all[len(all)-1]
	return visitor(strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:]))
}

// visitor returns the visitor of an address. For IPv6 that is the network of 64
// bits, because a visitor has all addresses in such a network.
func visitor(address string) string {
	if len(address) > maxVisitor {
		return ""
	}
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	if ip.Is4() {
		return address // there is one way to write it
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

// maxPerVisitor is how many requests of one visitor are processed at the same
// time. The daemon answers what it knows in microseconds, so a visitor with so
// many requests waits for an upstream. More of them would keep other visitors
// from the connections.
const maxPerVisitor = 32

// visitors counts the requests in progress of each visitor. Safe for concurrent
// use; the zero value is ready.
type visitors struct {
	mu   sync.Mutex
	here map[string]int // requests in progress, by visitor
}

// enter counts a request of a visitor until leave, or reports that there are
// too many. Requests of unknown visitors are not limited.
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
