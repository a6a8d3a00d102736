package transport

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"
)

// Errors of addresses that may not be connected to.
var (
	errNotLoopback = errors.New("the name localhost leads to another host")
	errNotPrivate  = errors.New("plain http leads out of the private network, to a public address; write https")
)

// dialer connects within a time for each stage, name lookup included.
type dialer struct {
	stage    time.Duration
	route    Route
	resolver *net.Resolver // nil: the system's
}

// secure connects for TLS, which says who is at the other end: directly, or through
// the proxy of the route. The name localhost has to lead to this machine.
func (d *dialer) secure(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if IsLoopback(host) {
		return d.direct(network, address, loopbackOnly)(ctx)
	}
	via, err := d.route.to(address)
	switch {
	case err != nil:
		return nil, err
	case via != nil:
		return via.tunnel(ctx, d.stage, address)
	default:
		return d.direct(network, address, nil)(ctx)
	}
}

// plain returns what connects for plain http: within this machine or, if private, within
// the private network. It never takes a proxy: the proxy would resolve the name, and this
// host could not check the address.
func (d *dialer) plain(private bool) Dialer {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		check := loopbackOnly
		if private && !IsLoopback(host) {
			check = privateOnly
		}
		return d.direct(network, address, check)(ctx)
	}
}

// direct connects to an address. check is called with the address that its name leads to,
// just before the connection is made; nil admits all.
func (d *dialer) direct(network, address string, check func(netip.Addr) error) func(context.Context) (net.Conn, error) {
	to := net.Dialer{Timeout: d.stage, Resolver: d.resolver}
	if check != nil {
		to.Control = func(_, address string, _ syscall.RawConn) error {
			at, err := netip.ParseAddrPort(address)
			if err != nil {
				return err
			}
			return check(at.Addr().Unmap())
		}
	}
	return func(ctx context.Context) (net.Conn, error) { return to.DialContext(ctx, network, address) }
}

func loopbackOnly(at netip.Addr) error {
	if !at.IsLoopback() {
		return errNotLoopback
	}
	return nil
}

func privateOnly(at netip.Addr) error {
	if !isPrivate(at) {
		return errNotPrivate
	}
	return nil
}

// isPrivate reports whether an address is of this machine or of a private network (RFC
// 1918, RFC 4193). Link-local ones are not: cloud providers serve secrets there.
func isPrivate(at netip.Addr) bool { return at.IsLoopback() || at.IsPrivate() }

// IsLoopback reports whether host names this machine: 127.0.0.0/8, ::1 or localhost.
func IsLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	at, err := netip.ParseAddr(host)
	return err == nil && at.Unmap().IsLoopback()
}

// PlainFault says why plain http may not be spoken to host, as far as its name tells; ""
// if it may. private is as in [Config].
func PlainFault(host string, private bool) string {
	at, err := netip.ParseAddr(host)
	switch {
	case IsLoopback(host):
		return ""
	case !private:
		return "is plain http to another host; write https (http is for loopback addresses and, with insecure_http = true, for a private network)"
	case err == nil && !isPrivate(at.Unmap()):
		return "is plain http to a public address, which insecure_http does not admit; write https"
	default:
		return "" // the address that the name leads to is checked when the connection is made
	}
}
