// Package engineurl reads where the engine of a fleet is, as fleet.urls says it.
package engineurl

import (
	"errors"
	"net"
	"net/url"
	"strings"
)

// Endpoint is where one URL points.
type Endpoint struct {
	Address string // host:port, or the path of a socket
	User    string // "" is the default user
	TLS     bool
	Socket  bool // a Unix socket
}

// Local reports whether what is sent there stays on this host.
func (e Endpoint) Local() bool {
	if e.Socket {
		return true
	}
	host, _, _ := net.SplitHostPort(e.Address)
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Parse reads valkey(s)://[USER@]HOST[:PORT], redis(s)://... and
// unix://[USER@]/PATH. Its errors do not repeat the text, which may hold a
// password.
func Parse(raw string) (Endpoint, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Opaque != "" {
		return Endpoint{}, errors.New("is not a URL such as rediss://valkey.internal:6379 or unix:///run/valkey.sock")
	}
	if _, has := u.User.Password(); has {
		return Endpoint{}, errors.New("must not contain a password; name a file or credential with fleet.password")
	}
	e := Endpoint{User: u.User.Username()}
	switch {
	case u.RawQuery != "" || u.Fragment != "" || strings.ContainsAny(raw, "?#"):
		return Endpoint{}, errors.New("must not contain \"?\" or \"#\"")
	case u.Scheme == "unix" && u.Host == "" && strings.HasPrefix(u.Path, "/") && u.Path != "/":
		e.Address, e.Socket = u.Path, true
		return e, nil
	case u.Scheme == "rediss" || u.Scheme == "valkeys":
		e.TLS = true
	case u.Scheme != "redis" && u.Scheme != "valkey":
		return Endpoint{}, errors.New("must begin with valkeys://, rediss://, valkey://, redis:// or unix:///")
	}
	if u.Hostname() == "" || u.Path != "" && u.Path != "/" {
		return Endpoint{}, errors.New("must be a host and a port, without a path: a fleet uses database 0")
	}
	port := u.Port()
	if port == "" {
		port = "6379"
	}
	e.Address = net.JoinHostPort(u.Hostname(), port)
	return e, nil
}
